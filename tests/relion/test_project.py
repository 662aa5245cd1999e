"""A denoised micrograph has the post-job name of its raw one, and no other has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.errors import InputError
from relion_wrappers.project import (
    RelionStyle,
    output_names,
    post_job_name,
    project_name,
    relion_style,
)


@pytest.mark.parametrize(
    ("name", "post"),
    [
        ("MotionCorr/job002/Movies/a.mrc", "Movies/a.mrc"),
        ("MotionCorr/job1000/Movies/a.mrc", "Movies/a.mrc"),
        ("./MotionCorr/job002/Movies/a.mrc", "Movies/a.mrc"),
        ("/data/project/MotionCorr/job002/Movies/a.mrc", "Movies/a.mrc"),
        ("Micrographs/a.mrc", "Micrographs/a.mrc"),
        ("External/job012/x/job003/a.mrc", "x/job003/a.mrc"),
        ("job012/a.mrc", "a.mrc"),
        ("Micrographs/jobs/a.mrc", "Micrographs/jobs/a.mrc"),
        ("Micrographs/job12/a.mrc", "Micrographs/job12/a.mrc"),
    ],
)
def test_post_job_name_is_what_follows_the_first_job_folder(
    name: str, post: str
) -> None:
    assert post_job_name(name) == post


@given(st.from_regex(r"[a-z]{1,5}(/[a-z_.0-9]{1,5}[a-z]){0,3}\.mrc", fullmatch=True))
def test_denoised_name_below_a_job_has_the_same_post_job_name(name: str) -> None:
    raw = f"MotionCorr/job002/{name}"
    [output] = output_names([raw])
    assert post_job_name(f"External/job1012/{output}") == post_job_name(raw)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("MotionCorr/job002/Movies/a.mrcs", "Movies/a.mrc"),
        ("Movies/a.tif", "Movies/a.mrc"),
        ("Movies/a.v1.mrc", "Movies/a.v1.mrc"),
        ("./Movies/a.mrc", "Movies/a.mrc"),
        ("/data/Movies/a.mrc", "data/Movies/a.mrc"),
    ],
)
def test_output_keeps_the_folders_and_ends_in_mrc(name: str, output: str) -> None:
    assert output_names([name]) == [PurePosixPath(output)]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        pytest.param(["../a.mrc"], r"has \.\. in it", id="above"),
        pytest.param(["x/../a.mrc"], r"has \.\. in it", id="above in the middle"),
        pytest.param(["my file.mrc"], "has a space", id="space"),
        pytest.param(["Movies/job123_a.mrc"], "folder of a job", id="like a job"),
        pytest.param(["MotionCorr/job002/"], "folder of a job", id="only a folder"),
        pytest.param(["a.mrc", "b.mrc", "a.mrc"], "a.mrc twice", id="twice"),
        pytest.param(
            ["MotionCorr/job002/a.mrc", "MotionCorr/job005/a.mrc"],
            "would both become a.mrc",
            id="two jobs",
        ),
        pytest.param(["a.mrc", "a.tif"], "would both become a.mrc", id="suffixes"),
    ],
)
def test_name_that_relion_would_lose_is_refused(
    names: list[str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        output_names(names)


@pytest.mark.parametrize("version", ["3.1", "4.0", "5.0"])
def test_style_is_that_of_the_relion_which_made_the_folder(
    start_job: Callable[..., Path], version: str
) -> None:
    assert relion_style(start_job(version)) is RelionStyle(version)


def test_style_is_unknown_without_a_relion(tmp_path: Path) -> None:
    assert relion_style(tmp_path) is None


@pytest.mark.parametrize("given", ["External/job012/", "./External/job012"])
def test_job_folder_is_named_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(project_name(Path(given))) == "External/job012"
    assert str(project_name(tmp_path / given)) == "External/job012"


def test_job_folder_is_found_in_a_project_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "link")
    given = tmp_path / "link" / "External/job012"
    assert str(project_name(given)) == "External/job012"


@pytest.mark.parametrize("given", ["../x/job001", "my job/job001"])
def test_job_folder_that_relion_cannot_follow_is_refused(given: str) -> None:
    with pytest.raises(InputError, match=r"has \.\. or a space"):
        project_name(Path(given))
