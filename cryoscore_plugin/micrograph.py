"""A micrograph in memory: its pixels, and what they mean on the specimen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.optics import Optics


@dataclass(frozen=True, kw_only=True, eq=False)
class Micrograph:
    """One image of the specimen.

    Attributes
    ----------
    pixels : Image
        Grey values in the units of the file; protein is dark in most files.
    pixel_size : float
        Side of a pixel on the specimen, in Å/px.
    origin : tuple[float, float, float]
        Origin of the image in the file's own coordinates `(x, y, z)`, in Å; kept
        so that an output lies where its input lay.
    start : tuple[int, int, int]
        Number of the first column, row and section in the file's own grid
        (`nxstart` and its like), in px; kept for the same reason.
    axes : tuple[int, int, int]
        Axes of the specimen, 1 for x to 3 for z, along which columns, rows and
        sections run (`mapc` and its like).
    source : Path or None
        The file it was read from, for messages.
    optics : Optics or None
        How it was taken, where a table says.

    Raises
    ------
    MicrographError
        If a pixel is not finite, the image is empty, or the pixel size is not
        a positive number.
    """

    pixels: Image
    pixel_size: float
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    start: tuple[int, int, int] = (0, 0, 0)
    axes: tuple[int, int, int] = (1, 2, 3)
    source: Path | None = None
    optics: Optics | None = None

    def __post_init__(self) -> None:
        name = self.source or "This micrograph"
        if self.pixels.size == 0:
            msg = f"{name} has no pixels. Check that it was written completely."
            raise MicrographError(msg)
        if not np.isfinite(self.pixel_size) or self.pixel_size <= 0:
            msg = (
                f"{name}: the pixel size must be a positive number of Å/px, but is "
                f"{self.pixel_size}. Give the right one with --pixel-size."
            )
            raise MicrographError(msg)
        if not np.isfinite(self.pixels).all():
            bad = int((~np.isfinite(self.pixels)).sum())
            msg = (
                f"{name}: {bad} of {self.pixels.size} pixels are NaN or infinite. "
                "Make this micrograph again from its movie, or leave it out."
            )
            raise MicrographError(msg)
