"""A batch that is killed again and again, on a disk that is full for a while.

Ten times `kill -9`, of the main process or of a worker, at moments that nobody chose. Then
the same command once more: every good micrograph has one output, with the bytes of a run
that nobody disturbed, and every bad one its sentence.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.batch.ledger import read_ledger
from cryoscore_plugin.batch.resume import hash_of
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph

pytest.importorskip("distributed", reason="Dask is not installed")

GOOD = [f"day{number % 3}/m{number:03}.mrc" for number in range(80)]
BAD = ["day0/cut.mrc", "day1/empty.mrc"]
VICTIMS = ["main"] * 4 + ["worker"] * 6
DISK_IS_FULL_AFTER, DISK_IS_FREE_AFTER = 4, 7
"""Kills."""


class Batch:
    """`cryoscore batch` with two Dask workers, started again when it has ended."""

    def __init__(self, *words):
        self.words = [sys.executable, "-m", "cryoscore_plugin", "batch", *words]
        self.main = None

    def start(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with Path("log").open("ab") as log:
            self.main = subprocess.Popen(
                self.words, env=environment, stdout=log, stderr=log
            )

    def keep_running(self):
        if self.main is None or self.main.poll() is not None:
            self.start()

    def workers(self):
        """Processes of Dask workers; they are children of the main process."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.main.pid and b"spawn_main" in words:
                    found.append(int(folder.name))
        return found

    def kill(self, victim, rng):
        """Kill the main process or one of its workers; whether there was one."""
        if victim == "main":
            self.main.kill()
            self.main.wait()
            return True
        with suppress(ProcessLookupError, IndexError):
            os.kill(rng.choice(self.workers()), signal.SIGKILL)
            return True
        return False

    def wait_for_orphans(self):
        """Until the workers of killed processes have noticed, and gone.

        What one of them was writing is its own as long as it runs.
        """
        end = time.monotonic() + 60
        while self.others_here() and time.monotonic() < end:
            time.sleep(0.05)

    @staticmethod
    def others_here():
        """Processes that work in this folder, but for the tests themselves."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").readlink() == Path.cwd():
                    found.append(int(folder.name))
        return [process for process in found if process != os.getpid()]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Folder `raw` of the current one, with good and bad micrographs."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(GOOD):
        path = Path("raw", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).normal(100, 10, (160, 192))
        image = Micrograph(pixels=noise.astype(np.float32), pixel_size=3.0)
        write_micrograph(path, image)
    whole = Path("raw", GOOD[0]).read_bytes()
    for name, size in zip(BAD, (len(whole) // 2, 0), strict=True):
        Path("raw", name).write_bytes(whole[:size])
    Path("site.yaml").write_text("jobs: 2\n")
    return Path("raw")


def outputs_of(folder):
    """Hash of each image, by its place."""
    paths = folder.rglob("*.mrc")
    return {str(path.relative_to(folder)): hash_of(path) for path in paths}


def wait_for_progress(batch, disk, *, patience):
    """Until another micrograph is written, or for so long."""
    before = len([*disk.rglob("*.mrc")])
    end = time.monotonic() + patience
    while len([*disk.rglob("*.mrc")]) == before and time.monotonic() < end:
        batch.keep_running()
        time.sleep(0.01)


def torment(batch, disk, rng):
    """Kill ten times; return what was killed."""
    killed = []
    waiting = rng.sample(VICTIMS, len(VICTIMS))
    ballast = disk / "ballast"
    while waiting:
        if len(killed) == DISK_IS_FULL_AFTER and not ballast.exists():
            with suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(bytes(4096))
                    file.flush()
        if len(killed) == DISK_IS_FREE_AFTER:
            ballast.unlink(missing_ok=True)
        batch.keep_running()
        wait_for_progress(batch, disk, patience=5 if ballast.exists() else 60)
        time.sleep(rng.uniform(0, 0.2))
        if batch.kill(waiting[0], rng):
            killed.append(waiting.pop(0))
    return killed


@pytest.mark.slow
def test_kills_and_a_full_disk_change_nothing_in_the_end(
    project, mount_disk, tiny_checkpoint
):
    disk = mount_disk("24m")
    model = ("--model", str(tiny_checkpoint), "--threads", "1")
    site = ("--cluster", "local", "--cluster-settings", "site.yaml")
    batch = Batch(str(project), "--output", str(disk), *model, *site)
    try:
        killed = torment(batch, disk, random.Random(6))  # noqa: S311  no secret
    finally:
        batch.kill("main", random)
    batch.wait_for_orphans()
    assert sorted(killed) == sorted(VICTIMS)
    done_before = len(outputs_of(disk))
    assert done_before < len(GOOD), "all was done before the last kill"

    last = subprocess.run(batch.words, check=False, capture_output=True, text=True)
    assert last.returncode == 1, last.stderr
    sentences = [line for line in last.stderr.splitlines() if "Failed: " in line]
    assert len(sentences) == len(BAD)
    for name, words in zip(BAD, ("is truncated", "is empty"), strict=True):
        [sentence] = [line for line in sentences if name in line]
        assert words in sentence

    alone = [*batch.words[:4], str(project), "--output", "undisturbed", *model]
    assert subprocess.run(alone, check=False, capture_output=True).returncode == 1
    assert outputs_of(disk) == outputs_of(Path("undisturbed"))
    assert outputs_of(disk).keys() == set(GOOD)
    # What a worker left that outlived its run, and the start of this one, goes next time.
    if [*disk.rglob("*.part")]:
        subprocess.run(batch.words, check=False, capture_output=True)
    assert not [*disk.rglob("*.part")]
    latest = {entry.output: entry.status for entry in read_ledger(disk).latest()}
    assert latest == dict.fromkeys(GOOD, "denoised") | dict.fromkeys(BAD, "failed")
