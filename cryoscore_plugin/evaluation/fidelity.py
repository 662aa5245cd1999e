"""How like the truth an image is, where the truth is known, and what to do without.

The truth is what the particles alone contribute to a simulated micrograph, the
contrast transfer function and its envelope included. Comparisons are made in a band
of spatial frequency, by default `PARTICLE_BAND`: coarser is ice thickness, finer
holds next to nothing of one particle image. In it

* `band_correlation` does not see the grey scale, and rewards only likeness;
* `calibration_slope` is 1 if the grey scale is right, that of the posterior mean;
* `signal_to_error` sees both, and is what a least-squares denoiser maximises;
* `empty_ice_ratio` asks for silence where there is nothing.

Without truth, `cross_half_risk` still compares two denoisers fairly, if the noise of
the two halves is independent: the noise of the other half adds the same to both. The
Fourier ring correlation is in `cryoscore_plugin.spectrum`, the whiteness of what was
removed in `cryoscore_plugin.quality`.

The tests hold closed forms for images made of a few waves, whose products are known.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from cryoscore_plugin.arrays import CentersYX, Image, Mask
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.products import Band, band_products

PARTICLE_BAND = (1 / 250, 1 / 10)
"""Where particles have their signal, in 1/Å."""


def band_correlation(
    image: Image,
    truth: Image,
    *,
    pixel_size: float,
    band: Band = PARTICLE_BAND,
) -> float:
    """Correlation of an image with the truth inside a band of spatial frequency.

    Parameters
    ----------
    image, truth : Image
        Images of the same area, in any units.
    pixel_size : float
        Of both, in Å/px.
    band : Band
        Lowest and highest spatial frequency that counts, in 1/Å.

    Returns
    -------
    correlation : float
        From -1 to 1; 0 where one of the images has nothing in the band.

    Raises
    ------
    InputError
        If the sizes differ, or the images are too small to have such frequencies.
    """
    products = band_products(image, truth, pixel_size=pixel_size, bands=[band])
    return float(products.correlation[0])


def calibration_slope(
    image: Image,
    truth: Image,
    *,
    pixel_size: float,
    band: Band = PARTICLE_BAND,
) -> float:
    """Slope of the regression of the truth on an image, inside a band.

    Parameters
    ----------
    image, truth : Image
        Images of the same area, in the same units.
    pixel_size : float
        Of both, in Å/px.
    band : Band
        Lowest and highest spatial frequency that counts, in 1/Å.

    Returns
    -------
    slope : float
        1 for a posterior mean; more than 1 if the image is too faint, and less if
        it claims more than it knows. NaN if the image has nothing in the band.

    Raises
    ------
    InputError
        If the sizes differ, or the images are too small to have such frequencies.
    """
    products = band_products(image, truth, pixel_size=pixel_size, bands=[band])
    return float(products.slope[0])


def signal_to_error(
    image: Image,
    truth: Image,
    *,
    pixel_size: float,
    band: Band = PARTICLE_BAND,
) -> float:
    """Signal-to-noise ratio of an image: power of the truth over that of the error.

    Parameters
    ----------
    image, truth : Image
        Images of the same area, in the same units.
    pixel_size : float
        Of both, in Å/px.
    band : Band
        Lowest and highest spatial frequency that counts, in 1/Å.

    Returns
    -------
    ratio : float
        1 for a blank image, infinite without error. Structured background that is
        left is error.

    Raises
    ------
    InputError
        If the sizes differ, or the images are too small to have such frequencies.
    """
    products = band_products(image, truth, pixel_size=pixel_size, bands=[band])
    return float(products.signal_to_error[0])


def cross_half_risk(
    denoised: Image,
    other_half: Image,
    *,
    pixel_size: float,
    band: Band = PARTICLE_BAND,
) -> float:
    """Squared difference of one half, denoised, from the other half, as it is.

    Parameters
    ----------
    denoised : Image
        What a denoiser made of one half of the dose, in the units of the halves.
    other_half : Image
        The other half, raw; its noise is independent of that of the first.
    pixel_size : float
        Of both, in Å/px.
    band : Band
        Lowest and highest spatial frequency that counts, in 1/Å. Structured
        background is the same in both halves and counts as signal here: choose a
        band where it is negligible.

    Returns
    -------
    risk : float
        Mean square per pixel. Of two denoisers the one with the smaller risk has the
        smaller error, on average over many images; the value itself contains the
        noise of the other half.

    Raises
    ------
    InputError
        If the sizes differ, or the images are too small to have such frequencies.

    References
    ----------
    Batson and Royer (2019), ICML, arXiv 1901.11365 (self-supervised loss).
    """
    products = band_products(denoised, other_half, pixel_size=pixel_size, bands=[band])
    return float(products.error[0])


def near_particles(
    centers_yx: CentersYX, *, shape: tuple[int, int], distance: float
) -> Mask:
    """Pixels that are at most `distance` px away from a particle's centre.

    Parameters
    ----------
    centers_yx : CentersYX
        Centres in px.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    distance : float
        In px.
    """
    if not len(centers_yx):
        return np.zeros(shape, dtype=bool)
    pixels = np.indices(shape).reshape(2, -1).T
    away, _ = KDTree(centers_yx).query(pixels, distance_upper_bound=distance + 1e-9)
    return np.isfinite(away).reshape(shape)


def empty_ice_ratio(image: Image, *, particles: Mask, empty: Mask) -> float:
    """Unrest of an image where there is nothing, relative to where particles are.

    Parameters
    ----------
    image : Image
        A denoised image.
    particles, empty : Mask
        Pixels inside particles, and pixels far from any; those near the rim of a
        particle, where its Fresnel fringes are, belong to neither.

    Returns
    -------
    ratio : float
        Standard deviation in `empty` over that in `particles`: 0 if empty ice is
        flat, 1 if particles cannot be told from it.

    Raises
    ------
    InputError
        If one of the masks is empty, or the image is constant inside particles.
    """
    if not particles.any() or not empty.any():
        msg = (
            "Empty ice is compared with particles, but one of them covers no pixel: "
            f"{int(particles.sum())} px of particles, {int(empty.sum())} px of empty "
            "ice. Take another micrograph, or a smaller distance."
        )
        raise InputError(msg)
    within = float(image[particles].std(dtype=np.float64))
    if within == 0:
        msg = (
            "The image should vary inside particles, but all their pixels are equal. "
            "Check that the denoiser returned an image."
        )
        raise InputError(msg)
    return float(image[empty].std(dtype=np.float64)) / within
