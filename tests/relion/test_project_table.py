"""Which table of a RELION project `cryoscore batch` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryoscore_plugin.batch.plan import mirror_outputs
from cryoscore_plugin.batch.projects import find_project
from cryoscore_plugin.errors import InputError
from relion_wrappers.project_table import find_project_table

HEAD = """
# version {version}

data_pipeline_general

_rlnPipeLineJobCounter                       9


# version {version}

data_pipeline_processes

loop_
_rlnPipeLineProcessName #1
_rlnPipeLineProcessAlias #2
"""
RELION_3_1 = HEAD.format(version=30001) + (
    "_rlnPipeLineProcessType #3\n_rlnPipeLineProcessStatus #4\n"
)
RELION_5 = HEAD.format(version=50001) + (
    "_rlnPipeLineProcessTypeLabel #3\n_rlnPipeLineProcessStatusLabel #4\n"
)
TABLE = """
data_micrographs

loop_
_rlnMicrographName #1
MotionCorr/job002/Movies/day1/a.mrc
MotionCorr/job002/Movies/day2/a.mrc
"""
NAMES = {
    "CtfFind": "micrographs_ctf.star",
    "MotionCorr": "corrected_micrographs.star",
    "Import": "micrographs.star",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a project from lines such as `CtfFind/job003/ None 2 2`."""
    monkeypatch.chdir(tmp_path)

    def make(head, *rows):
        folder = Path("project")
        folder.mkdir()
        text = head + "\n".join(rows) + "\n"
        (folder / "default_pipeline.star").write_text(text)
        for row in rows:
            job = row.split()[0]
            (folder / job).mkdir(parents=True)
            if name := NAMES.get(job.split("/")[0]):
                (folder / job / name).write_text(TABLE)
        return folder

    return make


def test_latest_ctf_or_motion_job_counts_in_relion_3_1(project):
    folder = project(
        RELION_3_1,
        "Import/job001/ None 0 2",
        "MotionCorr/job002/ None 1 2",
        "CtfFind/job003/ None 2 2",
        "AutoPick/job004/ None 4 2",
    )
    found = find_project_table(folder)
    assert found.kind == "RELION project"
    assert found.table == folder / "CtfFind/job003/micrographs_ctf.star"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Succeeded", "job012"), ("Running", "job012"), ("Failed", "job003")],
)
def test_job_that_failed_does_not_count_in_relion_5(project, status, expected):
    folder = project(
        RELION_5,
        "CtfFind/job003/ None relion.ctffind.ctffind4 Succeeded",
        f"MotionCorr/job012/ None relion.motioncorr.own {status}",
    )
    assert find_project_table(folder).table.parent.name == expected


def test_aborted_job_and_job_without_table_do_not_count(project):
    folder = project(
        RELION_3_1,
        "CtfFind/job003/ None 2 2",
        "CtfFind/job004/ None 2 4",
        "CtfFind/job005/ None 2 2",
    )
    (folder / "CtfFind/job005/micrographs_ctf.star").unlink()
    assert find_project_table(folder).table.parent.name == "job003"


def test_import_counts_only_if_nothing_else_does(project):
    folder = project(
        RELION_3_1, "MotionCorr/job002/ None 1 3", "Import/job007/ None 0 2"
    )
    assert find_project_table(folder).table == folder / "Import/job007/micrographs.star"


def test_project_without_micrographs_is_refused_in_words(project):
    folder = project(RELION_5, "Import/job001/ None relion.import.movies Failed")
    with pytest.raises(
        InputError, match=r"is a RELION project, but has no .*--in-mics"
    ):
        find_project_table(folder)


def test_other_folder_is_no_relion_project(tmp_path):
    assert find_project_table(tmp_path) is None


def test_folder_that_begins_with_a_table_means_what_the_table_lists(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for folder in ("Micrographs", "Truth"):
        Path(folder).mkdir()
        Path(folder, "mic.mrc").touch()
    row = "_rlnMicrographName #1\nMicrographs/mic.mrc\n"
    Path("micrographs.star").write_text(f"\ndata_micrographs\n\nloop_\n{row}")
    project = find_project(tmp_path, tmp_path / "out")
    assert [str(one.below) for one in project.micrographs] == ["Micrographs/mic.mrc"]
    table = tmp_path / "micrographs.star"
    assert project.description == f"project {tmp_path}, table {table}: 1 micrograph"


def test_outputs_have_the_post_job_names(project):
    folder = project(RELION_3_1, "CtfFind/job003/ None 2 2")
    found = find_project(folder, Path("out"))
    assert found.kind == "RELION project"
    tasks = mirror_outputs(found.micrographs, Path("out"))
    assert [str(task.output) for task in tasks] == [
        "out/Movies/day1/a.mrc",
        "out/Movies/day2/a.mrc",
    ]
    assert tasks[0].source == folder / "MotionCorr/job002/Movies/day1/a.mrc"


def test_halves_of_the_table_are_found_from_the_project(project):
    folder = project(RELION_3_1, "CtfFind/job003/ None 2 2")
    names = "_rlnMicrographNameEven #2\n_rlnMicrographNameOdd #3\n"
    text = TABLE.replace("Name #1\n", f"Name #1\n{names}").replace(
        "a.mrc", "a.mrc E/a O/a"
    )
    (folder / "CtfFind/job003/micrographs_ctf.star").write_text(text)
    found = find_project(folder, Path("out"))
    for task in mirror_outputs(found.micrographs, Path("out")):
        assert task.halves == (folder / "E/a", folder / "O/a")


def test_table_of_the_user_counts_more_and_is_found_in_the_project(project):
    folder = project(RELION_3_1, "CtfFind/job003/ None 2 2", "CtfFind/job004/ None 2 2")
    table = Path("CtfFind/job003/micrographs_ctf.star")
    found = find_project(folder, Path("out"), table=table)
    assert found.table == folder / table
