"""Picks in the manner of RELION 3.1: a folder of files of coordinates.

The name and the place of `coords_suffix_autopick.star` are what counts: the coordinates
of `X/jobNNN/Movies/a.mrc` are in `Movies/a_autopick.star` below the same folder. Its
only line says what was picked, a table of micrographs or a pattern such as
`Micrographs/*.mrc`, from which RELION shows the picks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import replacing
from relion_wrappers.coordinates_star import PickedMicrograph
from relion_wrappers.pick_checks import UNSCALED, Scale
from relion_wrappers.project import micrograph_key
from relion_wrappers.scaled_coordinates import write_scaled

_NAME = "coords_suffix"
"""What the file's name begins with; the rest ends the name of every other one."""


@dataclass(frozen=True, kw_only=True)
class PicksFolder:
    """Picks on many micrographs, in the manner of RELION 3.1.

    Attributes
    ----------
    suffix : str
        End of the name of every file of coordinates, such as `_autopick.star`.
    picked : str
        What was picked: a table of micrographs, or a pattern of files.
    micrographs : tuple[PickedMicrograph, ...]
        In the order of the names of their files of coordinates.
    """

    suffix: str
    picked: str
    micrographs: tuple[PickedMicrograph, ...]


def is_suffix_file(path: str) -> bool:
    """Whether RELION takes this for a file in the manner of RELION 3.1.

    Parameters
    ----------
    path : str
        List of picks, as RELION wrote it.
    """
    return Path(path).name.startswith(_NAME)


def suffix_name(suffix: str) -> str:
    """Name of the file in the manner of RELION 3.1 for files of this suffix.

    Parameters
    ----------
    suffix : str
        Such as `_autopick.star`.
    """
    return f"{_NAME}{suffix}"


def picked_micrographs(path: str) -> str:
    """What a file in the manner of RELION 3.1 says was picked.

    Parameters
    ----------
    path : str
        The file `coords_suffix_*.star`.

    Returns
    -------
    picked : str
        A table of micrographs, or a pattern of files.

    Raises
    ------
    InputError
        If the file cannot be read or says nothing.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        msg = (
            f"Cannot read the picks {path}: {reason}. Give the coords_suffix_*.star of "
            "a picking job."
        )
        raise InputError(msg) from error
    line = next((line.strip() for line in lines if line.strip()), "")
    if not line or line.startswith(("#", "data_")):
        msg = (
            f"{path} should have one line, the micrographs that were picked, but has "
            f"{line[:40]!r}. Run the picking job again, or write the name of its "
            "micrographs .star file into it."
        )
        raise InputError(msg)
    return line


def find_coordinates(path: str, picked: str, names: Iterable[str]) -> PicksFolder:
    """Picks in the manner of RELION 3.1: the files beside `coords_suffix_*.star`.

    Parameters
    ----------
    path : str
        The file `coords_suffix_*.star`.
    picked : str
        What it says was picked.
    names : Iterable[str]
        Micrographs that may have been picked; of two with one key, the first counts.

    Raises
    ------
    InputError
        If there is no file of coordinates.
    """
    suffix = Path(path).name.removeprefix(_NAME)
    folder = Path(path).parent
    files = sorted(
        file for file in folder.rglob(f"?*{suffix}") if file.name != Path(path).name
    )
    if not files:
        msg = (
            f"{folder} should have files of coordinates that end in {suffix}, but has "
            "none. Pick first, and give the coords_suffix file of that job."
        )
        raise InputError(msg)
    name_of: dict[str, str] = {}
    for name in names:
        name_of.setdefault(f"{micrograph_key(name)}{suffix}", name)
    return PicksFolder(
        suffix=suffix,
        picked=picked,
        micrographs=tuple(
            PickedMicrograph(
                name=name_of.get(file.relative_to(folder).as_posix(), ""),
                coordinates=file.as_posix(),
            )
            for file in files
        ),
    )


def copy_coordinates(source: Path, target: Path, scale: Scale = UNSCALED) -> bool:
    """Copy a file of coordinates, unless the copy was edited since.

    Parameters
    ----------
    source : Path
        The file of the picking job.
    target : Path
        Where to copy it; folders are made.
    scale : Scale
        By which its coordinates are multiplied.

    Returns
    -------
    copied : bool
        False if `target` is there and newer than `source`: RELION 3.1 saves picks
        that are changed by hand into the folder from which they are shown.

    Raises
    ------
    InputError
        If it cannot be read or written, or has no coordinates to scale.
    """
    try:
        # The copy has the time of its source, so that a newer one was changed.
        if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            if scale == UNSCALED:
                shutil.copy2(source, temporary)
            else:
                write_scaled(source, temporary, scale)
                shutil.copystat(source, temporary)
    except OSError as error:
        msg = (
            f"Cannot copy {source} to {target}: {error.strerror or error}. Check space "
            "and rights."
        )
        raise InputError(msg) from error
    return True


def write_suffix_file(path: Path, picked: str) -> None:
    """Write `coords_suffix_*.star` under a temporary name, then give it its own.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    picked : str
        The micrographs on which RELION shows the picks.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(f"{picked}\n", encoding="utf-8")
    except OSError as error:
        msg = f"Cannot write {path}: {error.strerror or error}. Check space and rights."
        raise InputError(msg) from error
