"""Where outputs go: no two to one place, none over an input."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.batch.inputs import FoundMicrograph
from cryoscore_plugin.batch.plan import plan_outputs
from cryoscore_plugin.errors import InputError

paths = st.lists(
    st.tuples(
        st.sampled_from(["/p/a", "/p/b", "/p/a/b", "/q", "/p/a/../b"]),
        st.sampled_from(["x", "y.1", "x.mrc"]),
        st.sampled_from([".mrc", ".mrcs", ".mrc.gz", ".tif", ".MRC", ".tiff"]),
    ),
    min_size=1,
    unique_by=lambda parts: Path(
        f"{parts[0].replace('a/../', '')}/{parts[1]}{parts[2]}"
    ),
)


def found_at(*given, below=None):
    return [
        FoundMicrograph(path=Path(one), below=Path(below or Path(one).name))
        for one in given
    ]


def outputs(*given):
    tasks = plan_outputs(found_at(*given), Path("out"))
    assert [str(task.source) for task in tasks] == list(given)
    return [str(task.output) for task in tasks]


@given(paths)
def test_no_two_inputs_share_an_output(parts):
    given = [f"{folder}/{name}{suffix}" for folder, name, suffix in parts]
    made = outputs(*given)
    assert len(set(made)) == len(given)
    for source, output in zip(given, made, strict=True):
        assert ".." not in Path(output).parts
        assert Path(output).parts[0] == "out"
        assert Path(output).suffix == (".mrcs" if ".mrcs" in source else ".mrc")


def test_output_has_the_name_of_its_input():
    given = ["a/x.mrc", "b/y.05.3.MRC", "z.mrc.gz", "s.mrcs", "t.tif", "u.mrcs.bz2"]
    assert outputs(*given) == [
        "out/x.mrc",
        "out/y.05.3.mrc",
        "out/z.mrc",
        "out/s.mrcs",
        "out/t.mrc",
        "out/u.mrcs",
    ]


def test_equal_names_keep_their_folders_and_it_is_said(caplog):
    given = ["p/a/x.mrc", "p/b/x.mrc", "p/b/y.mrc"]
    assert outputs(*given) == ["out/a/x.mrc", "out/b/x.mrc", "out/b/y.mrc"]
    assert "outputs keep their folders" in caplog.text


def test_equal_names_in_one_folder_keep_their_endings():
    given = ["p/x.mrc", "p/x.mrc.gz", "p/x.tif"]
    assert outputs(*given) == ["out/x.mrc", "out/x.mrc.gz.mrc", "out/x.tif.mrc"]


def test_folders_of_a_searched_folder_are_kept():
    (task,) = plan_outputs(found_at("p/a/x.mrc", below="a/x.mrc"), Path("out"))
    assert task.output == Path("out/a/x.mrc")


def test_input_is_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "raw")
    (tmp_path / "raw").mkdir()
    for output in ("raw", "raw/../raw", "link", str(tmp_path / "raw")):
        with pytest.raises(
            InputError, match=r"overwrite the input raw/x.mrc.*--output"
        ):
            plan_outputs(found_at("raw/x.mrc"), Path(output))
    with pytest.raises(InputError, match=r"overwrite the input raw/a/x.mrc"):
        plan_outputs(found_at("raw/a/x.mrc", below="a/x.mrc"), Path("raw"))


def test_outputs_never_lie_among_raw_micrographs():
    with pytest.raises(InputError, match=r"among the raw micrographs.*--output"):
        plan_outputs(found_at("raw/x.mrc.gz"), Path("raw"))
    plan_outputs(found_at("raw/x.mrc.gz"), Path("raw/denoised"))


def test_pixel_size_of_the_table_goes_along():
    found = FoundMicrograph(path=Path("x.mrc"), below=Path("x.mrc"), pixel_size=1.5)
    (task,) = plan_outputs([found], Path("out"))
    assert task.pixel_size == 1.5
