"""What is added to the user's own micrographs, and taken off them, to learn from them.

Without clean images a network learns from pairs whose errors are uncorrelated
(`score.recorrupted_pair`): input `y + tau e`, target `y - e / tau`, where e has the
covariance of all that should go and is independent of it. Of what e is made:

- With images of odd and even frames, the noise is measured: e is their difference,
  scaled (`join_halves`). It needs no model, whatever colour the noise has, and the two
  need not have the same dose.
- Without them, e is drawn with the noise spectrum of the session.
- A model that removes structured background gets a background drawn with its spectrum
  on top. What is background is not in the data: both particles and background are in
  both halves. It is taken from the model that training starts from: of the power that is
  no noise, the part that this model does not keep.

The tests hold that for Gaussian signal, background and noise the best denoiser of such
pairs is the posterior mean, and that the halves come back at the right tau.

References
----------
Lehtinen et al. (2018), arXiv 1803.04189; Pang et al. (2021),
doi:10.1109/CVPR46437.2021.00208; Kim and Ye (2021), arXiv 2106.07009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from cryoscore_plugin.score import recorrupted_pair
from cryoscore_plugin.spectrum import (
    apply_radial_gain,
    power_spectrum,
    ring_frequencies,
)
from cryoscore_plugin.tensors import ImageTensor

Profile = Float64[np.ndarray, "points"]
"""Power at `FREQUENCIES`, in squared units of the noise."""

FREQUENCIES: Profile = np.linspace(0, 0.5, 129)
"""In cycles/px; micrographs of different sizes share them."""

LARGEST_SHARE = 0.95
"""Noise that is drawn has at most this part of the power of a micrograph. If it is
over-estimated, signal is lost; under-estimated, a little noise stays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedHalves:
    """A micrograph and its noise, from two images with independent noise.

    Attributes
    ----------
    mean : ImageTensor
        The mean of both, weighted so that its noise is smallest.
    corruption : ImageTensor
        Noise alone, of the same covariance as that in `mean` and uncorrelated with it.
        `recorrupted_pair` with the ratio of both noise levels as its strength gives back
        the first half as input, and the second as target.
    """

    mean: ImageTensor
    corruption: ImageTensor


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitPair:
    """An input of unit noise, and what is to be predicted.

    Attributes
    ----------
    noisier, target : ImageTensor
        In units of the noise of `noisier`.
    weight : float
        Inverse of the variance of the target's noise.
    pixel_size : float
        In Å/px.
    """

    noisier: ImageTensor
    target: ImageTensor
    weight: float
    pixel_size: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionSpectra:
    """Power spectra of a session, means over its micrographs.

    Attributes
    ----------
    total : Profile
        Of the micrographs.
    noise : Profile
        Of their noise.
    kept : Profile
        What the model that training starts from keeps of them: their cross power with
        its output. For a posterior mean this is the power of the signal.
    """

    total: Profile
    noise: Profile
    kept: Profile

    @property
    def background(self) -> Profile:
        """Power that is neither noise nor kept."""
        left: Profile = np.maximum(self.total - self.noise - self.kept, 0.0)
        return left


def join_halves(
    first: ImageTensor, second: ImageTensor, *, levels: tuple[float, float]
) -> JoinedHalves:
    """Make a micrograph of two halves, and keep their difference as noise.

    Parameters
    ----------
    first, second : ImageTensor
        Images of the same signal in the same grey scale, with independent noise.
    levels : tuple[float, float]
        Noise levels of both, in their grey values.
    """
    one, other = levels[0] ** 2, levels[1] ** 2
    share = other / (one + other)
    return JoinedHalves(
        mean=share * first + (1 - share) * second,
        corruption=levels[0] * levels[1] / (one + other) * (first - second),
    )


def unit_pair(
    noisy: ImageTensor, corruption: ImageTensor, *, tau: float, pixel_size: float
) -> UnitPair:
    """A re-corrupted pair, on the scale on which its input has unit noise.

    This is how a micrograph of a lower dose would be shown to the network. The noise
    of the target then has the variance `1 / tau²`.

    Parameters
    ----------
    noisy : ImageTensor
        A micrograph of unit noise.
    corruption : ImageTensor
        What is added and taken off.
    tau : float
        How strongly; more than 0.
    pixel_size : float
        In Å/px.
    """
    pair = recorrupted_pair(noisy, corruption, tau=tau)
    return UnitPair(
        noisier=pair.noisier / pair.level,
        target=pair.target / pair.level,
        weight=tau**2,
        pixel_size=pixel_size,
    )


def radial_profile(image: ImageTensor) -> Profile:
    """Power spectrum of an image at `FREQUENCIES`."""
    h, w = image.shape
    rings = power_spectrum(image).cpu().numpy()
    profile: Profile = np.interp(FREQUENCIES, ring_frequencies((h, w)).numpy(), rings)
    return profile


def kept_profile(noisy: ImageTensor, denoised: ImageTensor) -> Profile:
    """Cross power of an image and its denoised estimate at `FREQUENCIES`."""
    own, estimate = radial_profile(noisy), radial_profile(denoised)
    shared: Profile = (own + estimate - radial_profile(noisy - denoised)) / 2
    return shared


def mean_profile(profiles: Sequence[Profile]) -> Profile:
    """Mean over micrographs."""
    mean: Profile = np.mean(np.stack(profiles), axis=0)
    return mean


def drawn_power(
    spectra: SessionSpectra, *, background_share: float, with_halves: bool
) -> Profile:
    """Power of what is drawn for e; with halves only the background is.

    Parameters
    ----------
    spectra : SessionSpectra
        Of the session.
    background_share : float
        Part of the background's power that counts as noise, from 0 to 1.
    with_halves : bool
        Whether the noise is measured, so that it need not be drawn.
    """
    background = background_share * spectra.background
    if with_halves:
        return background
    bounded: Profile = np.minimum(
        spectra.noise + background, LARGEST_SHARE * spectra.total
    )
    return bounded


def draw(
    profile: Profile, *, shape: tuple[int, int], rng: np.random.Generator
) -> ImageTensor:
    """Gaussian noise of a given power spectrum, on the CPU.

    Parameters
    ----------
    profile : Profile
        Its power.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    rng : np.random.Generator
        Source of the noise.
    """
    white = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    power = np.interp(ring_frequencies(shape).numpy(), FREQUENCIES, profile)
    return apply_radial_gain(white, torch.from_numpy(np.sqrt(power)))
