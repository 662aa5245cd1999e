"""How much power a micrograph has beyond its noise, band by band.

A pixel's neighbourhood says little about how strong the particles of a micrograph are:
at the dose of one frame their signal is a hundredth of the noise. The spectrum of the
whole micrograph says it well. A network that is told need not guess it anew around
every pixel, and what it is told does not depend on how the micrograph is cut into tiles.

The tests hold that white noise has no excess, that a signal of known spectrum has its
power in every band, and that small images have a number for every band as well.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from cryoscore_plugin.spectrum import Band, frequency_grid, mode_counts, power
from cryoscore_plugin.tensors import ImageTensor

Excess = Float32[Tensor, " bands"]
"""Mean power of each band of `BANDS` beyond that of noise, in units of the noise."""

BANDS: tuple[Band, ...] = tuple(
    (float(low), float(high)) for low, high in pairwise(np.geomspace(0.0075, 0.375, 21))
)
"""In cycles/px of the working grid: from 400 to 8 Å at 3 Å/px, where noise alone begins
(`noise_level.NOISE_BAND`)."""

CENTRES: tuple[float, ...] = tuple(math.sqrt(low * high) for low, high in BANDS)
"""Middle of each band, in cycles/px."""

PARTS: tuple[float, ...] = tuple(math.pi * (high**2 - low**2) for low, high in BANDS)
"""Part of all coefficients of an image that each band holds."""


def spectral_excess(image: ImageTensor, *, noise: float = 1.0) -> Excess:
    """Excess of an image over white noise.

    Parameters
    ----------
    image : ImageTensor
        A micrograph of unit noise, its slow level taken off.
    noise : float
        Power of the noise in every band.

    Returns
    -------
    excess : Excess
        On the device of the image. A band in which a small image has no coefficient gets
        the excess of the next finer one.
    """
    h, w = image.shape
    frequency = frequency_grid((h, w), device=image.device)
    counts = mode_counts((h, w), device=image.device)
    weighted = power(image) * counts
    found = image.new_zeros(len(BANDS))
    finer = image.new_zeros(())
    for number, (low, high) in reversed(list(enumerate(BANDS))):
        inside = (frequency >= low) & (frequency < high)
        modes = counts[inside].sum()
        finer = torch.where(
            modes > 0, weighted[inside].sum() / modes.clamp_min(1) - noise, finer
        )
        found[number] = finer
    return found
