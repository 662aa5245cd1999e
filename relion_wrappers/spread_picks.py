"""Picks on many micrographs in one file, such as Topaz writes, as files for RELION.

`topaz extract` writes one text file, `topaz convert` makes one STAR file of it; both
name a micrograph without its folder. RELION wants a file of coordinates for each
micrograph, which are written here; from then on they are picks like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pick_tables import micrograph_key, read_picks
from relion_wrappers.coordinates_star import COORDINATES, PickedMicrograph, PicksList
from relion_wrappers.micrographs_star import NAME
from relion_wrappers.picks_star import MERIT, X, Y
from relion_wrappers.project import output_names, project_name

if TYPE_CHECKING:
    from cryoscore_plugin.evaluation.pickers import Picks

SUFFIX = "_topazpicks.star"
"""End of the name of every file of coordinates, as RELION's own Topaz job has it."""

FOLDER = "Picked"
"""Where they are, below the folder of the job."""

_TEXT = (".txt", ".tsv", ".csv")


def holds_many(path: Path) -> bool:
    """Whether a file has the coordinates of many micrographs in one table.

    Parameters
    ----------
    path : Path
        A file of picks.

    Raises
    ------
    InputError
        If it should be a STAR file, and cannot be read.
    """
    if path.suffix.lower() != ".star":
        return path.suffix.lower() in _TEXT
    # starfile brings pandas: half a second that wrong options save.
    from relion_wrappers.star_file import read_star  # noqa: PLC0415

    # Extracted particles have their images, and need no extraction.
    return any(
        not isinstance(block, dict)
        and {NAME, X, Y} <= {*block}
        and "rlnImageName" not in block
        for block in read_star(path).blocks.values()
    )


def spread_picks(path: Path, names: Sequence[str], folder: Path) -> PicksList:
    """Write the picks of each micrograph into a file of its own.

    Parameters
    ----------
    path : Path
        The picks.
    names : Sequence[str]
        The micrographs that were picked, as their table names them.
    folder : Path
        Folder of the job.

    Returns
    -------
    picks : PicksList
        Those files, in the order of the table.

    Raises
    ------
    InputError
        If the picks cannot be read, name a micrograph that is not in the table, or
        could be of two.
    """
    picks = read_picks([path])
    _check_names(path, picks, names)
    picked = {
        name: folder / FOLDER / f"{place.with_suffix('')}{SUFFIX}"
        for name, place in zip(names, output_names(names), strict=True)
        if micrograph_key(name) in picks
    }
    for name, file in picked.items():
        _write(file, picks[micrograph_key(name)])
    below = project_name(folder)
    places = {
        name: str(below / PurePosixPath(file.relative_to(folder)))
        for name, file in picked.items()
    }
    return _listed(places)


def _check_names(path: Path, picks: dict[str, Picks], names: Sequence[str]) -> None:
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(micrograph_key(name), []).append(name)
    for key in picks:
        alike = by_key.get(key, [])
        if len(alike) != 1:
            found = " and ".join(alike) if alike else "none"
            msg = (
                f"{path} has picks on {key}, of which the table given by --in_mics "
                f"should list one micrograph, but it lists {found}. Give the table that "
                "was picked, and rename micrographs that share a name."
            )
            raise InputError(msg)


def _write(file: Path, picks: Picks) -> None:
    import pandas as pd  # noqa: PLC0415  as above

    from relion_wrappers.star_file import StarFile, write_star  # noqa: PLC0415

    columns = {
        X: [f"{x:.6f}" for x in picks.centers_yx[:, 1]],
        Y: [f"{y:.6f}" for y in picks.centers_yx[:, 0]],
        MERIT: [f"{score:.6f}" for score in picks.scores],
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Cannot make {file.parent}: {error.strerror}. Check space and rights."
        raise InputError(msg) from error
    write_star(file, StarFile(blocks={"": pd.DataFrame(columns)}))


def _listed(places: dict[str, str]) -> PicksList:
    """A list in the manner of RELION 4 and 5."""
    import pandas as pd  # noqa: PLC0415  as above

    from relion_wrappers.star_file import StarFile  # noqa: PLC0415

    table = pd.DataFrame({NAME: [*places], COORDINATES: [*places.values()]})
    return PicksList(
        star=StarFile(blocks={"coordinate_files": table}),
        block="coordinate_files",
        table=table,
        micrographs=tuple(
            PickedMicrograph(name=name, coordinates=place)
            for name, place in places.items()
        ),
    )
