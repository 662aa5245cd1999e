"""The pixel size of each micrograph of a table in Å/px, and how it was taken.

RELION 3.1 and later give the pixel size for the optics group that a row belongs to.
RELION 3.0 gives, in the row itself, the pixel of the detector in µm and the
magnification. The same holds for voltage, aberration and amplitude contrast; the
defocus is always in the row.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.optics import Optics

if TYPE_CHECKING:
    import pandas as pd

    from relion_wrappers.star_file import StarFile

_ANGSTROM_PER_MICROMETRE = 1e4

_OPTICS = {
    "defocus_u": "rlnDefocusU",
    "defocus_v": "rlnDefocusV",
    "defocus_angle": "rlnDefocusAngle",
    "voltage": "rlnVoltage",
    "spherical_aberration": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}
"""Label of each number that the transfer function needs."""

_PHASE_SHIFT = "rlnPhaseShift"
"""Only where a phase plate was used."""


def pixel_sizes(
    path: Path, star: StarFile, table: pd.DataFrame
) -> tuple[float | None, ...]:
    """Pixel size of each micrograph in Å/px; None where the file does not say.

    Parameters
    ----------
    path : Path
        The file, for messages.
    star : StarFile
        All that is in it.
    table : pd.DataFrame
        Its table of micrographs.

    Raises
    ------
    InputError
        If a pixel size is no positive number, or an optics group is not listed.
    """
    optics = star.blocks.get("optics")
    if optics is not None:
        groups = optics if not isinstance(optics, dict) else _one_row(optics)
        return _by_optics_group(path, groups, table)
    needed = ("rlnDetectorPixelSize", "rlnMagnification")
    if not all(label in table for label in needed):
        return (None,) * len(table)
    return tuple(
        _ANGSTROM_PER_MICROMETRE
        * _positive(path, needed[0], detector)
        / _positive(path, needed[1], magnification)
        for detector, magnification in zip(*(table[k] for k in needed), strict=True)
    )


def micrograph_optics(star: StarFile, table: pd.DataFrame) -> tuple[Optics | None, ...]:
    """How each micrograph was taken; None where the file does not say all of it.

    Parameters
    ----------
    star : StarFile
        All that is in the file.
    table : pd.DataFrame
        Its table of micrographs.
    """
    block = star.blocks.get("optics")
    groups = _one_row(block) if isinstance(block, dict) else block
    shared = [] if groups is None else groups.to_dict("records")
    by_group = {str(row.get("rlnOpticsGroup")): row for row in shared}
    return tuple(
        _optics({**by_group.get(str(row.get("rlnOpticsGroup")), {}), **row})
        for row in table.to_dict("records")
    )


def _optics(row: Mapping[Hashable, object]) -> Optics | None:
    """How one micrograph was taken, by its own labels and those of its group."""
    try:
        numbers = {name: float(str(row[label])) for name, label in _OPTICS.items()}
        phase_shift = float(str(row.get(_PHASE_SHIFT, 0.0)))
    except (KeyError, ValueError):
        return None
    if not all(map(math.isfinite, (*numbers.values(), phase_shift))):
        return None
    return Optics(**numbers, phase_shift=phase_shift)


def _one_row(block: dict[str, str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  loaded by starfile already

    return pd.DataFrame([block])


def _by_optics_group(
    path: Path, groups: pd.DataFrame, table: pd.DataFrame
) -> tuple[float | None, ...]:
    """Pixel size of each row by its optics group.

    Raises
    ------
    InputError
        If a group is not in `data_optics`, or a column that says so is missing.
    """
    for name, block in (("optics", groups), ("micrographs", table)):
        if "rlnOpticsGroup" not in block:
            msg = (
                f"{path}: the table data_{name} should have the column rlnOpticsGroup, "
                "but has not. Make the file again."
            )
            raise InputError(msg)
    if "rlnMicrographPixelSize" not in groups:
        return (None,) * len(table)
    size_of = {
        str(group): _positive(path, "rlnMicrographPixelSize", size)
        for group, size in zip(
            groups["rlnOpticsGroup"], groups["rlnMicrographPixelSize"], strict=True
        )
    }
    unknown = sorted(set(map(str, table["rlnOpticsGroup"])) - set(size_of))
    if unknown:
        msg = (
            f"{path}: data_optics lists the optics groups {', '.join(size_of)}, but a "
            f"micrograph is of group {unknown[0]}. Add its row to data_optics."
        )
        raise InputError(msg)
    return tuple(size_of[str(group)] for group in table["rlnOpticsGroup"])


def _positive(path: Path, label: str, text: object) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value > 0:
        return value
    msg = (
        f"{path}: {label} should be a positive number, but is {text!r}. Correct it, or "
        "run the job that wrote the file again with the right value."
    )
    raise InputError(msg)
