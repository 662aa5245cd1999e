"""Files that are there whole or not at all.

What is written goes to a temporary name in the same folder, and takes its place when it
is complete. The temporary name tells the process and its computer, because two computers
that share a folder may have processes of one number; so what a killed run left can be
told from what is being written.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryoscore_plugin.errors import InputError

_DAY = 86400.0
"""In s; nobody writes at one file for so long."""


def absolute(path: Path) -> Path:
    """A path from the root without `..`; links keep their own names."""
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve would follow links


def name_from(root: Path, path: Path) -> str:
    """A file as a table names it from a folder; absolute, if it lies elsewhere."""
    whole, start = absolute(path), absolute(root)
    return str(whole.relative_to(start) if whole.is_relative_to(start) else whole)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name for a file, which gets its own name at the end.

    Parameters
    ----------
    path : Path
        The file; its folder exists. An earlier file of this name is replaced. If
        anything fails it stays as it is, and the temporary file is removed.
    """
    owner = f"{os.getpid()}@{socket.gethostname()}"
    temporary = path.with_name(f".{path.name}.{owner}.part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_new_folder(folder: Path) -> None:
    """Make a folder for outputs; one that is there must be empty.

    Raises
    ------
    InputError
        If it holds anything, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        msg = f"Cannot write to {folder}: {error}. Name another --output."
        raise InputError(msg) from error
    if full:
        msg = (
            f"{folder} should be a new or empty folder, but holds files. Name another "
            "one with --output, or remove it."
        )
        raise InputError(msg)


def make_output_folder(output: Path) -> None:
    """Make the output folder; try to write in it before hours of computing.

    Parameters
    ----------
    output : Path
        Folder of the outputs.

    Raises
    ------
    InputError
        If it cannot be made or written in.
    """
    trial = output / f".cryoscore.{os.getpid()}.part"
    try:
        output.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        msg = (
            f"Cannot write in the folder {output}: {error.strerror}. Give another one "
            "with --output."
        )
        raise InputError(msg) from error


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove temporary files that a killed run left beside its outputs.

    Parameters
    ----------
    paths : Iterable[Path]
        The outputs. A temporary file of a process that still runs is kept; that of
        another computer for a day, because it cannot be asked.
    """
    names_by_folder: dict[Path, set[str]] = {}
    for path in paths:
        names_by_folder.setdefault(path.parent, set()).add(path.name)
    for folder, names in names_by_folder.items():
        for found in folder.glob(".*.part"):
            match = re.fullmatch(r"\.(.+)\.(\d+)@(.+)\.part", found.name)
            if match and match[1] in names and _is_left(found, match):
                found.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether a process of this number runs on this computer."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_left(path: Path, name: re.Match[str]) -> bool:
    """Whether the process that writes a temporary file has gone."""
    if name[3] == socket.gethostname():
        process = int(name[2])
        # What bears our own number is of an earlier process: we have not begun.
        return process == os.getpid() or not is_running(process)
    try:
        return time.time() - path.stat().st_mtime > _DAY
    except OSError:
        return False  # It was renamed in this moment.
