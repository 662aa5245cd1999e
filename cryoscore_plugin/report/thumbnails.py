"""What a page shows of one micrograph: a small image, and its power spectrum.

Both are cheap for a micrograph of any size: the image is averaged down to a few
hundred pixels, and the spectrum is that of a square from the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.spectrum import power_spectrum, ring_frequencies

LONGEST_SIDE = 512
"""Of a small image, in px; more cannot be seen in a panel of a page."""

SPECTRUM_SIDE = 2048
"""Largest side of the square whose spectrum is taken, in px."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """Power over spatial frequency.

    Attributes
    ----------
    frequencies : np.ndarray
        In 1/Å, rising, without 0.
    powers : np.ndarray
        Mean power of each ring, in squared grey values.
    """

    frequencies: np.ndarray
    powers: np.ndarray


def thumbnail(micrograph: Micrograph) -> tuple[Image, float]:
    """A micrograph averaged over squares of pixels.

    Parameters
    ----------
    micrograph : Micrograph
        Of any size. What is left over at the right and lower edge is cut off.

    Returns
    -------
    image : Image
        Its longer side is at most `LONGEST_SIDE`.
    pixel_size : float
        Of the small image, in Å/px.
    """
    pixels = micrograph.pixels
    factor = -(-max(pixels.shape) // LONGEST_SIDE)
    h, w = (max(side // factor, 1) for side in pixels.shape)
    factors = min(factor, pixels.shape[0]), min(factor, pixels.shape[1])
    cut = pixels[: h * factors[0], : w * factors[1]]
    blocks = cut.reshape(h, factors[0], w, factors[1])
    small = blocks.mean(axis=(1, 3), dtype=np.float32)
    return small, micrograph.pixel_size * factor


def central_spectrum(micrograph: Micrograph) -> Spectrum:
    """Power spectrum of the middle of a micrograph.

    Parameters
    ----------
    micrograph : Micrograph
        Of any size.
    """
    h, w = micrograph.pixels.shape
    side = min(h, w, SPECTRUM_SIDE)
    top, left = (h - side) // 2, (w - side) // 2
    middle = micrograph.pixels[top : top + side, left : left + side]
    tensor = torch.from_numpy(np.array(middle, dtype=np.float32))
    frequencies = ring_frequencies((side, side)).numpy() / micrograph.pixel_size
    powers = power_spectrum(tensor).numpy()
    # The mean grey value is no structure, and would hide all that is.
    return Spectrum(frequencies=frequencies[1:], powers=powers[1:])
