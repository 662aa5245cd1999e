"""What stands in examples/ works as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from cryoscore_plugin.cli.batch import batch
from cryoscore_plugin.cli.denoise import denoise
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph, write_micrograph
from cryoscore_plugin.settings import DenoiseSettings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def job_options() -> dict[str, str]:
    """Options of the example of an External job, by name."""
    text = (EXAMPLES / "relion_job.star").read_text()
    table = text.split("_rlnJobOptionValue #2\n")[1]
    return dict(line.split() for line in table.splitlines() if line.strip())


def test_example_settings_are_all_settings_with_their_defaults() -> None:
    path = EXAMPLES / "settings.yaml"
    assert DenoiseSettings.from_yaml(path) == DenoiseSettings()
    assert list(yaml.safe_load(path.read_text())) == list(DenoiseSettings.model_fields)


def test_options_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `--")]
    named = {re.findall(r"--([a-z-]+)", row)[0] for row in rows}
    parameters = [*denoise.params, *batch.params]
    options = {option.lstrip("-") for x in parameters for option in x.opts}
    assert len(named) >= 5
    assert named <= options


def test_parameters_of_the_example_job_are_settings() -> None:
    options = job_options()
    labels = [value for name, value in options.items() if name.endswith("_label")]
    assert labels
    assert set(labels) <= set(DenoiseSettings.model_fields)
    assert options["fn_exe"] == "cryoscore-relion-denoise"


@pytest.mark.skipif(
    shutil.which("relion_pipeliner") is None, reason="RELION is not installed"
)
def test_relion_takes_the_example_job(tmp_path: Path) -> None:
    (tmp_path / "default_pipeline.star").write_text(
        "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
    )
    words = ["relion_pipeliner", "--addJobFromStar", EXAMPLES / "relion_job.star"]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=100, capture_output=True)
    [job] = (tmp_path / "External").glob("job*/job.star")
    for name, value in job_options().items():
        assert re.search(
            rf"^\s*{name}\s+{re.escape(value)}\s*$", job.read_text(), re.MULTILINE
        )


def run_make_schedule(project: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the examples with a RELION that writes down what it is told."""
    programs = project.parent / "programs"
    programs.mkdir()
    stand_in = programs / program
    stand_in.write_text('#!/bin/sh\necho "$@" >> told\n')
    stand_in.chmod(0o755)
    for tool in ("grep", "sed"):  # The machine's other programs may be a RELION.
        (programs / tool).symlink_to(str(shutil.which(tool)))
    return subprocess.run(
        [str(shutil.which("sh")), "make_schedule.sh"],
        cwd=project,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def relion_project(tmp_path: Path) -> Path:
    """A project with the files of examples/relion, as a user copies them."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLES / "relion", project)
    (project / "default_pipeline.star").touch()
    return project


def test_scheme_of_relion_4_and_5_is_told_in_their_words(relion_project: Path) -> None:
    done = run_make_schedule(relion_project, "relion_schemer")
    assert done.returncode == 0, done.stderr
    nodes = ["import", "denoise", "autopick", "restore", "extract"]
    assert (relion_project / "told").read_text().splitlines() == [
        *(f"--scheme cryoscore --add job --i {n} --mode continue" for n in nodes),
        "--scheme cryoscore --add operator --type exit --name EXIT",
        *(
            f"--scheme cryoscore --add edge --i {a} --o {b}"
            for a, b in pairwise([*nodes, "EXIT"])
        ),
    ]
    files = {n: (relion_project / f"{n}job.star").read_text() for n in nodes}
    assert "do_refs            No\n" in files["autopick"]
    assert " Schemes/cryoscore/autopick/autopick.star\n" in files["restore"]
    assert " Schemes/cryoscore/restore/coords_on_raw.star\n" in files["extract"]
    assert not any("Schedules/" in text for text in files.values())
    assert "relion_schemer --scheme cryoscore --run" in done.stdout


def test_schedule_of_relion_3_leaves_the_files_as_they_are(
    relion_project: Path,
) -> None:
    done = run_make_schedule(relion_project, "relion_scheduler")
    assert done.returncode == 0, done.stderr
    told = (relion_project / "told").read_text().splitlines()
    assert "--schedule cryoscore --add operator --type exit --i 0 --o undefined" in told
    for path in (EXAMPLES / "relion").iterdir():
        assert (relion_project / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("program", "prepare", "sentence"),
    [
        ("none", lambda _: None, "No RELION on the PATH"),
        (
            "relion_schemer",
            lambda project: (project / "default_pipeline.star").unlink(),
            "Start this in the folder of a RELION project",
        ),
        (
            "relion_scheduler",
            lambda project: (project / "Schedules/cryoscore").mkdir(parents=True),
            "Schedules/cryoscore is there already",
        ),
    ],
)
def test_schedule_that_cannot_be_made_is_told(
    relion_project: Path, program: str, prepare: Callable[[Path], None], sentence: str
) -> None:
    prepare(relion_project)
    done = run_make_schedule(relion_project, program)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert not (relion_project / "told").exists()


def test_quick_start_denoises_a_micrograph(tmp_path: Path) -> None:
    raw, denoised = tmp_path / "raw.mrc", tmp_path / "denoised.mrc"
    noise = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    write_micrograph(raw, Micrograph(pixels=noise, pixel_size=1.5))
    words = [sys.executable, EXAMPLES / "quick_start.py", raw, denoised]
    subprocess.run(words, check=True, timeout=100, capture_output=True)
    result = read_micrograph(str(denoised))
    assert result.pixel_size == pytest.approx(1.5)
    # Pure noise: little of it may be left.
    assert result.pixels.std() < 0.3 * noise.std()
