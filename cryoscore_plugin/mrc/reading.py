"""Read micrographs, and refuse in one sentence what is none.

Truncated, empty, text and zero-size files, volumes, and files without a pixel size
are errors; none is guessed at.
"""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import numpy as np

from cryoscore_plugin.arrays import Image, Volume
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc.header import HEADER_BYTES, MrcHeader, parse_header
from cryoscore_plugin.mrc.tiff import read_tiff

Stream = BufferedReader | gzip.GzipFile | bz2.BZ2File

TIFF_SUFFIXES = (".tif", ".tiff")

NO_PIXEL_SIZE = (
    "{path} does not say its pixel size, and no table does. Give it with "
    "--pixel-size, in Å/px."
)


def read_micrograph(path: str | Path, *, pixel_size: float | None = None) -> Micrograph:
    """Read one image from an MRC file (also .gz and .bz2) or a TIFF file.

    Parameters
    ----------
    path : str or Path
        The file.
    pixel_size : float or None
        In Å/px; counts more than the header. None takes the header's.

    Raises
    ------
    MicrographError
        If the file cannot be read or is damaged, is no image or more than one,
        has pixels that are not finite, or no pixel size is known.
    """
    path = Path(path)
    if is_tiff(path):
        pixels, header_size = read_tiff(path)
        if (size := pixel_size or header_size) is None:
            raise MicrographError(NO_PIXEL_SIZE.format(path=path))
        return Micrograph(pixels=pixels, pixel_size=size, source=path)
    header = read_header(path)
    if header.shape[0] > 1:
        msg = (
            f"{path} holds {header.shape[0]} images: it is a volume or a movie or a "
            "stack, and micrographs are 2D. Rename a stack of micrographs to .mrcs; "
            "movies must be motion-corrected first."
        )
        raise MicrographError(msg)
    return next(iterate_stack(path, pixel_size=pixel_size))


def read_stack(path: Path, *, pixel_size: float | None = None) -> list[Micrograph]:
    """Read all images of a stack; `iterate_stack` takes less memory.

    Parameters
    ----------
    path, pixel_size
        As for `read_micrograph`.

    Raises
    ------
    MicrographError
        As for `read_micrograph`.
    """
    return list(iterate_stack(path, pixel_size=pixel_size))


def iterate_stack(
    path: Path, *, pixel_size: float | None = None
) -> Iterator[Micrograph]:
    """Read the images of a stack one after the other.

    Parameters
    ----------
    path, pixel_size
        As for `read_micrograph`.

    Raises
    ------
    MicrographError
        As for `read_micrograph`; for a truncated stack at the image it breaks in.
    """
    with _opened(path) as stream:
        header = parse_header(stream.read(HEADER_BYTES), path)
        size = _pixel_size(header, pixel_size, path)
        _skip(stream, header.data_offset - HEADER_BYTES)
        for number in range(header.shape[0]):
            yield Micrograph(
                pixels=_read_image(stream, header, number, path),
                pixel_size=size,
                origin=header.origin,
                start=header.start,
                axes=header.axes,
                source=path,
            )


def read_volume(path: Path, *, pixel_size: float | None = None) -> tuple[Volume, float]:
    """Read a density map: all sections of an MRC file, and the voxel size in Å.

    Parameters
    ----------
    path : Path
        The file (also .gz and .bz2). Axes are taken as they are stored.
    pixel_size : float or None
        Side of a voxel in Å; counts more than the header. None takes the header's.

    Raises
    ------
    MicrographError
        As for `read_micrograph`.
    """
    sections = list(iterate_stack(path, pixel_size=pixel_size))
    return np.stack([section.pixels for section in sections]), sections[0].pixel_size


def is_tiff(path: Path) -> bool:
    """Whether a file is TIFF by its name; it then has no MRC header."""
    return path.suffix.lower() in TIFF_SUFFIXES


def read_header(path: Path) -> MrcHeader:
    """Read the header of an MRC file alone.

    Raises
    ------
    MicrographError
        If the file cannot be read or has no sensible header.
    """
    with _opened(path) as stream:
        return parse_header(stream.read(HEADER_BYTES), path)


def read_labels(path: Path) -> list[str]:
    """Text lines in the header of an MRC file.

    Raises
    ------
    MicrographError
        If the file cannot be read or has no sensible header.
    """
    return list(read_header(path).labels)


@contextmanager
def _opened(path: Path) -> Iterator[Stream]:
    """The content of a file, uncompressed; errors in reading are told as ours."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(2)
            raw.seek(0)
            if magic == b"\x1f\x8b":
                yield gzip.GzipFile(fileobj=raw)
            elif magic == b"BZ":
                yield bz2.BZ2File(raw)
            else:
                yield raw
    except FileNotFoundError as error:
        msg = f"{path} does not exist. Check the name, or remove it from the table."
        raise MicrographError(msg) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        msg = (
            f"{path} is damaged: {error}. It was probably not written or copied "
            "completely; make or copy it again."
        )
        raise MicrographError(msg) from error
    except OSError as error:
        msg = (
            f"{path} cannot be read: {error.strerror or error}. Check that it is a "
            "file, complete, and that you may read it."
        )
        raise MicrographError(msg) from error


def _skip(stream: Stream, count: int) -> None:
    """Pass over an extended header."""
    if count:
        stream.seek(count, os.SEEK_CUR)


def _read_image(stream: Stream, header: MrcHeader, number: int, path: Path) -> Image:
    """The next image of a file, as native float32."""
    _, h, w = header.shape
    got = 0
    try:
        stored = np.empty((h, w), header.dtype)
        room = stored.view(np.uint8).reshape(-1).data
        while part := stream.readinto(room[got:]):
            got += part
    except (MemoryError, ValueError):
        pass  # A damaged header can promise terabytes; the message below says so.
    if got < (wanted := h * w * header.dtype.itemsize):
        msg = (
            f"{path} is truncated: image {number + 1} of {header.shape[0]} "
            f"({w} x {h} px) should have {wanted} bytes, but only {got} are there. "
            "Make or copy it again, or leave it out."
        )
        raise MicrographError(msg)
    return stored.astype(np.float32, copy=False)


def _pixel_size(header: MrcHeader, given: float | None, path: Path) -> float:
    """The pixel size that counts, in Å/px."""
    if given is not None:
        return given
    if header.pixel_size is None:
        raise MicrographError(NO_PIXEL_SIZE.format(path=path))
    if not header.has_square_pixels:
        msg = (
            f"{path} has pixels of {header.voxel_size} Å in its header, which are not "
            "square. Give the right pixel size with --pixel-size, in Å/px."
        )
        raise MicrographError(msg)
    return header.pixel_size
