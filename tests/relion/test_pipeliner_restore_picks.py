"""The real CCP-EM Pipeliner runs the job that gives picks back to raw micrographs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pipeliner") is None,
        reason="ccpem-pipeliner is not installed: pip install 'cryoscore[pipeliner]'",
    ),
    # Of the Pipeliner and what it imports, not of ours.
    pytest.mark.filterwarnings("ignore"),
]

NAME = "cryoscore.restore_picks"
PICKS = "AutoPick/job003/autopick.star"
DENOISED = "Denoise/job002/denoised_micrographs.star"
JOB = Path("RestorePicks/job001")
LABEL = "cryoscore 0.1.0 denoised, model particle 0123456789ab"

TABLE = """\

# version 50001

data_micrographs

loop_
_rlnMicrographName #1
_rlnMicrographNameRaw #2
Denoise/job002/Movies/a.mrc Movies/a.mrc
Denoise/job002/Movies/b.mrc Movies/b.mrc
"""

LIST = """\

# version 50001

data_coordinate_files

loop_
_rlnMicrographName #1
_rlnMicrographCoordinates #2
Denoise/job002/Movies/a.mrc AutoPick/job003/Movies/a_autopick.star
Denoise/job002/Movies/b.mrc AutoPick/job003/Movies/b_autopick.star
"""

COORDINATES = """\

# version 50001

data_

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
20.000000 30.000000
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A project with picks on two denoised micrographs, the current folder."""
    from pipeliner.api.manage_project import PipelinerProject

    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    micrograph = Micrograph(pixels=pixels, pixel_size=1.5)
    for letter in "ab":
        coordinates = Path(f"AutoPick/job003/Movies/{letter}_autopick.star")
        for folder in ("Movies", "Denoise/job002/Movies", coordinates.parent):
            Path(folder).mkdir(parents=True, exist_ok=True)
        denoised = Path(f"Denoise/job002/Movies/{letter}.mrc")
        write_micrograph(Path(f"Movies/{letter}.mrc"), micrograph)
        write_micrograph(denoised, micrograph, labels=[LABEL])
        coordinates.write_text(COORDINATES)
    Path(DENOISED).write_text(TABLE)
    Path(PICKS).write_text(LIST)
    return PipelinerProject(make_new_project=True)


def job_with(**options: str):
    """The job as the Pipeliner makes it of options."""
    from pipeliner import job_factory

    job = job_factory.job_from_dict({"_rlnJobTypeLabel": NAME, **options})
    job.output_dir = f"{JOB}/"
    return job


def command_of(**options: str) -> list[str]:
    """Words of the command, without the program."""
    [command] = job_with(**options).get_commands()
    return command.get_final_command(f"{JOB}/")[1:]


def run(project, **options: str):
    words = {"_rlnJobTypeLabel": NAME, "in_coords": PICKS, "in_mics": DENOISED}
    return project.run_job(words | options, run_in_foreground=True)


def test_pipeliner_offers_the_job() -> None:
    from pipeliner import job_factory

    [job] = job_factory.get_job_types(NAME)
    assert job.PROCESS_NAME == NAME
    assert job.jobinfo.is_available, job.jobinfo.unavailable_message


def test_every_option_becomes_words_of_the_command() -> None:
    words = ["relion", "restore-picks", "--o", f"{JOB}/", "--in_coords", PICKS]
    plain = [*words, "--max_failed", "0"]
    assert command_of(in_coords=PICKS) == plain
    assert command_of(in_coords=PICKS, in_mics="raw.star") == [
        *words,
        *["--in_mics", "raw.star", "--max_failed", "0"],
    ]
    assert command_of(in_coords=PICKS, max_failed="2") == [*words, "--max_failed", "2"]
    assert command_of(in_coords=PICKS, other_args="-v") == [*plain, "-v"]


def test_output_has_the_name_of_its_kind() -> None:
    job = job_with(in_coords="AutoPick/job003/coords_suffix_autopick.star")
    job.create_output_nodes()
    assert [node.name for node in job.output_nodes] == [
        f"{JOB}/coords_suffix_autopick.star"
    ]


def test_picks_are_restored_shown_and_a_node_of_the_project(project) -> None:
    from pipeliner.project_graph import ProjectGraph

    job = run(project)
    assert (JOB / "PIPELINER_JOB_EXIT_SUCCESS").exists()
    rows = (JOB / "coords_on_raw.star").read_text().split()
    assert rows[-4:] == [
        "Movies/a.mrc",
        "AutoPick/job003/Movies/a_autopick.star",
        "Movies/b.mrc",
        "AutoPick/job003/Movies/b_autopick.star",
    ]
    with ProjectGraph() as graph:
        types = {node.name: node.type for node in graph.node_list}
    assert (
        types[f"{JOB}/coords_on_raw.star"]
        == "MicrographCoordsGroup.star.relion.cryoscore.restored"
    )
    assert job.gather_metadata() == {
        "MicrographsWithRestoredPicks": 2,
        "MicrographsFailed": 0,
    }
    text, images = job.create_results_display()
    assert "MicrographsWithRestoredPicks: 2" in text.display_data
    assert images.dobj_type == "carousel"
    assert images.image_names == ["Movies/a.mrc", "Movies/b.mrc"]


def test_picks_that_cannot_be_restored_fail_the_job_unless_they_may(project) -> None:
    Path("Movies/b.mrc").unlink()
    run(project)
    assert (JOB / "PIPELINER_JOB_EXIT_FAILED").exists()
    job = run(project, max_failed="1")
    assert (Path(job.output_dir) / "PIPELINER_JOB_EXIT_SUCCESS").exists()
    assert job.gather_metadata() == {
        "MicrographsWithRestoredPicks": 1,
        "MicrographsFailed": 1,
    }
    names = {Path(node.name).name for node in job.get_current_output_nodes()}
    assert names == {"coords_on_raw.star", "failed_picks.star"}
