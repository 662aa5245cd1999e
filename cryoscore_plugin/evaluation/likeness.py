"""All figures of one denoised image, by what it can be compared with.

Each figure is told for the whole band of particles, and for parts of it: `correlation`,
and `correlation_250_50` between 250 and 50 Å. For drawings the same is told in narrow rings.

The tests hold that every figure of a part is that of `fidelity` in that band.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from cryoscore_plugin.arrays import Image, Values
from cryoscore_plugin.evaluation.fidelity import PARTICLE_BAND
from cryoscore_plugin.evaluation.products import Products, band_products
from cryoscore_plugin.quality import WHITENESS_BAND, residual_whiteness
from cryoscore_plugin.spectrum import power_spectrum, ring_frequencies

BANDS = ((250, 50), (50, 20), (20, 10))
"""Parts of the particle band, by wavelength in Å: outline, domains, helices."""

RINGS = np.linspace(*PARTICLE_BAND, 25)
"""Edges of the rings of a drawing, in 1/Å."""

RESIDUAL_RINGS = np.linspace(0, 0.5, 51)
"""The same for what was taken away, which is looked at up to half the sampling."""

Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """How like the truth, or an independent half, an image is.

    Attributes
    ----------
    figures : Figures
        By name, for the whole band of particles and for its parts.
    truth, half : Products or None
        With the truth and with the other half in each of `RINGS`; None without it.
    residual : Values or None
        Power of what was taken away in each of `RESIDUAL_RINGS`.
    """

    figures: Figures
    truth: Products | None = None
    half: Products | None = None
    residual: Values | None = None


def likeness(
    image: Image,
    *,
    pixel_size: float,
    truth: Image | None = None,
    half: Image | None = None,
    raw: Image | None = None,
) -> Likeness:
    """All figures of an image by what is known of its area.

    Parameters
    ----------
    image : Image
        A denoised image.
    pixel_size : float
        Of all images, in Å/px.
    truth, half, raw : Image or None
        What is true, the other half as it was recorded, and what was denoised.
    """
    figures: Figures = {}
    with_truth = with_half = residual = None
    if truth is not None:
        figures |= figures_with_truth(image, truth, pixel_size=pixel_size)
        with_truth = ring_products(image, truth, pixel_size=pixel_size)
    if half is not None:
        figures |= figures_with_half(image, half, pixel_size=pixel_size)
        with_half = ring_products(image, half, pixel_size=pixel_size)
    if raw is not None:
        figures |= figures_with_raw(image, raw, pixel_size=pixel_size)
        residual = residual_rings(image, raw, pixel_size=pixel_size)
    return Likeness(
        figures=figures, truth=with_truth, half=with_half, residual=residual
    )


def figures_with_truth(image: Image, truth: Image, *, pixel_size: float) -> Figures:
    """Correlation, signal-to-noise ratio and calibration, also by band.

    Parameters
    ----------
    image, truth : Image
        Images of the same area, in the same units.
    pixel_size : float
        Of both, in Å/px. Bands beyond half the sampling are left out.
    """
    names, products = _in_bands(image, truth, pixel_size=pixel_size)
    return _figures(
        names,
        {
            "correlation": products.correlation,
            "snr": products.signal_to_error,
            "slope": products.slope,
        },
    )


def figures_with_half(
    denoised: Image, other_half: Image, *, pixel_size: float
) -> Figures:
    """Risk and correlation of one half, denoised, against the other as it is, by band.

    Parameters
    ----------
    denoised, other_half : Image
        Images of the same area, in the same units, with independent noise.
    pixel_size : float
        Of both, in Å/px. Bands beyond half the sampling are left out.
    """
    names, products = _in_bands(denoised, other_half, pixel_size=pixel_size)
    return _figures(
        names,
        {
            "cross_half_risk": products.error,
            "cross_half_correlation": products.correlation,
        },
    )


def figures_with_raw(denoised: Image, raw: Image, *, pixel_size: float) -> Figures:
    """How white is what was taken away.

    Parameters
    ----------
    denoised, raw : Image
        A micrograph after and before, in the same units.
    pixel_size : float
        Of both, in Å/px.
    """
    before, after = torch.from_numpy(raw), torch.from_numpy(denoised)
    white = residual_whiteness(before, after, pixel_size=pixel_size)
    return {"residual_whiteness": white}


def by_band(figures: Mapping[str, float]) -> dict[str, Figures]:
    """Figures of each part of the particle band, by its name such as `250-50 Å`.

    Parameters
    ----------
    figures : Mapping[str, float]
        As the functions here name them.
    """
    found = {}
    for longest, shortest in BANDS:
        ending = f"_{longest}_{shortest}"
        found[f"{longest}-{shortest} Å"] = {
            name.removesuffix(ending): x
            for name, x in figures.items()
            if name.endswith(ending)
        }
    return {band: own for band, own in found.items() if own}


def whole_band(figures: Mapping[str, float]) -> Figures:
    """Figures that are not those of a part of the particle band."""
    endings = tuple(f"_{longest}_{shortest}" for longest, shortest in BANDS)
    return {name: x for name, x in figures.items() if not name.endswith(endings)}


def ring_products(image: Image, truth: Image, *, pixel_size: float) -> Products:
    """Products with the truth, or with the other half, in each of `RINGS`.

    Parameters
    ----------
    image, truth : Image
        Images of the same area.
    pixel_size : float
        Of both, in Å/px.
    """
    rings = list(pairwise(RINGS.tolist()))
    return band_products(image, truth, pixel_size=pixel_size, bands=rings)


def residual_rings(denoised: Image, raw: Image, *, pixel_size: float) -> Values:
    """Power of what was taken away in each of `RESIDUAL_RINGS`.

    Parameters
    ----------
    denoised, raw : Image
        A micrograph after and before, in the same units.
    pixel_size : float
        Of both, in Å/px.

    Returns
    -------
    power : Values
        Relative to its mean where whiteness is judged, finer than 50 Å; NaN where the
        image has no such frequencies, or nothing was taken away.
    """
    h, w = raw.shape
    frequency = ring_frequencies((h, w)).numpy() / pixel_size
    power = power_spectrum(torch.from_numpy(raw - denoised)).numpy()
    place = np.digitize(frequency, RESIDUAL_RINGS) - 1
    size = len(RESIDUAL_RINGS) - 1
    counts = np.bincount(place, minlength=size)[:size]
    sums = np.bincount(place, power, minlength=size)[:size]
    judged = power[frequency >= WHITENESS_BAND[0]]
    mean = float(judged.mean()) if len(judged) else 0.0
    found: Values = np.full(size, np.nan)
    np.divide(sums, counts * mean, out=found, where=counts * mean > 0)
    return found


def _in_bands(
    image: Image, truth: Image, *, pixel_size: float
) -> tuple[list[str], Products]:
    """Endings of the names of all bands that the images have, and their products."""
    parts = [band for band in BANDS if band[0] > 2 * pixel_size]
    endings = ["", *(f"_{longest}_{shortest}" for longest, shortest in parts)]
    limits = [
        PARTICLE_BAND,
        *((1 / longest, 1 / shortest) for longest, shortest in parts),
    ]
    return endings, band_products(image, truth, pixel_size=pixel_size, bands=limits)


def _figures(endings: list[str], values: Mapping[str, Values]) -> Figures:
    """Figures by name: each for the whole band, then for its parts."""
    return {
        f"{name}{ending}": float(x)
        for name, bands in values.items()
        for ending, x in zip(endings, bands, strict=True)
    }
