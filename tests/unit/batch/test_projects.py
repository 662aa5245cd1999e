"""What a project folder is taken for, and where its outputs go."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryoscore_plugin.batch.plan import mirror_outputs
from cryoscore_plugin.batch.projects import find_project
from cryoscore_plugin.errors import InputError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Make empty files, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)

    def make(*names, text=""):
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text)

    return make


def outputs_of(project, output=Path("out")):
    tasks = mirror_outputs(project.micrographs, output)
    return {str(task.source): str(task.output) for task in tasks}


def test_folder_means_all_micrographs_in_it_and_mirrors_its_sub_folders(files):
    files("p/a.mrc", "p/day1/a.mrc", "p/day2/a.tif", "p/notes.txt")
    project = find_project(Path("p"), Path("p/cryoscore"))
    assert project.kind == "folder of micrographs"
    assert project.description == "folder of micrographs p: 3 micrographs"
    assert outputs_of(project) == {
        "p/a.mrc": "out/a.mrc",
        "p/day1/a.mrc": "out/day1/a.mrc",
        "p/day2/a.tif": "out/day2/a.mrc",
    }


def test_halves_in_a_folder_are_no_micrographs_of_their_own(files):
    files("p/a.mrc", "p/a_EVN.mrc", "p/a_ODD.mrc", "p/b_EVN.mrc")
    project = find_project(Path("p"), Path("out"))
    assert [str(one.path) for one in project.micrographs] == ["p/a.mrc", "p/b_EVN.mrc"]


def test_two_formats_of_one_name_do_not_clash(files):
    files("p/a.mrc", "p/a.tif")
    assert outputs_of(find_project(Path("p"), Path("out"))) == {
        "p/a.mrc": "out/a.mrc",
        "p/a.tif": "out/a.tif.mrc",
    }


def test_clash_that_no_name_can_solve_is_refused(files):
    files("p/a.mrc", "p/a.tif", "p/a.tif.mrc")
    with pytest.raises(InputError, match=r"would both become out/a\.tif\.mrc"):
        outputs_of(find_project(Path("p"), Path("out")))


def test_output_among_the_raw_micrographs_is_refused(files):
    files("p/a.mrc")
    with pytest.raises(InputError, match=r"would overwrite the input p/a\.mrc"):
        outputs_of(find_project(Path("p"), Path("elsewhere")), output=Path("p"))


def test_outputs_of_ours_are_no_inputs_wherever_they_lie(files):
    files("p/a.mrc", "p/old/a.mrc", "p/old/sub/b.mrc", "p/cryoscore/a.mrc")
    Path("p/old/cryoscore_ledger").mkdir()
    project = find_project(Path("p"), Path("p/cryoscore"))
    assert [str(one.path) for one in project.micrographs] == ["p/a.mrc"]


def test_folder_with_nothing_but_outputs_is_refused_in_words(files):
    files("p/a.mrc", "p/cryoscore_ledger/x.jsonl")
    with pytest.raises(InputError, match="are outputs of cryoscore"):
        find_project(Path("p"), Path("out"))


@pytest.mark.parametrize("folder", ["warp_frameseries/", ""])
def test_warp_project_means_its_averages_and_not_their_halves(files, folder):
    files(
        *(f"w/{folder}{name}.xml" for name in "ab"),
        *(f"w/{folder}average/{name}.mrc" for name in "ab"),
        f"w/{folder}average/even/a.mrc",
        f"w/{folder}average/odd/a.mrc",
        f"w/{folder}powerspectrum/a.mrc",
    )
    project = find_project(Path("w"), Path("w/cryoscore"))
    assert project.kind == "Warp project"
    assert outputs_of(project) == {
        f"w/{folder}average/{name}.mrc": f"out/{folder}average/{name}.mrc"
        for name in "ab"
    }


def test_average_without_xml_is_no_warp_project(files):
    files("w/average/a.mrc", "w/a.mrc")
    project = find_project(Path("w"), Path("out"))
    assert project.kind == "folder of micrographs"
    assert len(project.micrographs) == 2


def test_missing_folder_and_file_in_its_place_are_refused_in_words(files):
    with pytest.raises(InputError, match="a folder or a table, and is not there"):
        find_project(Path("nowhere"), Path("out"))
    files("a.mrc")
    with pytest.raises(InputError, match="a folder or a table, and is neither"):
        find_project(Path("a.mrc"), Path("out"))


def test_table_that_is_none_is_refused_in_words(files):
    files("p/a.mrc", "list.txt")
    with pytest.raises(InputError, match=r"--in-mics should be a table .*list\.txt"):
        find_project(Path("p"), Path("out"), table=Path("list.txt"))
    with pytest.raises(InputError, match="neither in the current folder nor in p"):
        find_project(Path("p"), Path("out"), table=Path("list.star"))
