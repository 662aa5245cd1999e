"""The folder that `cryoscore evaluate spike-in` makes and `spiked` reads."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.cli.records import MICROGRAPH, Row
from cryoscore_plugin.errors import InputError

if TYPE_CHECKING:
    from cryoscore_plugin.evaluation.spike_in import Place
    from cryoscore_plugin.optics import Optics

IMAGES, PLACES = "Micrographs", "places.csv"
"""What the folder holds: micrographs with particles, and where they are."""

NUMBERS = ("x", "y", "snr", "rot", "tilt", "psi", "view", "defocus")
"""Columns of the table of places beside the name of the micrograph."""


def name_of(image: Path, folder: Path) -> str:
    """How the tables call an image: its place in the folder, without ending.

    With its sub-folders: two days may have micrographs of one name.
    """
    return str(image.relative_to(folder).with_suffix(""))


def image_of(folder: Path, name: str) -> Path:
    """The image of that name in a folder of results.

    Raises
    ------
    InputError
        If there is none.
    """
    for suffix in (".mrc", ".tif", ".tiff"):
        if (folder / f"{name}{suffix}").exists():
            return folder / f"{name}{suffix}"
    msg = f"{folder} should hold {name}.mrc, but does not. Denoise all micrographs."
    raise InputError(msg)


def place_row(micrograph: str, place: Place, optics: Optics) -> Row:
    """A line of the table of places."""
    rot, tilt, psi = place.angles
    return {
        MICROGRAPH: micrograph,
        "x": place.x,
        "y": place.y,
        "snr": place.ratio,
        "rot": rot,
        "tilt": tilt,
        "psi": psi,
        "view": place.view,
        "defocus": (optics.defocus_u + optics.defocus_v) / 2,
    }


def read_places(path: Path) -> dict[str, list[dict[str, float]]]:
    """The table of places, by micrograph.

    Raises
    ------
    InputError
        If it is not there or is something else.
    """
    places: dict[str, list[dict[str, float]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = row.pop(MICROGRAPH)
                numbers = {key: float(row[key]) for key in NUMBERS}
                places.setdefault(name, []).append(numbers)
    except (OSError, KeyError, ValueError, TypeError) as error:
        msg = (
            f"{path.parent} should be a folder that `cryoscore evaluate spike-in` made, "
            f"but its {path.name} cannot be read: {error}."
        )
        raise InputError(msg) from error
    return places
