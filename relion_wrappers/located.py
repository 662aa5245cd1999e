"""Where the files lie that a table names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


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
