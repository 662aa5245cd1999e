"""The noise level of a micrograph, overall and from place to place.

It is read off the outermost band of spatial frequency, where nothing but noise is
expected. The unit: white noise of standard deviation 1 has level 1. Real noise is
coloured by the detector; its level is that of the white noise which has the same
power in this band.

The tests hold that white noise of any variance is measured rightly, that a slow
change over the micrograph is followed, that signal at low frequencies changes
nothing, and that an empty band is noticed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.spectrum import Band, band_mean, in_band, mode_counts
from cryoscore_plugin.tensors import HalfPlaneMap, ImageTensor

NOISE_BAND: Band = (0.38, 0.49)
"""Where noise alone is expected, in cycles/px of the working grid: at 3 Å/px beyond
1/8 1/Å, where nothing of a particle image survives (method.md, sections 4 and 11)."""

LOWER_BANDS: tuple[Band, ...] = ((0.28, 0.38), (0.18, 0.28), (0.10, 0.18))
"""Where the noise is measured if `NOISE_BAND` is empty, from the best to the worst."""

EMPTY = 0.05
"""A band with less than this part of the next lower band's power was filtered away.
Noise that detectors and interpolation have coloured falls far less from one band
to the next."""

SMOOTHING = 600.0
"""Standard deviation in Å of the Gaussian that smooths the local noise level: larger
than any particle, smaller than the changes of ice thickness."""

LEVEL_RANGE = (0.5, 2.0)
"""Local noise level is kept within these multiples of its median."""

BLOCK = 8
"""Side in px of the squares over which local power is averaged before smoothing."""

RIM = 16
"""Widest rim in px left out when local power is measured: the image is not periodic,
so that a transform puts false power there."""


def noise_band(power_map: HalfPlaneMap, *, shape: tuple[int, int]) -> Band:
    """Highest band that still holds noise.

    Parameters
    ----------
    power_map : HalfPlaneMap
        Result of `spectrum.power`.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.

    Returns
    -------
    band : Band
        `NOISE_BAND`, or one of `LOWER_BANDS` if the image was low-passed or
        up-sampled before, so that the bands above are empty.

    Raises
    ------
    MicrographError
        If all bands are empty: there is no noise.
    """
    bands = (NOISE_BAND, *LOWER_BANDS)
    powers = [band_mean(power_map, band, shape=shape) or 0.0 for band in bands]
    # What rounding leaves in an empty band is about 1e-13 of the total power.
    floor = 1e-9 * float(power_map.mean())
    for band, here, lower in zip(bands, powers, [*powers[1:], 0.0], strict=True):
        if here > max(EMPTY * lower, floor):
            return band
    msg = (
        "Expected noise in this micrograph, but found none between 0.1 and 0.49 "
        "cycles/px of the working grid: there is nothing to denoise. Use the "
        "micrograph as motion correction wrote it, not one that was filtered."
    )
    raise MicrographError(msg)


def local_level(image: ImageTensor, band: Band, *, pixel_size: float) -> ImageTensor:
    """Smooth map of the local noise level.

    Parameters
    ----------
    image : ImageTensor
        A micrograph on the working grid.
    band : Band
        Where to measure the noise, in cycles/px.
    pixel_size : float
        Its pixel size, in Å/px.

    Returns
    -------
    level : ImageTensor
        Standard deviation of white noise that has the local power in this band,
        within `LEVEL_RANGE` of its median.
    """
    h, w = image.shape
    chosen = in_band((h, w), band, device=image.device)
    share = float((mode_counts((h, w), device=image.device) * chosen).sum()) / (h * w)
    noise = torch.fft.irfft2(torch.fft.rfft2(image) * chosen, s=(h, w))
    rim = min(RIM, min(h, w) // 8)
    inner = noise[rim : h - rim, rim : w - rim].square()
    counts = math.ceil(inner.shape[0] / BLOCK), math.ceil(inner.shape[1] / BLOCK)
    blocks = functional.adaptive_avg_pool2d(inner[None], counts)[0] / share
    down, across = (
        _smoothing_weights(
            side, rim=rim, blocks=count, smoothing=SMOOTHING / pixel_size
        )
        for side, count in zip((h, w), counts, strict=True)
    )
    level = (down.to(image) @ blocks @ across.to(image).T).sqrt_()
    low, high = LEVEL_RANGE
    # Where more than half of the area has no noise, the median would be no guide.
    middle = max(float(level.median()), 0.1 * float(level.max()))
    return level.clamp_(low * middle, high * middle)


def _smoothing_weights(side: int, *, rim: int, blocks: int, smoothing: float) -> Tensor:
    """Gaussian weights of blocks of pixels for each pixel along a side.

    Each row sums to 1, which is how the image's edges are handled.
    """
    pixel = torch.arange(side, dtype=torch.float64) + 0.5
    centre = rim + (torch.arange(blocks, dtype=torch.float64) + 0.5) * (
        (side - 2 * rim) / blocks
    )
    distance = (pixel[:, None] - centre) / smoothing
    return torch.softmax(-0.5 * distance**2, dim=1)
