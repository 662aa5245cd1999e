"""Bring a micrograph to unit noise, and back.

Two steps, because outliers must go before the Fourier crop (which would smear a
hot pixel into rings) and the noise level is measured after it:

1. `standardize`, on the input's grid: the median is taken off, the robust spread
   divided out, and outliers are clipped at `CLIP` spreads. `live_area` says before
   which rows and columns at the rim carry an image at all.
2. `normalize`, on the working grid: a smooth map of the local noise level is
   divided out (it follows the thickness of the ice), after outliers that are
   larger than a pixel have been clipped.

The unit is that of `noise_level`: white noise of standard deviation 1 has level 1.
What colour noise has at lower frequencies stays in; networks are trained on
coloured noise. Both steps remember what they took off, so that a result returns
to the grey scale of the input.

The tests hold that scale and offset of the input change nothing in what the
network sees, that white noise of any variance becomes noise of variance 1, and
that undoing gives the input back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.noise_level import local_level, noise_band
from cryoscore_plugin.spectrum import Band, power
from cryoscore_plugin.tensors import ImageTensor

CLIP = 6.0
"""Robust standard deviations at which outliers are clipped (method.md, section 4):
Gaussian noise exceeds it in one of 5e8 pixels."""

WIDE = 5
"""Side in px of the smallest thing that is no accident of single pixels."""

SMALLEST = 8
"""Shortest side in px on the working grid; with less there is no spectrum."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Standardized:
    """An image without its offset, spread and outliers.

    Attributes
    ----------
    pixels : ImageTensor
        `(image - offset) / spread`, clipped to plus and minus `CLIP`.
    offset : float
        Median of the image.
    spread : float
        Robust standard deviation of the image, more than 0.
    clipped : float
        Part of the pixels that were clipped, from 0 to 1.
    beyond : ImageTensor or None
        What wide things, such as crystals of ice, have beyond the clip, smoothed; in
        units of the spread. Of hot pixels there is nothing in it. None if not wanted.
    """

    pixels: ImageTensor
    offset: float
    spread: float
    clipped: float
    beyond: ImageTensor | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalized:
    """An image of unit noise, and how to go back.

    Attributes
    ----------
    pixels : ImageTensor
        The image in units of its own noise: what a network sees.
    level : ImageTensor
        Local noise level, in units of the image that was normalised.
    offset : float
        Median of that image.
    clipped : float
        Part of its pixels that were clipped, from 0 to 1.
    band : Band
        Where the noise was measured, in cycles/px.
    beyond : ImageTensor or None
        What wide things have beyond the clip, in units of the noise; None if not wanted.
    """

    pixels: ImageTensor
    level: ImageTensor
    offset: float
    clipped: float
    band: Band
    beyond: ImageTensor | None

    def undo(self, pixels: ImageTensor) -> ImageTensor:
        """Bring an image of unit noise back to the scale before `normalize`."""
        return torch.addcmul(pixels.new_tensor(self.offset), pixels, self.level)


def live_area(image: ImageTensor) -> tuple[slice, slice]:
    """Rows and columns inside the dead border, if there is one.

    Parameters
    ----------
    image : ImageTensor
        A micrograph. Motion correction fills what moved out of sight with a
        constant, which leaves constant rows and columns at the rim.

    Returns
    -------
    rows, columns : slice
        The part of the image that is left when they are cut off.

    Raises
    ------
    MicrographError
        If the image is smaller than `SMALLEST`, or every pixel has the same value.
    """
    _check_size(image)
    rows = _live_extent(image)
    columns = _live_extent(image[rows].T)
    return rows, columns


def standardize(image: ImageTensor, *, keep_wide: bool = False) -> Standardized:
    """Take off the median, divide by the robust spread, clip the outliers.

    Parameters
    ----------
    image : ImageTensor
        A micrograph without dead border, in any unit.
    keep_wide : bool
        Whether what wide things have beyond the clip is wanted.

    Raises
    ------
    MicrographError
        If every pixel has the same value, or the values are too large to compute.
    """
    offset, spread = _median_and_spread(image)
    if spread == 0:
        raise _constant(float(image[0, 0]))
    if not math.isfinite(spread):
        msg = (
            "Expected grey values below 1e38, but found larger ones. Make this "
            "micrograph again from its movie, or leave it out."
        )
        raise MicrographError(msg)
    pixels = (image - offset).div_(spread)
    outliers = (pixels > CLIP).count_nonzero() + (pixels < -CLIP).count_nonzero()
    clipped = int(outliers) / pixels.numel()
    beyond = _beyond_clip(pixels) if keep_wide else None
    pixels.clamp_(-CLIP, CLIP)
    return Standardized(
        pixels=pixels, offset=offset, spread=spread, clipped=clipped, beyond=beyond
    )


def normalize(
    image: ImageTensor, *, pixel_size: float, keep_wide: bool = False
) -> Normalized:
    """Divide an image by its local noise level.

    Parameters
    ----------
    image : ImageTensor
        A micrograph on the working grid, of about unit spread.
    pixel_size : float
        Its pixel size, in Å/px.
    keep_wide : bool
        As for `standardize`.

    Raises
    ------
    MicrographError
        If the image is smaller than `SMALLEST`, or holds no noise in any band.
    """
    _check_size(image)
    h, w = image.shape
    centred = standardize(image, keep_wide=keep_wide)
    offset, pixels = centred.offset, centred.pixels * centred.spread
    power_map = power(pixels)
    band = noise_band(power_map, shape=(h, w))
    level = local_level(pixels, band, pixel_size=pixel_size)
    beyond = centred.beyond
    return Normalized(
        pixels=pixels / level,
        level=level,
        offset=offset,
        clipped=centred.clipped,
        band=band,
        beyond=None if beyond is None else beyond * centred.spread / level,
    )


def _beyond_clip(deviations: ImageTensor) -> ImageTensor:
    """What is beyond the clip in a square of `WIDE` px or more, and its mean there."""

    def largest(values: Tensor) -> Tensor:
        return functional.max_pool2d(values, WIDE, stride=1, padding=WIDE // 2)

    beyond = (deviations - deviations.clamp(-CLIP, CLIP))[None]
    # An opening: what is left of it after it has been worn down and grown again.
    wide = largest(-largest(-beyond.abs())) > 0
    mean: ImageTensor = functional.avg_pool2d(
        beyond * wide, WIDE, stride=1, padding=WIDE // 2, count_include_pad=False
    )[0]
    return mean


def _check_size(image: ImageTensor) -> None:
    """Complain about an image too small to hold a spectrum."""
    h, w = image.shape
    if min(h, w) < SMALLEST:
        msg = (
            f"Expected at least {SMALLEST} x {SMALLEST} px to measure noise on, but "
            f"the image is only {h} x {w} px on the grid the model looks at. Leave "
            "this micrograph out, or set working_pixel_size to a smaller value."
        )
        raise MicrographError(msg)


def _live_extent(image: Tensor) -> slice:
    """First to last row that is not constant."""
    low, high = torch.aminmax(image, dim=1)
    live = (low != high).nonzero()
    if live.numel() == 0:
        raise _constant(float(image[0, 0]))
    return slice(int(live[0]), int(live[-1]) + 1)


def _constant(value: float) -> MicrographError:
    """Complain about an image without contrast."""
    msg = (
        f"Expected an image, but every pixel has the same value, {value:g}: there is "
        "no noise and nothing to denoise. Make this micrograph again from its "
        "movie, or leave it out."
    )
    return MicrographError(msg)


def _median_and_spread(image: ImageTensor) -> tuple[float, float]:
    """Median and robust standard deviation, from a million pixels at most."""
    stride = max(1, math.isqrt(image.numel() // 2**20))
    values = image[::stride, ::stride].flatten().sort().values
    offset = float(values[values.numel() // 2])
    deviations = (values - offset).abs_()
    spread = 1.4826 * float(deviations.median())
    if spread == 0:
        # Counting few electrons, most pixels have the same value.
        spread = float((image - offset).std())
    return offset, spread
