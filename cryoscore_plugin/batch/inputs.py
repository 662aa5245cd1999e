"""Which micrographs the user means: files, folders, patterns, tables.

- A file is a micrograph, or a stack of them if it ends in `.mrcs`.
- A folder means all micrographs in it and in its sub-folders.
- A pattern such as `'day?/*.mrc'`, in quotes, means what it matches.
- A table lists micrographs, perhaps with their pixel size. Adapters plug in the
  formats, through the entry points `cryoscore.tables`, by suffix.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import absolute
from cryoscore_plugin.optics import Optics

IMAGE_SUFFIXES = (".mrc", ".mrcs", ".tif", ".tiff")
PACKED_SUFFIXES = (".gz", ".bz2")
MOVIE_SUFFIXES = (".eer", ".dm4", ".ecc")


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One micrograph of a table.

    Attributes
    ----------
    path : Path
        The file, found from the current folder; it need not exist.
    pixel_size : float or None
        In Å/px; None where the table does not say.
    below : Path or None
        Its place below a folder of outputs, where the program that wrote the table
        has a rule for it.
    halves : tuple[Path, ...]
        Images of its odd and even frames, where the table names them: two files, or
        one that holds both; found as `path` is.
    optics : Optics or None
        How it was taken, where the table says all of it.
    """

    path: Path
    pixel_size: float | None = None
    below: Path | None = field(default=None, compare=False)
    halves: tuple[Path, ...] = field(default=(), compare=False)
    optics: Optics | None = field(default=None, compare=False)


@runtime_checkable  # The shape checks of the tests look at arguments.
class MicrographTable(Protocol):
    """A format of tables of micrographs, plugged in for a suffix."""

    def read(self, path: Path, *, root: Path | None = None) -> list[TableRow]:
        """Micrographs of a table, in its order; `root` is where its names begin."""
        ...

    def write_denoised(
        self,
        source: Path,
        target: Path,
        outputs: Mapping[Path, Path],
        *,
        root: Path | None = None,
    ) -> None:
        """Write a table again, with the output of each micrograph in its place.

        `outputs` is keyed by the path that `read` gave; other rows are left out.
        Names in the table begin at `root`, or at the current folder.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class FoundMicrograph:
    """One micrograph that the user means.

    Attributes
    ----------
    path : Path
        The file.
    below : Path
        Its place below the output folder: its name, after the sub-folders of the
        folder that was searched.
    pixel_size : float or None
        In Å/px, if a table says.
    halves : tuple[Path, ...]
        As a table names them; see `TableRow`.
    optics : Optics or None
        How it was taken, if a table says.
    """

    path: Path
    below: Path
    pixel_size: float | None = None
    halves: tuple[Path, ...] = ()
    optics: Optics | None = None


def find_micrographs(
    inputs: Sequence[Path], *, output: Path | None = None, root: Path | None = None
) -> list[FoundMicrograph]:
    """Find the micrographs that the user's words mean; each file once.

    Parameters
    ----------
    inputs : Sequence[Path]
        Files, folders, patterns and tables. Those of folders and patterns come in
        alphabetical order, the others as they are given.
    output : Path or None
        Folder of the outputs, which a search does not enter.
    root : Path or None
        Folder from which tables name micrographs; None lets the format find it.

    Raises
    ------
    InputError
        If something is not there, is no micrograph or table, cannot be read, or
        nothing was found.
    """
    skipped = None if output is None else absolute(output)
    by_path: dict[Path, FoundMicrograph] = {}
    for given in inputs:
        for found in _find(given, skipped, root):
            place = absolute(found.path)
            earlier = by_path.setdefault(place, found)
            if earlier.pixel_size is None and found.pixel_size is not None:
                by_path[place] = found  # A table knows more than a bare file.
    if not by_path:
        msg = (
            f"No micrographs in {', '.join(map(str, inputs)) or 'nothing'}. Expected "
            f"are files that end in {', '.join(IMAGE_SUFFIXES)} (MRC also with .gz or "
            ".bz2), folders of them, or a table."
        )
        raise InputError(msg)
    return list(by_path.values())


def table_formats() -> dict[str, MicrographTable]:
    """Formats of tables that are plugged in, by suffix such as `.star`."""
    return {
        f".{plug.name}": plug.load()()
        for plug in entry_points(group="cryoscore.tables")
    }


def is_table(path: Path) -> bool:
    """Whether a file name has the suffix of a table format."""
    suffixes = {f".{plug.name}" for plug in entry_points(group="cryoscore.tables")}
    return path.suffix.lower() in suffixes


def is_micrograph(path: Path) -> bool:
    """Whether a file name is that of a micrograph or of a stack."""
    suffix = path.suffix.lower()
    if suffix in PACKED_SUFFIXES:
        suffix = Path(path.stem).suffix.lower()
        return suffix in {".mrc", ".mrcs"}
    return suffix in IMAGE_SUFFIXES


def _find(
    given: Path, skipped: Path | None, root: Path | None
) -> Iterator[FoundMicrograph]:
    """The micrographs that one word of the user means."""
    if given.is_dir():
        yield from _in_folder(given, skipped)
    elif given.exists() or not glob.has_magic(str(given)):
        yield from _in_file(given, root)
    else:
        for match in sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207  takes absolute patterns
            path = Path(match)
            if not _is_inside(path, skipped) and (path.is_dir() or is_micrograph(path)):
                yield from _find(path, skipped, root)


def _in_folder(folder: Path, skipped: Path | None) -> Iterator[FoundMicrograph]:
    seen: set[str] = set()
    try:
        for place, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
            # Links to a folder above would never end.
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and not _is_inside(Path(place, name), skipped)
            )
            paths = (Path(place, name) for name in sorted(names))
            yield from _below(folder, (path for path in paths if _is_visible(path)))
    except OSError as error:
        msg = (
            f"Cannot read the folder {error.filename}: {error.strerror}. Check that "
            "you may read it."
        )
        raise InputError(msg) from error


def _in_file(path: Path, root: Path | None) -> Iterator[FoundMicrograph]:
    _check_readable(path)
    if is_table(path):
        for row in table_formats()[path.suffix.lower()].read(path, root=root):
            yield FoundMicrograph(
                path=row.path,
                below=Path(row.path.name),
                pixel_size=row.pixel_size,
                halves=row.halves,
                optics=row.optics,
            )
        return
    if path.suffix.lower() in MOVIE_SUFFIXES:
        msg = (
            f"{path} is a movie, and micrographs are wanted. Movies must be "
            "motion-corrected first."
        )
        raise InputError(msg)
    if not is_micrograph(path):
        msg = (
            f"{path} is no micrograph by its name. Expected are files that end in "
            f"{', '.join(IMAGE_SUFFIXES)} (MRC also with .gz or .bz2), or a table in "
            f"{', '.join(sorted(table_formats())) or 'no format (none is installed)'}."
        )
        raise InputError(msg)
    yield FoundMicrograph(path=path, below=Path(path.name))


def _check_readable(path: Path) -> None:
    try:
        path.stat()
    except FileNotFoundError as error:
        msg = f"{path} does not exist. Check the name; put patterns in quotes."
        raise InputError(msg) from error
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}. Check that you may read it."
        raise InputError(msg) from error


def _below(folder: Path, paths: Iterable[Path]) -> Iterator[FoundMicrograph]:
    for path in paths:
        yield FoundMicrograph(path=path, below=path.relative_to(folder))


def _is_visible(path: Path) -> bool:
    return is_micrograph(path) and not path.name.startswith(".")


def _is_inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and absolute(path).is_relative_to(folder)


def _raise(error: OSError) -> None:
    raise error
