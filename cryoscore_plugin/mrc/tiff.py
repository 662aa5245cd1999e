"""Read a micrograph from a TIFF file (extra `tiff`: tifffile, imagecodecs).

The first row of a TIFF file is the top of the picture, and that of an MRC file the
bottom. Rows are therefore turned round, as IMOD's `tif2mrc` does: what is up in a
viewer of TIFF files is up in a viewer of the output.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.errors import MicrographError

SENSIBLE_PIXEL_SIZES = (0.01, 100.0)
"""In Å/px. Most programs leave 72 dots per inch, which would be 3.5 million."""

ANGSTROMS_PER_UNIT = {2: 2.54e8, 3: 1e8}
"""TIFF's ResolutionUnit: inch and centimetre."""


def read_tiff(path: Path) -> tuple[Image, float | None]:
    """Read the only image of a TIFF file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pixels : Image
        Grey values, bottom row first.
    pixel_size : float or None
        In Å/px, from the resolution tags; None where they make no sense.

    Raises
    ------
    MicrographError
        If the file cannot be read, holds several images or colours, or if
        tifffile is not installed.
    """
    try:
        import tifffile  # noqa: PLC0415  an extra
    except ImportError as error:
        msg = (
            f"{path} is a TIFF file, which needs the extra packages tifffile and "
            "imagecodecs. Type: pip install 'cryoscore[tiff]'."
        )
        raise MicrographError(msg) from error
    try:
        with tifffile.TiffFile(path) as file:
            pages = len(file.pages)
            page = file.pages.first
            array = page.asarray() if pages == 1 else None
            tags = {tag.name: tag.value for tag in page.tags}
    except (
        # What tifffile and its decoders raise for damaged files.
        *(tifffile.TiffFileError, ValueError, LookupError, TypeError),
        *(RuntimeError, OSError, struct.error, MemoryError),
    ) as error:
        msg = f"{path} cannot be read as TIFF: {error}. Make it again, or leave it out."
        raise MicrographError(msg) from error
    if array is None:
        msg = (
            f"{path} holds {pages} images, so it is a movie or a stack; a micrograph "
            "is one image. Movies must be motion-corrected first."
        )
        raise MicrographError(msg)
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        msg = (
            f"{path} is not a grey image (shape {array.shape}, {array.dtype}). Give a "
            "micrograph with one grey value a pixel."
        )
        raise MicrographError(msg)
    return np.ascontiguousarray(array[::-1], dtype=np.float32), _pixel_size(tags)


def _pixel_size(tags: dict[str, object]) -> float | None:
    """Pixel size in Å/px that the resolution tags mean, if they mean one."""
    resolution = tags.get("XResolution")
    unit = ANGSTROMS_PER_UNIT.get(int(tags.get("ResolutionUnit", 2)))  # type: ignore[call-overload]
    if unit is None or not isinstance(resolution, tuple) or 0 in resolution:
        return None
    pixel_size: float = unit * resolution[1] / resolution[0]
    smallest, largest = SENSIBLE_PIXEL_SIZES
    return pixel_size if smallest <= pixel_size <= largest else None
