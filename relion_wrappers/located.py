"""Where the files lie that a table names, and how a table names a file."""

from __future__ import annotations

import os
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


def name_from(root: Path, path: Path) -> str:
    """A file as a table names it from a folder; absolute, if it lies elsewhere."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  resolve would follow links
    start = Path(os.path.abspath(root))  # noqa: PTH100  as above
    if not absolute.is_relative_to(start):
        return str(absolute)
    return str(absolute.relative_to(start))
