"""Micrographs and an expert's picks, as CryoPPP has them in its folders."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pickers import is_inside
from cryoscore_plugin.mrc import read_header

COLUMNS = ("Y-Coordinate", "X-Coordinate", "Diameter")


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """A micrograph that an expert has picked; all lengths in px of its file."""

    data_set: str
    path: Path
    centers_yx: NDArray[np.float64]
    diameter: float


def labelled_micrographs(
    folder: Path, *, flip_y: bool, limit: int | None
) -> list[Labelled]:
    """The micrographs of a data set that can be judged, the first `limit` by name.

    `flip_y` tells that tables count y from the last row of the file. Tables without a
    micrograph, or without a particle that lies wholly inside, are left out.
    """
    found = list(islice(_labelled(folder, flip_y=flip_y), limit))
    if not found:
        msg = (
            f"{folder} should be a data set of CryoPPP, but has no micrographs/NAME.mrc "
            "with picks in ground_truth/particle_coordinates/NAME.csv. Name the folder "
            "with the EMPIAR number."
        )
        raise InputError(msg)
    return found


def upside_down(centers_yx: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Positions in an image whose rows, `height` in number, are read from the last."""
    return np.stack([height - 1 - centers_yx[:, 0], centers_yx[:, 1]], axis=1)


def _labelled(folder: Path, *, flip_y: bool) -> Iterator[Labelled]:
    """Each micrograph that can be judged, by name."""
    for table in sorted((folder / "ground_truth/particle_coordinates").glob("*.csv")):
        path = folder / "micrographs" / f"{table.stem}.mrc"
        rows = _expert_picks(table)
        if not path.exists() or not len(rows):
            continue
        h, w = read_header(path).shape[-2:]
        centers_yx, diameter = rows[:, :2], float(np.median(rows[:, 2]))
        if flip_y:
            centers_yx = upside_down(centers_yx, h)
        if is_inside(centers_yx, shape=(h, w), border=diameter / 2).any():
            yield Labelled(
                data_set=folder.name,
                path=path,
                centers_yx=centers_yx,
                diameter=diameter,
            )


def _expert_picks(path: Path) -> NDArray[np.float64]:
    """y, x and diameter of each particle in a table, as they are written there."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                [float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)
            ]
    except (KeyError, ValueError, TypeError, OSError) as error:
        msg = (
            f"{path} should be a table in CSV with numbers in the columns "
            f"{', '.join(COLUMNS)}, but: {error}. Take it from CryoPPP again."
        )
        raise InputError(msg) from error
    picks = np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    if not np.isfinite(picks).all() or (picks[:, 2] <= 0).any():
        msg = (
            f"{path} should have finite positions and a Diameter above 0 px in every "
            "row, but has not. Take it from CryoPPP again."
        )
        raise InputError(msg)
    return picks
