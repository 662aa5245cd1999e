"""Runs over files with a denoiser that is quick and simple."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cryoscore_plugin.batch import run
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.batch.run import denoise_micrographs
from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.restoration import Restoration
from cryoscore_plugin.settings import DenoiseSettings


class FakeDenoiser(Denoiser):
    """Doubles every grey value, at once and without a network."""

    fingerprint = "fake 0123456789ab"
    description = "a fake device"

    def __init__(self, before=None):
        object.__setattr__(self, "before", before)

    def denoise(self, micrograph):
        if self.before is not None:
            self.before(micrograph)
        doubled = dataclasses.replace(micrograph, pixels=2 * micrograph.pixels)
        mean = float(micrograph.pixels.mean())
        return Restoration(
            micrograph=doubled, quality={"mean": mean}, warnings=("doubled",)
        )


class ListMonitor:
    """Remembers what it is told; stops after so many results."""

    def __init__(self, stop_after=None):
        self.started = []
        self.results = []
        self.counts = []
        self.asked = 0
        self.stop_after = stop_after

    def on_start(self, description, *, total):
        self.started.append((description, total))

    def on_result(self, result, *, done, total):
        self.results.append(result)
        self.counts.append((done, total))

    def abort_requested(self):
        self.asked += 1
        return self.stop_after is not None and len(self.results) >= self.stop_after


@pytest.fixture(autouse=True)
def use(monkeypatch):
    """Put fake denoisers in the place of the model; `before` runs at each micrograph."""

    def install(*befores, fingerprint=None):
        fakes = [FakeDenoiser(before) for before in befores or [None]]
        for fake in fakes if fingerprint else []:
            object.__setattr__(fake, "fingerprint", fingerprint)
        monkeypatch.setattr(run, "load_denoisers", lambda _settings: fakes)

    install()
    return install


@pytest.fixture
def new_monitor():
    return ListMonitor


@pytest.fixture
def make_tasks(tmp_path):
    """So many raw micrographs of few pixels, and where their outputs go."""

    def make(count):
        (tmp_path / "raw").mkdir(exist_ok=True)
        made = []
        for number in range(count):
            source = tmp_path / "raw" / f"m{number}.mrc"
            pixels = np.full((4, 5), number + 1, np.float32)
            pixels[0, 0] = 0
            write_micrograph(source, Micrograph(pixels=pixels, pixel_size=1.5))
            output = tmp_path / "out" / source.name
            made.append(MicrographTask(source=source, output=output))
        return made

    return make


@pytest.fixture
def tasks(make_tasks):
    return make_tasks(4)


@pytest.fixture
def denoise():
    """Run over tasks; settings by name."""

    def run_over(tasks, monitor=None, **settings):
        return denoise_micrographs(
            tasks, DenoiseSettings(**settings), monitor or ListMonitor()
        )

    return run_over
