"""Picks of RELION for `cryoscore evaluate picks`: three kinds of STAR files.

Coordinates of one micrograph (a file after which it is named), particles or coordinates
of many (`rlnMicrographName`), and lists of files of coordinates (`autopick.star`). The
score is RELION's figure of merit, where there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pick_tables import PickRow
from relion_wrappers.coordinates_star import COORDINATES
from relion_wrappers.micrographs_star import NAME

if TYPE_CHECKING:
    import pandas as pd

X, Y, MERIT = "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit"


def read_picks_star(path: Path) -> list[PickRow]:
    """Picks in a STAR file.

    Parameters
    ----------
    path : Path
        The file. Names in a list are relative to the current folder, the project.

    Raises
    ------
    InputError
        If it cannot be read, or has neither coordinates nor names of files of them.
    """
    # starfile brings pandas: half a second that `cryoscore --help` saves.
    from relion_wrappers.star_file import read_star  # noqa: PLC0415

    star = read_star(path)
    for block in star.blocks.values():
        if isinstance(block, dict):
            continue
        if X in block and Y in block:
            return _rows(path, block)
        if NAME in block and COORDINATES in block:
            return [
                PickRow(micrograph=name, x=row.x, y=row.y, score=row.score)
                for name, file in zip(block[NAME], block[COORDINATES], strict=True)
                for row in read_picks_star(Path(file))
            ]
    msg = (
        f"{path} should have coordinates ({X}, {Y}) or files of them ({COORDINATES}), "
        "but has neither. Give a file of picks or particles."
    )
    raise InputError(msg)


def _rows(path: Path, block: pd.DataFrame) -> list[PickRow]:
    """The picks of a table of coordinates."""
    names = block[NAME] if NAME in block else [path.name] * len(block)
    scores = block[MERIT] if MERIT in block else [0.0] * len(block)
    try:
        return [
            PickRow(micrograph=name, x=float(x), y=float(y), score=float(score))
            for name, x, y, score in zip(names, block[X], block[Y], scores, strict=True)
        ]
    except ValueError as error:
        msg = f"{path} should hold numbers of px, but: {error}. Repair that line."
        raise InputError(msg) from error
