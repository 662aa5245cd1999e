"""Inputs of which the answer is known, and references that lack something, for audits.

The tests hold that controls keep the spectrum they are made from and nothing else, that
a decoy is as strong as the reference, and that drawn halves have independent noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.guidance.views import Views
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.noise_model import estimate_noise_model
from cryoscore_plugin.rescaling import fourier_crop, working_shape
from cryoscore_plugin.spectrum import apply_radial_gain, power_spectrum

CUT_FROM = 0.15
"""Where the part begins that is cut off a reference, in diameters from its middle: about
a third of a disc lies beyond."""

CUT_EDGE = 0.05
"""Half-width of the soft edge of the cut, in diameters."""


def noise_like(image: Image, rng: np.random.Generator) -> Image:
    """Gaussian noise with mean and radial power spectrum of an image.

    Parameters
    ----------
    image : Image
        The image.
    rng : np.random.Generator
        Source of the noise.
    """
    mean = image.mean(dtype=np.float64)
    level = power_spectrum(torch.from_numpy(image - np.float32(mean))).sqrt()
    white = rng.standard_normal(image.shape, dtype=np.float32)
    coloured = apply_radial_gain(torch.from_numpy(white), level).numpy()
    return np.asarray(coloured + mean, dtype=np.float32)


def with_random_phases(image: Image, rng: np.random.Generator) -> Image:
    """An image with the same Fourier amplitudes and mean, and the phases of noise.

    Parameters
    ----------
    image : Image
        The image.
    rng : np.random.Generator
        Source of the phases.
    """
    h, w = image.shape
    plane = np.fft.rfft2(image)
    noise = np.fft.rfft2(rng.standard_normal((h, w)))
    turned = np.abs(plane) * np.exp(1j * np.angle(noise))
    turned[0, 0] = plane[0, 0]
    return np.fft.irfft2(turned, s=(h, w)).astype(np.float32)


def decoy_views(views: Views, *, seed: int) -> Views:
    """Views of a particle that exists nowhere: the same spectra, random phases.

    Parameters
    ----------
    views : Views
        Of the real one.
    seed : int
        Of the phases.
    """
    rng = np.random.default_rng(seed)
    side = views.pictures.shape[-1]
    y, x = np.mgrid[:side, :side] - side // 2
    disc = np.hypot(y, x) * views.pixel_size <= views.diameter / 2
    pictures = np.stack(
        [disc * with_random_phases(one.numpy(), rng) for one in views.pictures]
    )
    scale = np.sqrt((pictures**2).sum((1, 2)).mean())
    shaped = torch.from_numpy((pictures / scale).astype(np.float32))
    return Views(pictures=shaped, pixel_size=views.pixel_size)


def cut_views(views: Views) -> Views:
    """Views with everything on one side cut off, a third of the particle.

    All views are cut on the right, whatever the particle's direction, so that the part
    which a micrograph should show all the same is on the right of each particle.

    Parameters
    ----------
    views : Views
        Of the whole particle.
    """
    side = views.pictures.shape[-1]
    x = (torch.arange(side) - side // 2) * views.pixel_size / views.diameter
    kept = torch.sigmoid((CUT_FROM - x) * (4 / CUT_EDGE))
    pictures = views.pictures * kept
    scale = pictures.square().sum((1, 2)).mean().sqrt()
    return Views(pictures=pictures / scale, pixel_size=views.pixel_size)


def drawn_halves(
    micrograph: Micrograph, *, working_pixel_size: float, seed: int
) -> tuple[Micrograph, Micrograph]:
    """Two noisier images of one micrograph whose noise is independent.

    With noise `e` as strong as that of the micrograph, the noise of `y + e` and of
    `y - e` is uncorrelated. `e` is white, with the power that is found in the outer band
    at the working pixel size: noise that is stronger elsewhere stays in both.

    Parameters
    ----------
    micrograph : Micrograph
        The micrograph.
    working_pixel_size : float
        Where nothing but noise is expected in the outer band, in Å/px.
    seed : int
        Of `e`.

    Raises
    ------
    MicrographError
        If there is no noise in it.
    """
    pixels = micrograph.pixels
    h, w = pixels.shape
    rows, columns = working_shape(
        (h, w),
        pixel_size=micrograph.pixel_size,
        working_pixel_size=working_pixel_size,
    )
    centred = torch.from_numpy(pixels - pixels.mean(dtype=np.float64)).float()
    coarse = fourier_crop(centred, (rows, columns))
    level = estimate_noise_model(coarse).level * np.sqrt(h * w / (rows * columns))
    rng = np.random.default_rng(seed)
    drawn = np.float32(level) * rng.standard_normal((h, w), dtype=np.float32)
    return (
        replace(micrograph, pixels=pixels + drawn, source=None),
        replace(micrograph, pixels=pixels - drawn, source=None),
    )
