"""What is written in place of a table of micrographs differs in the names alone."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from cryoscore_plugin.batch.inputs import find_micrographs
from cryoscore_plugin.errors import InputError
from relion_wrappers.micrographs_star import (
    StarTable,
    denoised_star,
    failed_star,
    read_micrographs,
)
from relion_wrappers.star_file import write_star

A, B = "MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/b.mrc"
VERSIONS = ["3.0", "3.1", "4.0", "5.0"]


@pytest.fixture(params=VERSIONS)
def table(request: pytest.FixtureRequest, tmp_path: Path, tables: dict[str, str]):
    path = tmp_path / "CtfFind/job003/micrographs_ctf.star"
    path.parent.mkdir(parents=True)
    path.write_text(tables[request.param])
    return path


def words_of(path: Path) -> list[list[str]]:
    lines = path.read_text().splitlines()
    return [line.split() for line in lines if line.strip()]


def test_names_and_pixel_sizes_are_those_of_the_rows(table: Path) -> None:
    micrographs = read_micrographs(table)
    assert micrographs.names == (A, B)
    assert micrographs.pixel_sizes == pytest.approx((1.5, 2.5))


def test_denoised_table_differs_in_the_names_and_the_last_column(table: Path) -> None:
    micrographs = read_micrographs(table)
    denoised = {A: "External/job012/Movies/a.mrc", B: "External/job012/Movies/b.mrc"}
    write_star(table.with_name("out.star"), denoised_star(micrographs, denoised))
    # RELION repeats its version comment before each block; once is enough.
    raw = [line for line in words_of(table) if line[0] != "#"]
    last_label = [line for line in raw if line[0].startswith("_")][-1]
    width = int(last_label[1].removeprefix("#"))
    expected = []
    for line in raw:
        name = line[0]
        expected.append([denoised[name], *line[1:], name] if name in denoised else line)
        if line is last_label:
            expected.append(["_rlnMicrographNameRaw", f"#{width + 1}"])
    written = words_of(table.with_name("out.star"))
    assert [line for line in written if line[0] != "#"] == expected


def test_row_without_a_denoised_micrograph_is_left_out(table: Path) -> None:
    star = denoised_star(read_micrographs(table), {B: "External/job012/b.mrc"})
    write_star(table.with_name("out.star"), star)
    again = read_micrographs(table.with_name("out.star"))
    assert again.names == ("External/job012/b.mrc",)
    assert again.pixel_sizes == pytest.approx((2.5,))


def test_table_denoised_twice_keeps_the_raw_names(table: Path) -> None:
    once, twice = table.with_name("once.star"), table.with_name("twice.star")
    write_star(once, denoised_star(read_micrographs(table), {A: "x.mrc"}))
    write_star(twice, denoised_star(read_micrographs(once), {"x.mrc": "y.mrc"}))
    micrographs = read_micrographs(twice)
    assert micrographs.names == ("y.mrc",)
    assert list(micrographs.table["rlnMicrographNameRaw"]) == [A]


def test_failed_table_gives_the_reason_as_text(table: Path) -> None:
    reason = "It is 'bad': #3 is \"NaN\".\nMake it again."
    star = failed_star(read_micrographs(table), {A: reason})
    write_star(table.with_name("failed.star"), star)
    again = read_micrographs(table.with_name("failed.star"))
    assert again.names == (A,)
    assert list(again.table["rlnFailureReason"]) == [
        "It is bad: 3 is NaN. Make it again."
    ]


OPTICS = (
    "data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnMicrographPixelSize #2\n1 1.5\n\n"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(OPTICS, "should have a table data_micrographs", id="no table"),
        pytest.param(
            "data_micrographs\n\nloop_\n_rlnOpticsGroup #1\n1\n",
            "should have the column rlnMicrographName",
            id="no name",
        ),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\n_rlnCoordinateX #2\na.mrc 1\n",
            "lists particles",
            id="particles",
        ),
        pytest.param(
            OPTICS + "data_micrographs\n\nloop_\n_rlnMicrographName #1\na.mrc\n",
            "should have the column rlnOpticsGroup",
            id="no group",
        ),
        pytest.param(
            OPTICS + "data_micrographs\n\nloop_\n_rlnMicrographName #1\n"
            "_rlnOpticsGroup #2\na.mrc 7\n",
            "micrograph is of group 7",
            id="wrong group",
        ),
        pytest.param(
            OPTICS.replace("1.5", "0.0") + "data_micrographs\n\nloop_\n"
            "_rlnMicrographName #1\n_rlnOpticsGroup #2\na.mrc 1\n",
            "should be a positive number, but is '0.0'",
            id="pixel size 0",
        ),
        pytest.param(
            OPTICS.replace("1.5", "wide") + "data_micrographs\n\nloop_\n"
            "_rlnMicrographName #1\n_rlnOpticsGroup #2\na.mrc 1\n",
            "should be a positive number, but is 'wide'",
            id="pixel size a word",
        ),
    ],
)
def test_table_that_cannot_be_used_is_refused_with_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "bad.star"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence) as refusal:
        read_micrographs(path)
    assert "bad.star" in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\na.mrc\n", id="3.0 without a scale"
        ),
        pytest.param(
            "data_optics\n\nloop_\n_rlnOpticsGroup #1\n1\n\n"
            "data_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnOpticsGroup #2\n"
            "a.mrc 1\n",
            id="optics without a scale",
        ),
    ],
)
def test_pixel_size_is_left_open_where_the_table_does_not_say(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "a.star"
    path.write_text(text)
    assert read_micrographs(path).pixel_sizes == (None,)


@pytest.mark.usefixtures("micrographs_of_the_tables")
def test_shell_finds_micrographs_from_the_current_folder(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [row.path for row in StarTable.read(table)] == [Path(A), Path(B)]


@pytest.mark.usefixtures("micrographs_of_the_tables")
def test_shell_finds_micrographs_from_the_project_above_the_table(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    rows = StarTable.read(table)
    assert [row.path for row in rows] == [tmp_path / A, tmp_path / B]
    assert [row.pixel_size for row in rows] == pytest.approx([1.5, 2.5])


def test_missing_micrographs_stay_listed(table: Path) -> None:
    assert [row.path for row in StarTable.read(table)] == [Path(A), Path(B)]


def test_a_root_counts_alone(table: Path, tmp_path: Path) -> None:
    rows = StarTable.read(table, root=tmp_path / "root")
    assert [row.path for row in rows] == [tmp_path / "root" / A, tmp_path / "root" / B]


def test_halves_are_those_that_the_table_names(tmp_path: Path) -> None:
    table = tmp_path / "halves.star"
    table.write_text(
        "\ndata_micrographs\n\nloop_\n_rlnMicrographName #1\n"
        "_rlnMicrographNameEven #2\n_rlnMicrographNameOdd #3\n"
        "M/a.mrc M/a_even.mrc M/a_odd.mrc\n"
    )
    [row] = StarTable.read(table, root=tmp_path)
    assert row.halves == (tmp_path / "M/a_even.mrc", tmp_path / "M/a_odd.mrc")
    [found] = find_micrographs([table], root=tmp_path)
    assert found.halves == row.halves
    table.write_text("\ndata_\n\nloop_\n_rlnMicrographName #1\nM/a.mrc\n")
    assert StarTable.read(table)[0].halves == ()


def test_shell_writes_names_from_the_current_folder(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside = Path("/elsewhere/b.mrc")
    outputs = {Path(A): tmp_path / "out/a.mrc", Path(B): outside}
    StarTable.write_denoised(table, Path("out.star"), outputs)
    micrographs = read_micrographs(Path("out.star"))
    assert micrographs.names == ("out/a.mrc", str(outside))
    assert list(micrographs.table["rlnMicrographNameRaw"]) == [A, B]


def test_core_finds_this_table_by_the_suffix() -> None:
    [point] = entry_points(group="cryoscore.tables", name="star")
    assert point.load() is StarTable


def test_importing_the_table_loads_no_pandas() -> None:
    code = (
        "import relion_wrappers.micrographs_star, sys; print('pandas' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert answer.stdout.strip() == "False"
