"""Picks in the manner of RELION 4 and 5: a table of files of coordinates.

`autopick.star` and `manualpick.star` name, for each micrograph, the file that has its
coordinates. Extract takes a row if its micrograph is, letter for letter, one of those
that it was given. The coordinates are in px of the picked micrograph and name none, so
that their files stay as they are if the raw micrograph has the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from relion_wrappers.micrographs_star import NAME, REASON, plain_text

if TYPE_CHECKING:
    import pandas as pd

    from relion_wrappers.star_file import StarFile

COORDINATES = "rlnMicrographCoordinates"
"""Label of the file of coordinates."""


@dataclass(frozen=True, kw_only=True)
class PickedMicrograph:
    """Picks on one micrograph.

    Attributes
    ----------
    name : str
        The micrograph, as the picks name it; empty if no micrograph is known for the
        file of coordinates.
    coordinates : str
        File of the coordinates, relative to the project.
    """

    name: str
    coordinates: str


@dataclass(frozen=True, kw_only=True, eq=False)
class PicksList:
    """Picks on many micrographs, in the manner of RELION 4 and 5.

    Attributes
    ----------
    star : StarFile
        All that is in the file.
    block : str
        Name of the table of picks.
    table : pd.DataFrame
        That table; every value is text.
    micrographs : tuple[PickedMicrograph, ...]
        In the order of the file.
    """

    star: StarFile
    block: str
    table: pd.DataFrame
    micrographs: tuple[PickedMicrograph, ...]


def read_list(path: str) -> PicksList:
    """Picks of a table in the manner of RELION 4 and 5.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    InputError
        If it cannot be read, or is no such table.
    """
    # starfile brings pandas: half a second that wrong options save.
    from relion_wrappers.star_file import read_star  # noqa: PLC0415

    star = read_star(Path(path))
    for name, block in star.blocks.items():
        if NAME in block and COORDINATES in block and not isinstance(block, dict):
            rows = zip(block[NAME], block[COORDINATES], strict=True)
            found = [PickedMicrograph(name=n, coordinates=c) for n, c in rows]
            return PicksList(
                star=star, block=name, table=block, micrographs=tuple(found)
            )
    raise InputError(_no_list(path, star))


def restored_list(
    picks: PicksList, raw_names: Mapping[str, str], moved: Mapping[str, str]
) -> StarFile:
    """A table in the manner of RELION 4 and 5 that names raw micrographs.

    Parameters
    ----------
    picks : PicksList
        Picks on denoised micrographs.
    raw_names : Mapping[str, str]
        Raw name by the name in the picks. Rows without one are left out.
    moved : Mapping[str, str]
        Another file of coordinates by the name in the picks, where there is one.
    """
    from relion_wrappers.star_file import StarFile  # noqa: PLC0415  as above

    rows = picks.table[picks.table[NAME].isin(list(raw_names))]
    places = [
        moved.get(name, place)
        for name, place in zip(rows[NAME], rows[COORDINATES], strict=True)
    ]
    raw = [raw_names[name] for name in rows[NAME]]
    rows = rows.assign(**{NAME: raw, COORDINATES: places})
    # RELION looks at the first table only, whatever its name.
    blocks = {picks.block: rows} | picks.star.blocks | {picks.block: rows}
    return StarFile(blocks=blocks, version=picks.star.version)


def failed_list(failures: Sequence[tuple[PickedMicrograph, str]]) -> StarFile:
    """A table of picks that could not be restored, with the reason of each.

    Parameters
    ----------
    failures : Sequence[tuple[PickedMicrograph, str]]
        The picks of each micrograph, and why they failed.
    """
    import pandas as pd  # noqa: PLC0415  as above

    from relion_wrappers.star_file import StarFile  # noqa: PLC0415  as above

    rows = [
        {NAME: p.name, COORDINATES: p.coordinates, REASON: plain_text(reason)}
        for p, reason in failures
    ]
    return StarFile(blocks={"coordinate_files": pd.DataFrame(rows)})


def _no_list(path: str, star: StarFile) -> str:
    """What is wrong with a STAR file that should be a list of picks."""
    labels = {str(label) for block in star.blocks.values() for label in block}
    if "rlnImageName" in labels:
        found = "lists extracted particles"
    elif "rlnCoordinateX" in labels:
        found = "has the coordinates of one micrograph"
    elif NAME in labels:
        found = "lists micrographs without their picks"
    else:
        found = f"has {', '.join(sorted(labels)) or 'nothing'}"
    return (
        f"{path} should list the micrographs and their files of coordinates ({NAME} "
        f"and {COORDINATES}), but {found}. Give "
        "autopick.star or manualpick.star of a picking job of RELION 4 or 5, or "
        "coords_suffix_*.star of RELION 3.1."
    )
