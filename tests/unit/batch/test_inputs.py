"""What the user's words mean: files, folders, patterns, tables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryoscore_plugin.batch import inputs
from cryoscore_plugin.batch.inputs import TableRow, find_micrographs
from cryoscore_plugin.errors import InputError


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """A folder with micrographs and other things; it is the current one."""
    for name in (
        "a.mrc",
        "day1/b.mrc",
        "day1/c.mrcs",
        "day1/deep/d.MRC.gz",
        "day2/e.tif",
        "day2/f.mrc.bz2",
        "day2/notes.txt",
        "day2/g.jpg.gz",
        ".hidden/h.mrc",
        "day2/.i.mrc",
        "day2/.b.mrc.12.part",
        "movie.eer",
    ):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "tree"


def names(*given, **options):
    found = find_micrographs([Path(one) for one in given], **options)
    return [(str(one.path), str(one.below)) for one in found]


def test_folder_means_all_micrographs_below_it():
    assert names(".") == [
        ("a.mrc", "a.mrc"),
        ("day1/b.mrc", "day1/b.mrc"),
        ("day1/c.mrcs", "day1/c.mrcs"),
        ("day1/deep/d.MRC.gz", "day1/deep/d.MRC.gz"),
        ("day2/e.tif", "day2/e.tif"),
        ("day2/f.mrc.bz2", "day2/f.mrc.bz2"),
    ]
    assert names("day1")[-1] == ("day1/deep/d.MRC.gz", "deep/d.MRC.gz")


def test_file_goes_to_the_output_folder_itself(tree):
    assert names("day1/b.mrc", tree / "a.mrc") == [
        ("day1/b.mrc", "b.mrc"),
        (str(tree / "a.mrc"), "a.mrc"),
    ]


def test_pattern_means_what_it_matches():
    assert names("day?/*.mrc*") == [
        ("day1/b.mrc", "b.mrc"),
        ("day1/c.mrcs", "c.mrcs"),
        ("day2/f.mrc.bz2", "f.mrc.bz2"),
    ]
    assert names("**/d*.gz") == [("day1/deep/d.MRC.gz", "d.MRC.gz")]
    assert names("day[1]") == names("day1")


def test_name_that_looks_like_a_pattern_is_a_file_if_there_is_one(tree):
    (tree / "x[1].mrc").touch()
    assert names("x[1].mrc") == [("x[1].mrc", "x[1].mrc")]


def test_each_file_comes_once(tree):
    assert names("a.mrc", tree / "a.mrc", "./day1/../a.mrc", "*.mrc") == [
        ("a.mrc", "a.mrc")
    ]


def test_search_does_not_enter_the_output_folder():
    assert "day1/b.mrc" not in dict(names(".", output=Path("day1")))
    assert names("*/*.mrc", "a.mrc", output=Path("day1")) == [("a.mrc", "a.mrc")]


def test_links_are_followed_but_not_in_circles(tree):
    (tree / "day2" / "up").symlink_to(tree)
    (tree.parent / "elsewhere").mkdir()
    (tree.parent / "elsewhere" / "z.mrc").touch()
    (tree / "day1" / "link").symlink_to(tree.parent / "elsewhere")
    found = dict(names("."))
    assert "day1/link/z.mrc" in found
    assert len(found) == 7


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("missing.mrc", r"missing\.mrc does not exist.*patterns in quotes"),
        ("a.mrc/x.mrc", r"Cannot read a\.mrc/x\.mrc: Not a directory"),
        ("day2/notes.txt", r"notes\.txt is no micrograph by its name.*\.mrc"),
        ("movie.eer", r"movie.*motion-corrected first"),
        ("day9/*.mrc", r"No micrographs in day9/\*\.mrc"),
        (".hidden/x*", "No micrographs"),
    ],
)
def test_what_is_no_input_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        find_micrographs([Path(given)])


def test_empty_folder_is_refused(tree):
    (tree / "empty").mkdir()
    with pytest.raises(InputError, match=r"No micrographs in empty.*\.tif"):
        find_micrographs([Path("empty")])
    with pytest.raises(InputError, match="No micrographs in nothing"):
        find_micrographs([])


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every folder")
def test_folder_that_may_not_be_read_is_told(tree):
    (tree / "day1").chmod(0)
    try:
        with pytest.raises(InputError, match=r"Cannot read the folder .*day1"):
            find_micrographs([Path()])
    finally:
        (tree / "day1").chmod(0o755)


def test_folder_that_cannot_be_read_is_told(monkeypatch):
    def refuse(folder, *, onerror, **_options):
        onerror(PermissionError(13, "Permission denied", f"{folder}/day1"))
        return iter(())

    monkeypatch.setattr(os, "walk", refuse)
    with pytest.raises(InputError, match=r"folder \./day1: Permission denied"):
        find_micrographs([Path()])


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    """A table format `.list`: a path and perhaps a pixel size in each line."""

    class ListTable:
        def read(self, path, *, root=None):  # noqa: ARG002
            rows = []
            for line in path.read_text().splitlines():
                name, *size = line.split()
                rows.append(
                    TableRow(
                        path=Path(name), pixel_size=float(size[0]) if size else None
                    )
                )
            return rows

        def write_denoised(self, source, target, outputs):
            raise AssertionError(source, target, outputs)

    class Plug:
        name = "list"

        def load(self):
            return ListTable

    monkeypatch.setattr(inputs, "entry_points", lambda group: [Plug()] * bool(group))


def test_table_gives_paths_and_pixel_sizes():
    Path("x.list").write_text("day1/b.mrc 1.5\nnowhere/y.mrc\n")
    found = find_micrographs([Path("x.list")])
    assert [(str(one.path), str(one.below), one.pixel_size) for one in found] == [
        ("day1/b.mrc", "b.mrc", 1.5),
        ("nowhere/y.mrc", "y.mrc", None),
    ]


def test_pixel_size_of_a_table_counts_for_a_file_given_twice():
    Path("x.list").write_text("day1/b.mrc 1.5\n")
    for given in (["day1/b.mrc", "x.list"], ["x.list", "day1/b.mrc"]):
        (found,) = find_micrographs([Path(one) for one in given])
        assert found.pixel_size == 1.5
