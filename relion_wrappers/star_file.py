"""STAR files, read and written without a change to any value.

The starfile package parses and writes; this module guards it. Every value stays the
text it was, so that `12000.123456` is not rounded and `00012` keeps its zeros. What
starfile would change or drop without a word (a short row, a column that is there
twice, a comment sign or an apostrophe in a name, a file that is no STAR file at all)
is refused with the line where it stands. The tests hold that what is read and written
has the same tables, columns, rows and words in the same order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import replacing

if TYPE_CHECKING:
    import pandas as pd

    Block = pd.DataFrame | dict[str, str]
    """A table, or the values of a block without `loop_`; every value is text."""

_VERSION = re.compile(r"^\s*#\s*(version\s+\d+)\s*$", re.MULTILINE)
_QUOTED = re.compile(r'"[^"]*"|\S+')


@dataclass(frozen=True, kw_only=True, eq=False)
class StarFile:
    """What a STAR file holds.

    Attributes
    ----------
    blocks : dict[str, Block]
        Each block by its name without `data_`, in the order of the file.
    version : str
        RELION's version comment without `#`, such as "version 50001"; empty if
        there is none.
    """

    blocks: dict[str, Block]
    version: str = ""


@dataclass(kw_only=True)
class _Outline:
    """The shape of one block: what starfile must find in it."""

    name: str
    columns: list[str] = field(default_factory=list)
    is_table: bool = False
    rows: int = 0


def read_star(path: Path) -> StarFile:
    """Read a STAR file; every value is the text that stands there.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputError
        If it cannot be read, is no STAR file, or holds something that could not be
        kept as it is.
    """
    text = _text(path)
    outlines = _outline(path, text)
    if not outlines:
        msg = (
            f"{path} should be a STAR file, but no line of it begins with data_. "
            "Give the micrographs .star file of a RELION job."
        )
        raise InputError(msg)
    for outline in outlines:
        if outline.is_table and not outline.rows:
            msg = (
                f"{path}: the table data_{outline.name} has no rows. Give a file "
                "that lists at least one."
            )
            raise InputError(msg)
    version = _VERSION.search(text)
    return StarFile(
        blocks=_parsed(path, outlines), version=version.group(1) if version else ""
    )


def write_star(path: Path, star: StarFile) -> None:
    """Write a STAR file under a temporary name, then give it its own.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    star : StarFile
        What to write.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    # starfile brings pandas: half a second that a command without tables saves.
    import starfile  # noqa: PLC0415

    text = starfile.to_string(star.blocks, na_rep="nan")
    # starfile's first line names the package and the time; RELION's names the version.
    body = text.partition("\n")[2].lstrip("\n")
    head = f"# {star.version}\n\n" if star.version else "\n"
    try:
        with replacing(path) as temporary:
            temporary.write_text(head + body, encoding="utf-8")
    except OSError as error:
        msg = f"Cannot write {path}: {error.strerror or error}. Check space and rights."
        raise InputError(msg) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        msg = (
            f"{path} is not there (looked in {Path.cwd()}). RELION names files from "
            "the project folder: check the name, and start in that folder."
        )
        raise InputError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} should be a STAR file, but is no text. Give a .star file."
        raise InputError(msg) from error
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror or error}. Check its rights."
        raise InputError(msg) from error


def _outline(path: Path, text: str) -> list[_Outline]:
    """Walk through a file as starfile does, and refuse what it would lose."""
    outlines: list[_Outline] = []
    in_header = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        if line.startswith("data_"):
            outlines.append(_Outline(name=_new_name(where, line[5:], outlines)))
        elif not outlines:
            msg = (
                f"{where}: a STAR file should begin with a line data_..., but this one "
                f"begins with {line[:40]!r}. Give the .star file that RELION wrote."
            )
            raise InputError(msg)
        elif line.startswith("loop_"):
            in_header = outlines[-1].is_table = True
        elif line.startswith("_") and (in_header or not outlines[-1].is_table):
            _add_column(where, line, outlines[-1])
        else:
            in_header = False
            _add_row(where, line, outlines[-1])
    return outlines


def _new_name(where: str, name: str, outlines: list[_Outline]) -> str:
    """Name of a block that opens here.

    Raises
    ------
    InputError
        If it is no name, or an earlier block has it.
    """
    if len(name.split()) > 1:
        msg = (
            f"{where}: data_ opens a new table, but more words follow. A file name "
            "must not begin with data_ here: rename it."
        )
        raise InputError(msg)
    if any(outline.name == name for outline in outlines):
        msg = f"{where}: a second table data_{name}, where one is expected. Leave one."
        raise InputError(msg)
    return name


def _add_column(where: str, line: str, outline: _Outline) -> None:
    label = line.split(maxsplit=1)[0][1:]
    if label in outline.columns:
        msg = (
            f"{where}: column {label} is there twice in data_{outline.name}. Leave "
            "one of them, so that it is clear which counts."
        )
        raise InputError(msg)
    outline.columns.append(label)


def _add_row(where: str, line: str, outline: _Outline) -> None:
    expected = len(outline.columns)
    found = len(_QUOTED.findall(line)) if '"' in line else len(line.split())
    if not outline.is_table or found != expected:
        msg = (
            f"{where}: data_{outline.name} has {expected} columns, but this row has "
            f"{found} values. Restore the file, or make it again."
        )
        raise InputError(msg)
    if "#" in line or "'" in line:
        msg = (
            f"{where}: # and ' have a meaning of their own in STAR files, and this row "
            "has one in a value. Rename what it names."
        )
        raise InputError(msg)
    outline.rows += 1


def _parsed(path: Path, outlines: list[_Outline]) -> dict[str, Block]:
    """Let starfile read, and check that it read what is there."""
    import starfile  # noqa: PLC0415  brings pandas, see write_star

    labels = sorted({label for outline in outlines for label in outline.columns})
    try:
        blocks: dict[str, Block | None] = starfile.read(
            path, always_dict=True, parse_as_string=labels
        )
    except (ValueError, OSError) as error:
        msg = f"{path} cannot be read: {error}. Restore the file, or make it again."
        raise InputError(msg) from error
    for outline in outlines:
        block = blocks.get(outline.name)
        if block is None and not outline.columns:
            continue  # A name without content; RELION knows no such block either.
        if not _agrees(block, outline):
            msg = (
                f"{path}: data_{outline.name} should have {len(outline.columns)} "
                f"columns and {outline.rows} rows, but could not be read so. Make "
                "the file again."
            )
            raise InputError(msg)
    return {name: block for name, block in blocks.items() if block is not None}


def _agrees(block: Block | None, outline: _Outline) -> bool:
    """Whether starfile found the columns and rows that are there."""
    if block is None or list(block) != outline.columns:
        return False
    if isinstance(block, dict):
        return not outline.is_table
    return outline.is_table and len(block) == outline.rows
