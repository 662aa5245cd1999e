"""Picks are read from the files of several programs, and keep their micrograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pick_tables import micrograph_key, read_picks

TOPAZ = "image_name\tx_coord\ty_coord\tscore\nm1\t10\t20\t-1.5\nm1\t30\t40\t2\n"
OURS = "micrograph,x,y,score\nmics/m1.mrc,10,20,-1.5\nmics/m1.mrc,30,40,2\n"
COORDINATES = """
data_

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnAutopickFigureOfMerit #3
10 20 -1.5
30 40 2
"""
PARTICLES = """
data_particles

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnAutopickFigureOfMerit #4
Job1/m1.mrc 10 20 -1.5
Job1/m1.mrc 30 40 2
"""
LIST = """
data_coordinate_files

loop_
_rlnMicrographName #1
_rlnMicrographCoordinates #2
Job1/m1.mrc coords.star
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("all.txt", TOPAZ),
        ("all.csv", OURS),
        ("m1_autopick.star", COORDINATES),
        ("particles.star", PARTICLES),
        ("autopick.star", LIST),
    ],
)
def test_every_format_gives_the_same_picks_best_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("coords.star").write_text(COORDINATES)
    Path(name).write_text(content)
    found = read_picks([Path(name)])
    assert list(found) == ["m1"]
    np.testing.assert_array_equal(found["m1"].centers_yx, [[40, 30], [20, 10]])
    np.testing.assert_array_equal(found["m1"].scores, [2, -1.5])


def test_box_of_eman_is_its_centre_without_score(tmp_path: Path) -> None:
    (tmp_path / "m1.box").write_text("0 10 20 40\n\n")
    picks = read_picks([tmp_path])["m1"]
    np.testing.assert_array_equal(picks.centers_yx, [[30, 10]])
    np.testing.assert_array_equal(picks.scores, [0])


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a/b/May08_03.05.02.mrc", "May08_03.05.02"),
        ("May08_03.05.02_picks.star", "May08_03.05.02"),
        ("stack_1142_DW.mrc.gz", "stack_1142_DW"),
        ("m1_autopick", "m1"),
        ("m1", "m1"),
    ],
)
def test_key_is_the_name_of_the_micrograph_alone(name: str, key: str) -> None:
    assert micrograph_key(name) == key


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "x;y\n1;2\n", "names its columns, with x and y"),
        ("a.csv", "x,y\n1,two\n", "should hold numbers"),
        ("a.box", "1 2 3\n", "should hold numbers"),
        ("a.star", "data_\n\nloop_\n_rlnVoltage #1\n300\n", "rlnCoordinateX"),
        ("a.star", COORDINATES.replace("20", "x"), "should hold numbers"),
        ("a.csv", "x,y\n", "holds no picks"),
        ("a.csv", "\xff", "names its columns"),
    ],
)
def test_what_is_no_table_of_picks_is_refused(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_picks([tmp_path / name])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv.*No such file"):
        read_picks([tmp_path / "gone.csv"])
