"""Write micrographs under a temporary name, then rename.

An output has the pixel size, origin and place of its input, statistics of its own
pixels, and our labels. It has no time stamp: the same pixels give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.files import replacing
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc.header import (
    HEADER_BYTES,
    MrcHeader,
    Statistics,
    make_header,
)

LARGEST_FLOAT16 = 65504.0


def write_micrograph(
    path: str | Path,
    micrograph: Micrograph,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    labels: Sequence[str] = (),
) -> None:
    """Write one image as an MRC file.

    Parameters
    ----------
    path : str or Path
        The file; its folder exists. An earlier file of this name is replaced.
    micrograph : Micrograph
        Pixels, pixel size and place.
    dtype : {"float32", "float16"}
        Type of the pixels in the file, MRC mode 2 or 12.
    labels : Sequence[str]
        Lines of text for the header: at most 10, of at most 80 ASCII characters.

    Raises
    ------
    MicrographError
        If a grey value is too large for float16.
    OSError
        If the file cannot be written; the temporary file is then removed.
    """
    write_stack(Path(path), [micrograph], dtype=dtype, labels=labels)


def write_stack(
    path: Path,
    micrographs: Iterable[Micrograph],
    *,
    dtype: Literal["float32", "float16"] = "float32",
    labels: Sequence[str] = (),
) -> None:
    """Write images of one size as an MRC file, each as soon as it comes.

    Parameters
    ----------
    path, dtype, labels
        As for `write_micrograph`.
    micrographs : Iterable[Micrograph]
        At least one; the place in the header is that of the first.

    Raises
    ------
    MicrographError
        If the images differ in size, or a grey value is too large for float16.
    OSError
        If the file cannot be written; the temporary file is then removed.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        _write_images(file, path, micrographs, (dtype, tuple(labels)))


def _write_images(
    file: IO[bytes],
    path: Path,
    micrographs: Iterable[Micrograph],
    form: tuple[str, tuple[str, ...]],
) -> None:
    """Write room for the header, the pixels, and then the header."""
    dtype = np.dtype(form[0]).newbyteorder("<")
    file.write(bytes(HEADER_BYTES))
    first: Micrograph | None = None
    parts: list[Statistics] = []
    sections = 0
    for micrograph in micrographs:
        first = first or micrograph
        _refuse_other_size(micrograph, first, path)
        _refuse_overflow(micrograph, dtype, path)
        for rows in np.array_split(micrograph.pixels, _blocks(micrograph.pixels)):
            stored = np.ascontiguousarray(rows, dtype=dtype)
            file.write(stored.data)
            parts.append(Statistics.of(stored))
        sections += 1
    if first is None:
        msg = f"{path}: there is no image to write."
        raise MicrographError(msg)
    header = MrcHeader(
        shape=(sections, *first.pixels.shape),
        dtype=dtype,
        voxel_size=None,
        origin=first.origin,
        start=first.start,
        axes=first.axes,
        labels=form[1],
        data_offset=HEADER_BYTES,
    )
    file.seek(0)
    file.write(
        make_header(header, Statistics.joined(parts), pixel_size=first.pixel_size)
    )


def _blocks(pixels: Image) -> int:
    """Into how many blocks of rows an image is cut, about 1 million px each.

    Statistics in double precision then take little memory.
    """
    return math.ceil(pixels.size / 2**20)


def _refuse_other_size(micrograph: Micrograph, first: Micrograph, path: Path) -> None:
    if micrograph.pixels.shape != first.pixels.shape:
        msg = (
            f"{path}: all images of a stack must have one size, but after "
            f"{first.pixels.shape} came {micrograph.pixels.shape} px."
        )
        raise MicrographError(msg)


def _refuse_overflow(
    micrograph: Micrograph, dtype: np.dtype[np.generic], path: Path
) -> None:
    if dtype.itemsize > 2:
        return
    extreme = float(np.abs(micrograph.pixels).max())
    if extreme > LARGEST_FLOAT16:
        msg = (
            f"{path}: float16 holds grey values up to {LARGEST_FLOAT16:.0f}, but there "
            f"is one of {extreme:g}. Use --output-dtype float32."
        )
        raise MicrographError(msg)
