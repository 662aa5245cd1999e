"""What a project folder is, and which micrographs it means.

A folder is looked at in this order, and the first that fits counts:

1. a project of a program for which an adapter is plugged in (entry points
   `cryoscore.projects`), which names a table of micrographs;
2. a Warp project: a folder with `average/NAME.mrc` beside `NAME.xml`;
3. any folder: all micrographs in it and below.

Each micrograph has a place below the folder of outputs, which mirrors the project.
Outputs of ours are never taken for inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from cryoscore_plugin.batch.halves import wholes_of
from cryoscore_plugin.batch.inputs import (
    FoundMicrograph,
    find_micrographs,
    is_table,
    table_formats,
)
from cryoscore_plugin.batch.monitor import number_of_micrographs
from cryoscore_plugin.errors import InputError

LEDGER_FOLDER = "cryoscore_ledger"
"""A folder that has this one in it is an output folder of ours."""


@dataclass(frozen=True, kw_only=True)
class ProjectTable:
    """The table of micrographs of a project.

    Attributes
    ----------
    kind : str
        What the project is, such as "RELION project".
    table : Path
        The table.
    """

    kind: str
    table: Path


@runtime_checkable  # The shape checks of the tests look at arguments.
class ProjectFinder(Protocol):
    """Recognises the projects of one program, plugged in by an adapter."""

    def __call__(self, folder: Path) -> ProjectTable | None:
        """The table of a project; None if the folder is no project of this kind."""
        ...


@dataclass(frozen=True, kw_only=True)
class FoundProject:
    """A project folder, and the micrographs in it.

    Attributes
    ----------
    kind : str
        What it is, such as "RELION project" or "folder of micrographs"; empty for a
        table that was named.
    root : Path
        The folder; names in its tables begin here.
    table : Path or None
        The table that lists the micrographs; None where there is none.
    micrographs : tuple[FoundMicrograph, ...]
        Each once, in the order of the table or of the alphabet.
    """

    kind: str
    root: Path
    table: Path | None
    micrographs: tuple[FoundMicrograph, ...]

    @property
    def description(self) -> str:
        """What was found, as the beginning of a sentence."""
        parts = [f"{self.kind} {self.root}"] if self.kind else []
        parts += [] if self.table is None else [f"table {self.table}"]
        found = number_of_micrographs(len(self.micrographs))
        return f"{', '.join(parts)}: {found}"


def find_project(
    folder: Path, output: Path, *, table: Path | None = None
) -> FoundProject:
    """Recognise a project folder, and find its micrographs.

    Parameters
    ----------
    folder : Path
        The project folder, or a table.
    output : Path
        Folder of the outputs, which is not searched.
    table : Path or None
        A table of micrographs to use instead of the one that would be found; from
        the current folder, or else from the project folder.

    Raises
    ------
    InputError
        If the folder is not there, a table cannot be read, or nothing was found.
    """
    if is_table(folder) and folder.is_file():
        return _of_table("", folder, root=None)
    if not folder.is_dir():
        msg = (
            f"The project folder {folder} should be a folder or a table, and is "
            f"{'neither' if folder.exists() else 'not there'}. Check the name."
        )
        raise InputError(msg)
    if table is not None:
        return _of_table("project", _table_of(folder, table), root=folder)
    for plug in sorted(entry_points(group="cryoscore.projects"), key=lambda p: p.name):
        finder: ProjectFinder = plug.load()
        found = finder(folder)
        if found is not None:
            return _of_table(found.kind, found.table, root=folder)
    return _of_warp(folder, output) or _of_folder(folder, output)


def _table_of(folder: Path, table: Path) -> Path:
    for place in (table, folder / table):
        if place.is_file():
            if is_table(place):
                return place
            formats = ", ".join(sorted(table_formats())) or "none is installed"
            msg = (
                f"--in-mics should be a table of micrographs ({formats}), but is "
                f"{table}. Give another file."
            )
            raise InputError(msg)
    msg = (
        f"The table {table} of --in-mics is neither in the current folder nor in "
        f"{folder}. Check the name."
    )
    raise InputError(msg)


def _of_table(kind: str, table: Path, *, root: Path | None) -> FoundProject:
    rows = table_formats()[table.suffix.lower()].read(table, root=root)
    start = root or Path()
    by_path: dict[Path, FoundMicrograph] = {}
    for row in rows:
        below = row.below or _place_below(row.path, start)
        found = FoundMicrograph(
            path=row.path,
            below=below,
            pixel_size=row.pixel_size,
            halves=row.halves,
            optics=row.optics,
        )
        by_path.setdefault(row.path, found)
    micrographs = _with_distinct_places(tuple(by_path.values()), start)
    return FoundProject(kind=kind, root=start, table=table, micrographs=micrographs)


def _of_warp(folder: Path, output: Path) -> FoundProject | None:
    """The averages of a Warp project, old (one folder) or new (a folder each step)."""
    averages = [
        path
        for place in (folder, *_sub_folders(folder))
        if place.absolute() != output.absolute()
        for path in sorted((place / "average").glob("*.mrc"))
        if (place / f"{path.stem}.xml").is_file()
    ]
    if not averages:
        return None
    micrographs = tuple(
        FoundMicrograph(path=path, below=path.relative_to(folder)) for path in averages
    )
    return FoundProject(
        kind="Warp project", root=folder, table=None, micrographs=micrographs
    )


def _of_folder(folder: Path, output: Path) -> FoundProject:
    found = find_micrographs([folder], output=output)
    ours = {
        place
        for place in {parent for one in found for parent in one.path.parents}
        if (place / LEDGER_FOLDER).is_dir()
    }
    raw = tuple(one for one in found if ours.isdisjoint(one.path.parents))
    if not raw:
        msg = (
            f"All micrographs in {folder} are outputs of cryoscore. Give the folder "
            "of the raw ones."
        )
        raise InputError(msg)
    # Images of odd and even frames show the same area once more.
    return FoundProject(
        kind="folder of micrographs",
        root=folder,
        table=None,
        micrographs=tuple(wholes_of(raw)),
    )


def _sub_folders(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield path


def _place_below(path: Path, root: Path) -> Path:
    """Where a micrograph lies in its project; all folders, if it lies elsewhere."""
    whole, start = path.absolute(), root.absolute()
    if whole.is_relative_to(start):
        return whole.relative_to(start)
    return whole.relative_to(whole.anchor)


def _with_distinct_places(
    found: tuple[FoundMicrograph, ...], root: Path
) -> tuple[FoundMicrograph, ...]:
    """Let all keep their folders, if two would otherwise share a place."""
    if len({one.below for one in found}) == len(found):
        return found
    return tuple(replace(one, below=_place_below(one.path, root)) for one in found)
