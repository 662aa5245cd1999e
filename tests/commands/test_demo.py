"""`cryoscore demo` as a user types it: the whole way, and what it leaves behind."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from cryoscore_plugin.cli import main
from cryoscore_plugin.cli.demo import SMALLEST
from cryoscore_plugin.demo.project import COUNT
from cryoscore_plugin.mrc import read_micrograph

needs_relion = pytest.mark.skipif(
    shutil.which("relion_pipeliner") is None, reason="RELION is not installed"
)


def run_demo(folder: Path, *words: str | Path) -> dict:
    """Run the command on small micrographs; the figures that it wrote."""
    size = ["--size", str(SMALLEST)]
    arguments = ["demo", "--output", str(folder), *size, *map(str, words)]
    assert main(arguments) == 0
    return json.loads((folder / "figures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path
) -> tuple[Path, dict, str]:
    """Folder, figures and words of a demo on a machine without RELION."""
    folder = tmp_path_factory.mktemp("without") / "demo"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr("shutil.which", lambda _: None)
        figures = run_demo(folder, "--model", tiny_checkpoint)
    return folder, figures, printed.getvalue()


def test_demo_without_relion_denoises_every_micrograph(
    finished: tuple[Path, dict, str],
) -> None:
    folder, figures, _ = finished
    names = [item["micrograph"] for item in figures["micrographs"]]
    assert names == [f"mic_{number:04d}.mrc" for number in range(1, COUNT + 1)]
    assert "called directly" in figures["job"]
    for item in figures["micrographs"]:
        assert 0 < item["correlation_before"] < 1
        assert -1 <= item["correlation_after"] <= 1
    for name in names:
        job = folder / "project" / "External" / "job001"
        denoised = read_micrograph(job / "Micrographs" / name)
        assert denoised.pixels.shape == (SMALLEST, SMALLEST)


def test_demo_says_where_to_look_and_what_to_do(
    finished: tuple[Path, dict, str], tiny_checkpoint: Path
) -> None:
    folder, _, printed = finished
    assert str(folder / "report.html") in printed
    assert (folder / "before_after.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "extract them from the raw ones" in page
    assert f"--model {tiny_checkpoint}" in page


@needs_relion
def test_demo_with_relion_goes_through_its_pipeline(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    folder = tmp_path / "demo"
    figures = run_demo(folder, "--model", tiny_checkpoint)
    assert "run by RELION" in figures["job"]
    assert len(figures["micrographs"]) == COUNT
    pipeline = (folder / "project" / "default_pipeline.star").read_text()
    assert "External/job002/denoised_micrographs.star" in pipeline


def test_seed_changes_the_micrographs(
    finished: tuple[Path, dict, str], tmp_path: Path, tiny_checkpoint: Path
) -> None:
    _, first, _ = finished
    other = run_demo(tmp_path / "demo", "--model", tiny_checkpoint, "--seed", "2")
    assert first["micrographs"] != other["micrographs"]


def test_failure_of_the_job_is_told_and_is_not_a_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    words = ["--size", str(SMALLEST), "--model", "no-such-model"]
    assert main(["demo", "--output", str(folder), *words]) != 0
    assert "no-such-model" in capsys.readouterr().err
    assert not (folder / "report.html").exists()


def test_packaged_model_brings_micrographs_closer_to_their_truth(
    tmp_path: Path,
) -> None:
    figures = run_demo(tmp_path / "demo", "--size", "512")
    before = [item["correlation_before"] for item in figures["micrographs"]]
    after = [item["correlation_after"] for item in figures["micrographs"]]
    assert all(a > 1.3 * b for a, b in zip(after, before, strict=True)), (before, after)
