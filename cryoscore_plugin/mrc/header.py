"""The header of an MRC file: what it says, checked, and how to write one.

The first 1024 bytes of an MRC file say how many columns, rows and sections follow,
in which type, and how large a pixel is on the specimen (Cheng et al. 2015, J. Struct.
Biol. 192, 146-150). Programs fill them with varying care, so everything is checked
here, and what is wrong is said in a sentence.

The layout is that of the library mrcfile; the tests compare what both read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import machine_stamp_from_byte_order
from numpy.typing import NDArray

from cryoscore_plugin.errors import MicrographError

HEADER_BYTES = 1024
LABEL_BYTES = 80
MOST_LABELS = 10

PIXEL_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
"""numpy type of each MRC mode that holds real pixels."""

REFUSED_MODES = {
    3: "complex pixels, so it is a Fourier transform and not an image",
    4: "complex pixels, so it is a Fourier transform and not an image",
    101: "4-bit pixels, so it is probably a movie; movies must be motion-corrected "
    "first",
}

IMOD_STAMP = 1146047817
"""Mark of IMOD and SerialEM in the extra space, https://bio3d.colorado.edu/imod/doc/
mrc_format.txt: with it, bit 0 of the next number says whether bytes are signed."""


@dataclass(frozen=True, kw_only=True)
class MrcHeader:
    """What the header of an MRC file says.

    Attributes
    ----------
    shape : tuple[int, int, int]
        Number of sections (images), rows and columns.
    dtype : numpy.dtype
        Type of a pixel in the file, with its byte order.
    voxel_size : tuple[float, float] or None
        Distance of neighbouring columns and of neighbouring rows, in Å; None
        where the header does not say.
    origin, start, axes : tuple
        As in `Micrograph`.
    labels : tuple[str, ...]
        Text lines that programs left.
    data_offset : int
        Where the pixels begin, in bytes.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    voxel_size: tuple[float, float] | None
    origin: tuple[float, float, float]
    start: tuple[int, int, int]
    axes: tuple[int, int, int]
    labels: tuple[str, ...]
    data_offset: int

    @property
    def file_size(self) -> int:
        """Size that the complete file has, uncompressed, in bytes."""
        return self.data_offset + math.prod(self.shape) * self.dtype.itemsize

    @property
    def pixel_size(self) -> float | None:
        """Pixel size in Å/px, or None where the header does not say."""
        return None if self.voxel_size is None else self.voxel_size[0]

    @property
    def has_square_pixels(self) -> bool:
        """Whether columns and rows are equally far apart, to 1 %."""
        if self.voxel_size is None:
            return True
        column, row = self.voxel_size
        return abs(column - row) <= 0.01 * column


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Smallest, largest and mean grey value, and standard deviation (`rms`)."""

    count: int
    smallest: float
    largest: float
    mean: float
    rms: float

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> Statistics:
        """Statistics of an array, computed in double precision."""
        exact = pixels.astype(np.float64)
        return cls(
            count=exact.size,
            smallest=float(exact.min()),
            largest=float(exact.max()),
            mean=float(exact.mean()),
            rms=float(exact.std()),
        )

    @classmethod
    def joined(cls, parts: Sequence[Statistics]) -> Statistics:
        """Statistics of all pixels together."""
        counts = np.array([part.count for part in parts])
        means = np.array([part.mean for part in parts])
        variances = np.array([part.rms for part in parts]) ** 2
        mean = float(np.average(means, weights=counts))
        variance = np.average(variances + (means - mean) ** 2, weights=counts)
        return cls(
            count=int(counts.sum()),
            smallest=min(part.smallest for part in parts),
            largest=max(part.largest for part in parts),
            mean=mean,
            rms=float(np.sqrt(variance)),
        )


def parse_header(raw: bytes, path: Path) -> MrcHeader:
    """Read and check the first 1024 bytes of an MRC file.

    Parameters
    ----------
    raw : bytes
        The beginning of the file; fewer bytes mean that the file ends there.
    path : Path
        Its name, for messages.

    Raises
    ------
    MicrographError
        If this is no MRC header, the image has no pixels, or their type is not
        one that a micrograph can have.
    """
    if len(raw) < HEADER_BYTES:
        raise MicrographError(_too_short(raw, path))
    order = _byte_order(raw)
    fields = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order), count=1)[0]
    mode = _checked_mode(int(fields["mode"]), raw, path)
    shape = (int(fields["nz"]), int(fields["ny"]), int(fields["nx"]))
    extended = int(fields["nsymbt"])
    if min(shape) < 0 or extended < 0:
        raise MicrographError(_not_mrc(raw, path))
    if min(shape) == 0:
        msg = (
            f"{path} has zero size ({shape[2]} x {shape[1]} px, {shape[0]} images). "
            "It was probably not written completely: make it again, or leave it out."
        )
        raise MicrographError(msg)
    mapc, mapr, maps = (int(fields[name]) for name in ("mapc", "mapr", "maps"))
    known = sorted((mapc, mapr, maps)) == [1, 2, 3]
    axes = (mapc, mapr, maps) if known else (1, 2, 3)
    nxstart, nystart, nzstart = (int(fields[f"n{axis}start"]) for axis in "xyz")
    x, y, z = (float(fields["origin"][axis]) for axis in "xyz")
    return MrcHeader(
        shape=shape,
        dtype=np.dtype(_type_name(mode, raw, order)).newbyteorder(order),
        voxel_size=_voxel_size(fields, axes),
        origin=(x, y, z) if np.isfinite((x, y, z)).all() else (0.0, 0.0, 0.0),
        start=(nxstart, nystart, nzstart),
        axes=axes,
        labels=_labels(fields),
        data_offset=HEADER_BYTES + extended,
    )


def make_header(
    header: MrcHeader, statistics: Statistics, *, pixel_size: float
) -> bytes:
    """The first 1024 bytes of an MRC file of square pixels, little-endian.

    Parameters
    ----------
    header : MrcHeader
        Shape, type, labels and place; there is no extended header.
    statistics : Statistics
        Of the pixels as they are written.
    pixel_size : float
        In Å/px.

    Returns
    -------
    raw : bytes
        The same for the same arguments: there is no time stamp in it.
    """
    fields = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    modes = {np.dtype(name).str[1:]: mode for mode, name in PIXEL_TYPES.items()}
    sections, rows, columns = header.shape
    fields["nx"], fields["ny"], fields["nz"] = columns, rows, sections
    fields["mode"] = modes[header.dtype.str[1:]]
    fields["nxstart"], fields["nystart"], fields["nzstart"] = header.start
    fields["mapc"], fields["mapr"], fields["maps"] = header.axes
    # mx and cella belong to the axes of the specimen, not to columns and rows.
    for axis, count in zip(header.axes, (columns, rows, 1), strict=True):
        fields["m" + "xyz"[axis - 1]] = count
        fields["cella"]["xyz"[axis - 1]] = count * pixel_size
    fields["cellb"] = (90, 90, 90)
    fields["dmin"], fields["dmax"] = statistics.smallest, statistics.largest
    fields["dmean"], fields["rms"] = statistics.mean, statistics.rms
    fields["origin"] = header.origin
    fields["nversion"] = 20141  # The first version with float16, mode 12.
    fields["map"] = b"MAP "
    fields["machst"] = machine_stamp_from_byte_order("<")
    fields["nlabl"] = len(header.labels)
    fields["label"][: len(header.labels)] = [label_bytes(one) for one in header.labels]
    return fields.tobytes()


def label_bytes(label: str) -> bytes:
    """A label as it is stored: printable ASCII, at most 80 bytes."""
    return label.encode("ascii", errors="replace")[:LABEL_BYTES]


def _byte_order(raw: bytes) -> Literal["<", ">"]:
    """`<` or `>`; from the mode where the machine stamp is absent or wrong."""
    stamp = raw[212:214]
    if stamp in {b"\x44\x44", b"\x44\x41"}:
        return "<"
    if stamp == b"\x11\x11":
        return ">"
    mode = int.from_bytes(raw[12:16], "big")
    return ">" if mode in PIXEL_TYPES and mode != 0 else "<"


def _checked_mode(mode: int, raw: bytes, path: Path) -> int:
    """The mode, if it is one that a micrograph can have."""
    if mode in REFUSED_MODES:
        msg = (
            f"{path} has MRC mode {mode}: {REFUSED_MODES[mode]}. Give a "
            "micrograph of mode 0, 1, 2, 6 or 12."
        )
        raise MicrographError(msg)
    if mode not in PIXEL_TYPES:
        raise MicrographError(_not_mrc(raw, path))
    return mode


def _type_name(mode: int, raw: bytes, order: str) -> str:
    """Name in numpy of the pixel type; IMOD may mean unsigned bytes with mode 0."""
    stamp, flags = np.frombuffer(raw, f"{order}i4", count=2, offset=152)
    if mode == 0 and stamp == IMOD_STAMP and not flags & 1:
        return "u1"
    return PIXEL_TYPES[mode]


def _voxel_size(fields: np.void, axes: tuple[int, ...]) -> tuple[float, float] | None:
    """Distance of columns and of rows in Å, if both are sensible numbers."""
    sizes = []
    for axis in axes[:2]:
        name = "xyz"[axis - 1]
        count, length = int(fields[f"m{name}"]), float(fields["cella"][name])
        size = length / count if count > 0 else math.nan
        if not (math.isfinite(size) and size > 0):
            return None
        sizes.append(size)
    return sizes[0], sizes[1]


def _labels(fields: np.void) -> tuple[str, ...]:
    """Labels in use, without the blanks that pad them."""
    count = min(max(int(fields["nlabl"]), 0), MOST_LABELS)
    texts = (bytes(raw).decode("ascii", "replace") for raw in fields["label"][:count])
    return tuple(text.strip() for text in texts)


def _too_short(raw: bytes, path: Path) -> str:
    what = f"has only {len(raw)} bytes" if raw else "is empty (0 bytes)"
    return (
        f"{path} {what}, but the header of an MRC file alone has {HEADER_BYTES}. It "
        "was not written completely: make it again, or leave it out."
    )


def _not_mrc(raw: bytes, path: Path) -> str:
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in raw)
    seems = " It seems to be a text file." if printable > 0.95 * len(raw) else ""
    return (
        f"{path} is not an MRC file: its header makes no sense.{seems} Give a "
        "micrograph in MRC or TIFF format."
    )
