"""Numbers that say what denoising did to one micrograph, without knowing the truth.

They are for comparing the micrographs of one data set with each other: a micrograph
that differs from the rest deserves a look. They are no measure of truth.
"""

from __future__ import annotations

import torch

from cryoscore_plugin.spectrum import (
    Band,
    band_mean,
    power,
    power_spectrum,
    ring_frequencies,
)
from cryoscore_plugin.tensors import ImageTensor

PARTICLE_BAND = (1 / 250, 1 / 20)
"""Where particles have most of their signal, in 1/Å."""

WHITENESS_BAND = (1 / 50, 1.0)
"""Where the residual is looked at, in 1/Å: above most of the structured background."""


def signal_to_noise(
    noisy: ImageTensor, clean: ImageTensor, *, pixel_size: float
) -> float:
    """Power of what was kept over power of what was taken away.

    Parameters
    ----------
    noisy, clean : ImageTensor
        A micrograph before and after.
    pixel_size : float
        Their pixel size, in Å/px.

    Returns
    -------
    ratio : float
        Of the powers in `PARTICLE_BAND`; 0 if the image is too small for it.
        Structured background that was removed counts as noise.
    """
    h, w = noisy.shape
    band = _in_pixels(PARTICLE_BAND, pixel_size)
    kept = band_mean(power(clean), band, shape=(h, w)) or 0.0
    taken = band_mean(power(noisy - clean), band, shape=(h, w)) or 0.0
    return kept / taken if taken > 0 else 0.0


def relative_change(before: ImageTensor, after: ImageTensor) -> float:
    """Size of the difference of two images relative to that of the first; 0 if equal.

    Parameters
    ----------
    before, after : ImageTensor
        In the same units.
    """
    change = float((after - before).norm())
    return change / float(before.norm().clamp_min(1e-30))


def residual_whiteness(
    noisy: ImageTensor, clean: ImageTensor, *, pixel_size: float
) -> float:
    """How evenly the power of what was taken away spreads over frequency.

    Parameters
    ----------
    noisy, clean : ImageTensor
        A micrograph before and after.
    pixel_size : float
        Their pixel size, in Å/px.

    Returns
    -------
    whiteness : float
        Geometric over arithmetic mean of the ring powers in `WHITENESS_BAND`, from
        0 to 1; 1 is white. 0 if nothing was taken away.
    """
    h, w = noisy.shape
    frequency = ring_frequencies((h, w))
    low, high = _in_pixels(WHITENESS_BAND, pixel_size)
    rings = power_spectrum(noisy - clean).cpu()
    rings = rings[(frequency >= low) & (frequency <= high)]
    if rings.numel() == 0 or not bool((rings > 0).all()):
        return 0.0
    return float(torch.exp(rings.log().mean()) / rings.mean())


def _in_pixels(band: Band, pixel_size: float) -> Band:
    """A band in 1/Å as a band in cycles/px."""
    return band[0] * pixel_size, band[1] * pixel_size
