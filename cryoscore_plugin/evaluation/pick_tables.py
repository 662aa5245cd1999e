"""Read picks of many micrographs, whatever program wrote them.

Here: tables with a header line (`.csv`; `.txt` and `.tsv` with tabs, as Topaz writes
them) and boxes of EMAN (`.box`). Adapters plug in further formats through the entry
points `cryoscore.picks`, by suffix: a function that takes the path and gives
`PickRow`s.

Picks are brought together by the *key* of their micrograph: its name without folder and
suffix. A file that names no micrograph belongs to the one after which it is named;
endings that pickers add, such as `_autopick`, do not count.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pickers import Picks

ENDINGS = ("_picks", "_autopick", "_manualpick", "_topazpicks", "_boxes")
"""What the name of a file of picks may add to that of its micrograph."""

COLUMNS = {
    "micrograph": ("micrograph", "image_name", "micrograph_name"),
    "x": ("x", "x_coord"),
    "y": ("y", "y_coord"),
    "score": ("score",),
}
"""Names that a column may have, ours and those of Topaz."""


KNOWN_SUFFIXES = {
    *(".mrc", ".mrcs", ".tif", ".tiff", ".gz", ".bz2"),
    *(".star", ".box", ".csv", ".txt", ".tsv", ".cs"),
}
"""Suffixes that are not part of a name: `May08_03.05.02` has none."""


NO_PICKS = Picks(centers_yx=np.empty((0, 2)), scores=np.empty(0))


@dataclass(frozen=True, kw_only=True)
class PickRow:
    """One pick as a file has it.

    Attributes
    ----------
    micrograph : str
        Name of the micrograph, or the file that holds the picks of one.
    x, y : float
        Column and row in px from the first pixel.
    score : float
        Higher is better; 0 in files that have none.
    """

    micrograph: str
    x: float
    y: float
    score: float = 0.0


def read_picks(paths: Iterable[Path]) -> dict[str, Picks]:
    """Picks of all files, by the key of their micrograph.

    Parameters
    ----------
    paths : Iterable[Path]
        Files of picks, or folders of them.

    Returns
    -------
    picks : dict[str, Picks]
        The best first; a micrograph that no file mentions is not in it.

    Raises
    ------
    InputError
        If a file cannot be read, or there is none.
    """
    rows: dict[str, list[PickRow]] = {}
    for file in (file for path in paths for file in _files(path)):
        for row in _read(file):
            rows.setdefault(micrograph_key(row.micrograph), []).append(row)
    if not rows:
        msg = (
            f"{', '.join(map(str, paths)) or 'Nothing'} holds no picks. Expected are "
            f"files that end in {', '.join(sorted(pick_suffixes()))}, or folders of them."
        )
        raise InputError(msg)
    return {key: _sorted(found) for key, found in rows.items()}


def micrograph_key(name: str) -> str:
    """Name of a micrograph without folder, suffix and what pickers add to it."""
    stem = Path(name).name
    while Path(stem).suffix.lower() in KNOWN_SUFFIXES:
        stem = Path(stem).stem
    for ending in ENDINGS:
        stem = stem.removesuffix(ending)
    return stem


def pick_suffixes() -> set[str]:
    """Suffixes of the formats that can be read."""
    plugged = {f".{plug.name}" for plug in entry_points(group="cryoscore.picks")}
    return {".csv", ".txt", ".tsv", ".box"} | plugged


def _files(path: Path) -> list[Path]:
    """The files of picks that one word of the user means."""
    if not path.is_dir():
        return [path]
    return sorted(x for x in path.iterdir() if x.suffix.lower() in pick_suffixes())


def _read(path: Path) -> list[PickRow]:
    """The picks of one file."""
    suffix = path.suffix.lower()
    for plug in entry_points(group="cryoscore.picks"):
        if suffix == f".{plug.name}":
            found: list[PickRow] = plug.load()(path)
            return found
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(_boxes(file, path) if suffix == ".box" else _table(file, path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        msg = f"Cannot read the picks {path}: {reason}. Check its name."
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"{path} should hold numbers of px, but: {error}. Repair that line."
        raise InputError(msg) from error


def _table(file: Iterable[str], path: Path) -> Iterator[PickRow]:
    """Rows of a table with a header line."""
    rows = csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t")
    header = rows.fieldnames or []
    columns = {
        name: next((word for word in words if word in header), None)
        for name, words in COLUMNS.items()
    }
    x, y = columns["x"], columns["y"]
    if x is None or y is None:
        msg = (
            f"{path} should begin with a line that names its columns, with x and y (or "
            f"x_coord and y_coord), but it names {', '.join(header) or 'none'}. Add "
            "that line, or give another file."
        )
        raise InputError(msg)
    micrograph, score = columns["micrograph"], columns["score"]
    for row in rows:
        yield PickRow(
            micrograph=row[micrograph] if micrograph else path.name,
            x=float(row[x]),
            y=float(row[y]),
            score=float(row[score]) if score else 0.0,
        )


def _boxes(file: Iterable[str], path: Path) -> Iterator[PickRow]:
    """Boxes of EMAN: left edge, lower edge, width and height, a line each."""
    for line in file:
        if line.strip():
            left, edge, width, height = map(float, line.split()[:4])
            yield PickRow(micrograph=path.name, x=left + width / 2, y=edge + height / 2)


def _sorted(rows: list[PickRow]) -> Picks:
    """Rows of one micrograph as picks, the best first."""
    table = np.array([[row.y, row.x, row.score] for row in rows]).reshape(-1, 3)
    order = np.argsort(-table[:, 2], kind="stable")
    return Picks(centers_yx=table[order, :2], scores=table[order, 2])
