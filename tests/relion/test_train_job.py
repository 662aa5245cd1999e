"""The train job from RELION's words to RELION's files; training itself is a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cryoscore_plugin.cli import main
from cryoscore_plugin.errors import JobAbortedError
from cryoscore_plugin.training.curve import CurveRow, add_to_curve
from cryoscore_plugin.training.from_micrographs import OwnModel
from relion_wrappers import train

TABLE = "CtfFind/job003/micrographs_ctf.star"
JOB = Path("External/job012")
WORDS = ["relion", "train", "--o", f"{JOB}/", "--in_mics", TABLE, "--j", "3"]
NODES = {
    "3.1": "External/job012/logfile.pdf\t13",
    "4.0": "External/job012/logfile.pdf\tLogFile.pdf.relion",
    "5.0": "External/job012/logfile.pdf\tLogFile.pdf.relion\t1",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the stand-in was asked; it leaves a curve, and stops if it is to."""
    remembered: dict[str, object] = {}

    def train_and_tell(sources, settings, *, output, monitor) -> OwnModel:
        remembered.update(sources=sources, settings=settings)
        add_to_curve(output / "curve.csv", CurveRow(step=0, loss=0.0, risk=1.0))
        if monitor.abort_requested():
            msg = "Stopped as you asked."
            raise JobAbortedError(msg)
        click.echo("Your model is better.")
        path = output / f"{settings.name}.safetensors"
        return OwnModel(checkpoint=path, verdict="", gain=0.1)

    monkeypatch.setattr(train, "train_and_tell", train_and_tell)
    return remembered


def markers() -> set[str]:
    return {path.name for path in JOB.glob("RELION_JOB_*")}


@pytest.mark.parametrize("version", NODES)
def test_job_leaves_a_page_that_relion_lists_and_says_what_to_do(
    version: str,
    start_job: Callable[..., Path],
    asked: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_job(version)
    assert main(WORDS) == 0
    assert markers() == {"RELION_JOB_EXIT_SUCCESS"}
    nodes = (JOB / "RELION_OUTPUT_NODES.star").read_text()
    assert "data_output_nodes" in nodes
    assert NODES[version] in nodes
    assert (JOB / "logfile.pdf").read_bytes()[:4] == b"%PDF"
    said = capsys.readouterr().out
    assert "parameter model the value External/job012/own.safetensors" in said
    assert [str(one.path) for one in asked["sources"]] == [
        "MotionCorr/job002/Movies/a.mrc",
        "MotionCorr/job002/Movies/b.mrc",
    ]
    assert [one.pixel_size for one in asked["sources"]] == [1.5, 2.5]
    assert asked["settings"].threads == 3


def test_parameters_are_the_settings_of_the_shell(
    start_job: Callable[..., Path], asked: dict[str, object]
) -> None:
    start_job("4.0")
    words = ["--gpu", "1", "--steps", "7", "--learning_rate", "0.1", "--name", "x"]
    assert main([*WORDS, *words]) == 0
    settings = asked["settings"]
    assert (settings.device, settings.steps) == ("1", 7)
    assert (settings.learning_rate, settings.name) == (0.1, "x")
    assert main([*WORDS, "--gpu", "1", "--device", "0"]) == 2
    assert markers() == {"RELION_JOB_EXIT_FAILURE"}


def test_job_stops_where_relion_asks_it(
    start_job: Callable[..., Path],
    asked: dict[str, object],  # noqa: ARG001  it stands in
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_job("3.1")
    monkeypatch.setattr(train.RelionJob, "abort_requested", lambda _job: True)
    assert main(WORDS) == 1
    assert markers() == {"RELION_JOB_EXIT_ABORTED"}
    # What there was of the curve can be looked at.
    assert (JOB / "logfile.pdf").exists()


def test_wrong_table_is_a_failure_in_one_sentence(
    start_job: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    start_job("3.1")
    words = ["relion", "train", "--o", f"{JOB}/", "--in_mics", "none.star"]
    assert main(words) == 1
    assert "none.star does not exist" in capsys.readouterr().err
    assert markers() == {"RELION_JOB_EXIT_FAILURE"}
