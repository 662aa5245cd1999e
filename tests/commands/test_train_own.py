"""`cryoscore train --in_mics` makes a model that `cryoscore denoise` takes at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from cryoscore_plugin.checkpoint import load_checkpoint
from cryoscore_plugin.cli import own_training
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.report import event_file
from cryoscore_plugin.training.curve import CurveRow, add_to_curve, read_curve
from cryoscore_plugin.training.monitor import Progress

LONGEST = 300
"""In s; a run takes a few, but a machine may be busy."""


@pytest.fixture
def mics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder `mics` of the current one: three micrographs with halves beside them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mics"
    folder.mkdir()
    for number in range(3):
        rng = np.random.default_rng(number)
        scene = 10 * ndimage.gaussian_filter(rng.normal(0, 1, (72, 72)), 3)
        even, odd = scene + rng.normal(0, 1.4, (2, 72, 72))
        for end, pixels in (("", (even + odd) / 2), ("_EVN", even), ("_ODD", odd)):
            micrograph = Micrograph(pixels=pixels.astype(np.float32), pixel_size=3.0)
            write_micrograph(folder / f"m{number}{end}.mrc", micrograph)
    return folder


@pytest.fixture
def train(shell, mics, tiny_checkpoint):  # noqa: ARG001  it sets the current folder
    """`cryoscore train` from a tiny model, with few steps, into `run1`."""

    def run(*words):
        fixed = ("--output", "run1", "--start", tiny_checkpoint, "--steps", 2)
        return shell("train", "--device", "cpu", *fixed, *words)

    return run


def test_packaged_model_learns_on_with_the_defaults(shell, mics):  # noqa: ARG001
    """But for the number of steps: a thousand take half an hour."""
    answer = shell("train", "--in_mics", "mics", "--output", "run1", "--steps", 1)
    assert answer.code == 0, answer.err
    assert "Learning from 3 micrographs: odd and even frames." in answer.out
    assert "than particle by" in answer.out
    card = load_checkpoint(Path("run1/own.safetensors")).card
    start = load_checkpoint(own_training_start()).card
    assert (card.background, card.local_mean) == (start.background, start.local_mean)


def own_training_start() -> Path:
    from cryoscore_plugin.pretrained import find_checkpoint

    return find_checkpoint("particle")


def test_model_is_used_as_the_last_line_says(train, shell):
    answer = train("--in_mics", "mics")
    assert answer.code == 0, answer.err
    *_, wrote, verdict, advice = answer.out.splitlines()
    assert wrote == "Wrote run1/own.safetensors."
    assert verdict.startswith("Your model is ")
    assert advice == "Use it with: cryoscore denoise --model run1/own.safetensors"
    words = advice.partition("cryoscore ")[2].split()
    answer = shell(*words, "mics/m0.mrc", "--output", "out", "--device", "cpu")
    assert answer.code == 0, answer.err
    assert mrcfile.read("out/m0.mrc").std() > 0
    assert Path("run1/curve.png").read_bytes()[:4] == b"\x89PNG"
    header, start, *rows = Path("run1/curve.csv").read_text().split()
    assert header == "step,loss,risk"
    assert start.startswith("0,nan,")
    assert len(rows) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--in_mics", "mics/m0.mrc", "--in_mics", "mics/m1.mrc"],
        ["--in-mics", "mics/m[12].mrc"],
        ["--in_mics", "mics.star"],
    ],
    ids=["files", "pattern", "table"],
)
def test_micrographs_are_named_in_any_way(train, words):
    rows = "".join(f"mics/m{number}.mrc\n" for number in (0, 2))
    Path("mics.star").write_text(f"\ndata_\n\nloop_\n_rlnMicrographName #1\n{rows}")
    answer = train(*words)
    assert answer.code == 0, answer.err
    assert "Learning from 2 micrographs: odd and even frames." in answer.out


def test_settings_may_be_in_a_file(train):
    Path("settings.yaml").write_text("name: mine\nseed: 4\n")
    assert train("--in_mics", "mics", "--settings", "settings.yaml").code == 0
    card = load_checkpoint(Path("run1/mine.safetensors")).card
    assert card.training["settings"]["seed"] == 4


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "Something to learn from should be given"),
        (["recipe.yaml"], 2, "Something to learn from should be given"),
        (["recipe.yaml", "--in_mics", "mics"], 2, "both were given"),
        (["--models", "atoms", "--in_mics", "mics"], 2, "both were given"),
        (["recipe.yaml", "--models", "atoms"], 2, "Write them into the recipe"),
        (["--in_mics", "mics/m0.mrc"], 1, "At least 2 micrographs are needed"),
        (["--in_mics", "elsewhere"], 1, "elsewhere does not exist"),
        (["--in_mics", "mics", "--device", "17"], 1, "device is '17'"),
        (["--in_mics", "mics", "--name", "a/b"], 2, "name: String should match"),
        (["--in_mics", "mics", "--threads", "0"], 2, "threads: Input should be"),
        (["--in_mics", "mics", "--start", "nobody"], 2, "neither a packaged model"),
    ],
)
def test_wrong_words_are_told_in_a_sentence(train, words, code, sentence):
    answer = train(*words)
    assert answer.code == code
    assert sentence in answer.err
    assert "Traceback" not in answer.err
    assert not Path("run1/own.safetensors").exists()


def test_threads_are_those_that_are_asked_for(train):
    import torch

    before = torch.get_num_threads()
    try:
        words = ["--in_mics", "mics", "--threads", before + 1, "--steps", 1]
        assert train(*words).code == 0
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_killed_run_goes_on_and_ends_with_the_same_model(train, mics, tiny_checkpoint):
    # The sum over several threads depends on their number.
    words = ["--in_mics", str(mics), "--steps", "60", "--threads", "1"]
    assert train(*words).code == 0
    command = Path(sys.executable).with_name("cryoscore")
    fixed = ["--output", "run2", "--start", str(tiny_checkpoint), "--device", "cpu"]
    process = subprocess.Popen(
        [command, "train", *fixed, *words],
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + LONGEST
    while not Path("run2/state.pt").exists():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Path("run2/own.safetensors").exists()
    answer = train(*words, "--output", "run2")
    assert answer.code == 0, answer.err
    assert "Going on after step" in answer.out
    undisturbed, killed = Path("run1"), Path("run2")
    curve = undisturbed / "curve.csv"
    assert curve.read_bytes() == (killed / "curve.csv").read_bytes()
    # Not their bytes: the header of safetensors has its fields in any order.
    first, second = (
        load_checkpoint(run / "own.safetensors") for run in (undisturbed, killed)
    )
    assert first.sha256 == second.sha256


def test_status_is_one_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monitor = own_training.TrainingProgress()
    for step in (1, 2):
        progress = Progress(
            step=step,
            steps=2,
            loss=1.0,
            risk=0.5 if step == 1 else None,
            start_risk=0.6,
            seconds_per_step=2.0,
        )
        monitor.on_progress(progress)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    first, second = out.strip("\r\n").split("\r")
    assert "step 1 of 2" in first
    assert "2.0 s left" in first
    assert "0.5000 (0.6000 at the start)" in second


def events(run):
    """What tensorboard itself reads of a run: the points of each curve."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not Path(run, "tensorboard").exists():
        return {}
    accumulator = EventAccumulator(f"{run}/tensorboard")
    accumulator.Reload()
    return {
        name: [(event.step, event.value) for event in accumulator.Scalars(name)]
        for name in accumulator.Tags()["scalars"]
    }


def test_curve_is_written_for_tensorboard_if_it_is_asked_for(train):
    assert train("--in_mics", "mics").code == 0
    assert not Path("run1/tensorboard").exists()
    # The same run, which is finished, may still be asked for it: it is made of the table.
    for _ in range(2):
        answer = train("--in_mics", "mics", "--tensorboard")
        assert answer.code == 0, answer.err
        found = events("run1")
        rows = read_curve(Path("run1/curve.csv"))
        risks = {row.step: row.risk for row in rows}
        assert dict(found["risk"]) == pytest.approx(risks)
        assert [step for step, _ in found["loss"]] == [1, 2]
        assert len(list(Path("run1/tensorboard").iterdir())) == 1


def test_curve_can_be_followed_while_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(event_file, "LOOK", 0.02)
    curve = tmp_path / "curve.csv"
    with event_file.curve_in_tensorboard(curve, wanted=True):
        for step in (10, 20):
            add_to_curve(curve, CurveRow(step=step, loss=1.0, risk=0.5))
            end = time.monotonic() + LONGEST
            while (step, 0.5) not in events(tmp_path).get("risk", []):
                assert time.monotonic() < end
        with curve.open("a") as file:
            file.write("30,1.0,0.")  # Not wholly written: it may become 0.25.
            file.flush()
            time.sleep(0.1)
            file.write("25\n")
    assert events(tmp_path)["risk"] == [(10, 0.5), (20, 0.5), (30, 0.25)]


def test_missing_tensorboard_is_told_before_the_work(train, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    answer = train("--in_mics", "mics", "--tensorboard")
    assert answer.code == 2
    assert "pip install 'cryoscore[tensorboard]'" in answer.err
    assert not Path("run1").exists()
