"""Where the files lie that a table names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HALF_NAMES = ("rlnMicrographNameEven", "rlnMicrographNameOdd")
"""Labels of the images of even and odd frames."""


def located(table: Path, names: Sequence[str], root: Path | None) -> list[Path]:
    """Where each file lies; as it is named, if it is nowhere.

    Parameters
    ----------
    table : Path
        The table that names them.
    names : Sequence[str]
        As they stand in it.
    root : Path or None
        Folder from which they are named. None looks from the current folder, then
        from that of the table and those above it, where a RELION project begins.
    """
    if root is not None:
        return [root / name for name in names]
    above = list(table.absolute().parents)
    found = []
    for name in names:
        places = [Path(name), *(folder / name for folder in above)]
        place = next((p for p in places if p.exists()), places[0])
        found.append(place)
    return found


def located_halves(
    table: Path, rows: pd.DataFrame, root: Path | None
) -> list[tuple[Path, ...]]:
    """Where the halves of each micrograph lie, in the order of the table.

    Parameters
    ----------
    table : Path
        The table that names them.
    rows : pd.DataFrame
        Its micrographs; every value is text.
    root : Path or None
        Folder from which they are named, as for `located`.

    Returns
    -------
    halves : list[tuple[Path, ...]]
        The even and the odd one of each; nothing where the table names none.
    """
    if not all(label in rows for label in HALF_NAMES):
        return [()] * len(rows)
    columns = (
        located(table, [str(name) for name in rows[label]], root)
        for label in HALF_NAMES
    )
    return list(zip(*columns, strict=True))
