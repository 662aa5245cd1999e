"""Measurements are made in turn, summed up fairly, and never made up."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.evaluation.benchmark import (
    Measurement,
    measure_all,
    ratios,
    yardstick_micrograph,
)
from cryoscore_plugin.evaluation.programs import (
    OURS,
    TOPAZ,
    Program,
    cryoscore_program,
    find_topaz,
    topaz_program,
)

COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2]);"


def python_program(name: str, code: str) -> Program:
    """A program that runs Python code with input, output folder and device."""
    return Program(
        name=name,
        version="1.0",
        command=lambda source, target, device: [
            *(sys.executable, "-S", "-c", code),
            *(str(source), str(target), device),
        ],
    )


def measured(tmp_path: Path, *programs: Program, **options) -> list[Measurement]:
    source = tmp_path / "64.mrc"
    source.write_bytes(b"a micrograph")
    defaults = {"inputs": {64: source}, "devices": ["cpu"], "repeats": 1, "threads": 1}
    return list(measure_all(programs, **(defaults | options)))


def test_a_program_that_copies_has_figures(tmp_path):
    (one,) = measured(tmp_path, python_program(OURS, COPY))
    assert one.failure == ""
    assert one.cpu_seconds > 0
    assert one.pixels_per_second == pytest.approx(64**2 / one.seconds)
    assert one.peak_bytes > 1_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["64.mrc"]


def test_the_median_of_the_repeats_counts(tmp_path):
    # Sleeps longer each time: 0.1, 0.6, 1.1 s.
    note = tmp_path / "runs"
    code = COPY + (
        f"import pathlib, time; n = pathlib.Path({str(note)!r});"
        "done = len(n.read_text()) if n.exists() else 0;"
        "n.write_text('x' * (done + 1)); time.sleep(0.1 + 0.5 * done)"
    )
    (one,) = measured(tmp_path, python_program(OURS, code), repeats=3)
    assert 0.6 <= one.seconds < 1.1
    assert note.read_text() == "xxx"


def test_programs_take_turns(tmp_path):
    note = tmp_path / "order"
    programs = [
        python_program(name, COPY + f"open({str(note)!r}, 'a').write({name[0]!r})")
        for name in (OURS, TOPAZ)
    ]
    measured(tmp_path, *programs, repeats=2)
    assert note.read_text() == "ctct"


def test_every_size_and_device_is_measured_with_the_threads(tmp_path):
    sources = {}
    for size in (64, 128):
        sources[size] = tmp_path / f"{size}.mrc"
        sources[size].touch()
    code = COPY + (
        "import os; names = ['OMP', 'MKL', 'OPENBLAS'];"
        "assert all(os.environ[n + '_NUM_THREADS'] == '3' for n in names)"
    )
    found = measured(
        tmp_path,
        python_program(OURS, code),
        inputs=sources,
        devices=["cpu", "0"],
        threads=3,
    )
    assert [m.failure for m in found] == [""] * 4
    assert [(m.device, m.size) for m in found] == [
        *(("cpu", 64), ("cpu", 128), ("0", 64), ("0", 128))
    ]


@pytest.mark.parametrize(
    ("code", "device", "reason"),
    [
        pytest.param(
            "raise SystemExit('no weights')", "cpu", "code 1: no weights", id="fails"
        ),
        pytest.param("pass", "cpu", "wrote no output: it said nothing", id="no output"),
        pytest.param(
            COPY + "print('cuda=False')", "0", "used the CPU", id="not the GPU"
        ),
    ],
)
def test_a_run_that_did_not_do_its_work_has_no_figures(tmp_path, code, device, reason):
    programs = [python_program(OURS, COPY), python_program(TOPAZ, code)]
    ours, other = measured(tmp_path, *programs, devices=[device], repeats=2)
    assert ours.failure == ""
    assert reason in other.failure
    assert ratios([ours, other]) == []


def test_topaz_on_the_cpu_may_say_that_it_has_no_gpu(tmp_path):
    program = python_program(TOPAZ, COPY + "print('cuda=False')")
    assert measured(tmp_path, program)[0].failure == ""


def test_ratios_are_topaz_over_ours_for_the_same_case():
    ours = Measurement(
        program=OURS,
        version="1",
        device="cpu",
        size=64,
        seconds=2.0,
        cpu_seconds=4.0,
        peak_bytes=100,
    )
    topaz = replace(ours, program=TOPAZ, seconds=20.0, cpu_seconds=12.0, peak_bytes=250)
    (ratio,) = ratios([topaz, ours, replace(ours, size=128)])
    assert (ratio.size, ratio.device) == (64, "cpu")
    assert (ratio.seconds, ratio.cpu_seconds, ratio.peak_bytes) == (10, 3, 2.5)


def test_the_yardstick_has_the_noise_the_ramp_and_the_blobs_it_says():
    pixels = yardstick_micrograph(512, pixel_size=1.0, seed=1).pixels
    columns = pixels.mean(axis=0)
    slope = np.polyfit(np.linspace(-0.3, 0.3, 512), columns, 1)[0]
    # Blobs tilt the ramp; noise alone would give 1 +- 0.02.
    assert slope == pytest.approx(1, abs=0.5)
    fine = pixels - ndimage.gaussian_filter(pixels, 5)
    # The smoothed image holds 1 / (4 pi 5²) of the noise power.
    assert fine.std() == pytest.approx(1.5, rel=0.01)
    smooth = ndimage.gaussian_filter(pixels, 15) - 10
    assert -0.8 < smooth.min() < -0.3


def test_another_seed_gives_another_picture_and_the_same_seed_the_same():
    first, same, other = (
        yardstick_micrograph(64, pixel_size=1.0, seed=seed).pixels for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_our_command_says_model_threads_and_device():
    command = cryoscore_program("m.safetensors", version="1", threads=3).command
    words = command(Path("in.mrc"), Path("out"), "0")
    assert words[1:5] == ["-m", "cryoscore_plugin", "denoise", "in.mrc"]
    options = dict(zip(words[5::2], words[6::2], strict=True))
    assert options == {
        "--output": "out",
        "--device": "0",
        "--threads": "3",
        "--model": "m.safetensors",
    }
    assert "--model" not in cryoscore_program(None, version="1", threads=1).command(
        Path("in.mrc"), Path("out"), "cpu"
    )


def test_topaz_is_looked_for_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_topaz(None) is None
    program = tmp_path / "topaz"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_topaz(None) == program


def test_a_topaz_that_cannot_be_used_is_refused_with_advice(tmp_path):
    with pytest.raises(ConfigError, match="Give its full path"):
        find_topaz(tmp_path / "topaz")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no torch here\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match=r"code 1: no torch here Repair"):
        topaz_program(broken, threads=1)
