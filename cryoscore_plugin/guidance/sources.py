"""Make views of what a user has: an atomic model, a map, or class averages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryoscore_plugin.density.atomic_model import read_atomic_model
from cryoscore_plugin.density.particle import is_atomic_model
from cryoscore_plugin.guidance.view_making import (
    even_rotations,
    views_of_averages,
    views_of_map,
    views_of_model,
)
from cryoscore_plugin.guidance.views import Views
from cryoscore_plugin.mrc import iterate_stack, read_volume

Kind = Literal["atomic model", "map", "class averages"]


@dataclass(frozen=True, kw_only=True)
class ViewSettings:
    """How views are made.

    Attributes
    ----------
    resolution : float
        Finest detail kept, in Å.
    count : int
        Orientations; of class averages, turns in the plane for all together.
    pixel_size : float or None
        Of a map or of averages in Å/px; None takes what the file says.
    invert : bool
        Whether a map or averages show protein dark.
    """

    resolution: float
    count: int
    pixel_size: float | None = None
    invert: bool = False


def kind_of(path: Path) -> Kind:
    """What a file is by its name: what is neither model nor stack is a map."""
    if is_atomic_model(path):
        return "atomic model"
    suffixes = {suffix.lower() for suffix in path.suffixes}
    return "class averages" if ".mrcs" in suffixes else "map"


def read_views(path: Path, settings: ViewSettings) -> Views:
    """Make views of a file.

    Parameters
    ----------
    path : Path
        An atomic model, a map in MRC, or class averages in a stack.
    settings : ViewSettings
        How.

    Raises
    ------
    InputError
        If it cannot be read, or is of no use as a reference.
    """
    resolution, sign = settings.resolution, -1 if settings.invert else 1
    match kind_of(path):
        case "atomic model":
            turns = even_rotations(settings.count)
            return views_of_model(read_atomic_model(path), turns, resolution=resolution)
        case "map":
            density, size = read_volume(path, pixel_size=settings.pixel_size)
            return views_of_map(
                sign * density,
                even_rotations(settings.count),
                pixel_size=size,
                resolution=resolution,
            )
        case _:
            images = list(iterate_stack(path, pixel_size=settings.pixel_size))
            return views_of_averages(
                [sign * image.pixels for image in images],
                turns=max(1, settings.count // len(images)),
                pixel_size=images[0].pixel_size,
                resolution=resolution,
            )
