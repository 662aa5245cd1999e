"""Denoised estimate and score are one thing, and so are their derivatives.

For `y = x + e` with noise `e` of covariance Sigma, the score of the noisy data is
`s(y) = grad log p(y)`, and Tweedie's formula reads `E[x|y] = y + Sigma s(y)`. So a
denoiser D that gives the posterior mean holds the score, and the other way round.
Its derivative holds the posterior covariance: with the Jacobian J of D,
`Cov[x|y] = Sigma + Sigma (grad grad log p(y)) Sigma = J Sigma`.

Noise is stationary, so that Sigma is a multiplication in Fourier space by the noise
power of each coefficient (`spectrum.power`).

A denoiser can be learned without clean images. To a noisy image, noise drawn with
the same covariance is added, and in another measure taken off: the errors of the
two images that result are uncorrelated, so that one is a target for the other
(`recorrupted_pair`).

The tests in `tests/identities` hold all of this against closed forms.

References
----------
Efron (2011), doi:10.1198/jasa.2011.tm11181 (Tweedie's formula).
Vincent (2011), doi:10.1162/NECO_a_00142 (denoising score matching).
Lehtinen et al. (2018), arXiv 1803.04189 (Noise2Noise: halves with tau = 1).
Pang et al. (2021), doi:10.1109/CVPR46437.2021.00208 (re-corruption).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.tensors import HalfPlaneMap, ImageTensor

ImageDenoiser = Callable[[ImageTensor], ImageTensor]
"""Gives the posterior mean of a noisy image; differentiable."""

ImageOperator = Callable[[ImageTensor], ImageTensor]
"""A matrix, as what it makes of an image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecorruptedPair:
    """Input and target for a denoiser, with uncorrelated errors.

    Attributes
    ----------
    noisier : ImageTensor
        The input.
    target : ImageTensor
        The target; its expectation, given the input, is that of the clean image.
    level : float
        Noise level of the input in units of that of the image it was made from.
    """

    noisier: ImageTensor
    target: ImageTensor
    level: float


def apply_covariance(image: ImageTensor, noise_power: HalfPlaneMap) -> ImageTensor:
    """Multiply an image by the covariance of stationary noise.

    Parameters
    ----------
    image : ImageTensor
        The image, taken as periodic.
    noise_power : HalfPlaneMap
        Noise power of each Fourier coefficient, in squared units of the image.
    """
    h, w = image.shape
    product: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * noise_power, s=(h, w))
    return product


def score_from_denoised(
    noisy: ImageTensor, denoised: ImageTensor, noise_power: HalfPlaneMap
) -> ImageTensor:
    """Score of the noisy data at an image, from its denoised estimate.

    Parameters
    ----------
    noisy, denoised : ImageTensor
        The image, and the mean of the clean images that could lie behind it.
    noise_power : HalfPlaneMap
        Noise power of each coefficient, more than 0.
    """
    return apply_covariance(denoised - noisy, noise_power.reciprocal())


def denoised_from_score(
    noisy: ImageTensor, score: ImageTensor, noise_power: HalfPlaneMap
) -> ImageTensor:
    """Mean of the clean images that could lie behind a noisy one, from the score.

    Parameters
    ----------
    noisy, score : ImageTensor
        The image, and the score of the noisy data there.
    noise_power : HalfPlaneMap
        Noise power of each coefficient. With structured background among the
        corruption, the sum of both powers: then it is removed as well.
    """
    return noisy + apply_covariance(score, noise_power)


def score_derivative(
    denoise: ImageDenoiser,
    noisy: ImageTensor,
    noise_power: HalfPlaneMap,
    direction: ImageTensor,
) -> ImageTensor:
    """How the score changes in a direction: product with its Jacobian, exact.

    Parameters
    ----------
    denoise : ImageDenoiser
        The denoiser D.
    noisy : ImageTensor
        Where.
    noise_power : HalfPlaneMap
        Noise power of each coefficient, more than 0.
    direction : ImageTensor
        The direction.
    """
    change = _directional_derivative(denoise, noisy, direction)
    return score_from_denoised(direction, change, noise_power)


def posterior_covariance_product(
    denoise: ImageDenoiser,
    noisy: ImageTensor,
    noise_power: HalfPlaneMap,
    direction: ImageTensor,
) -> ImageTensor:
    """Multiply an image by the covariance of the clean images behind a noisy one.

    Parameters
    ----------
    denoise : ImageDenoiser
        The denoiser D.
    noisy : ImageTensor
        The noisy image.
    noise_power : HalfPlaneMap
        Noise power of each coefficient.
    direction : ImageTensor
        The image to be multiplied.
    """
    spread = apply_covariance(direction, noise_power)
    return _directional_derivative(denoise, noisy, spread)


def posterior_variance(
    covariance_product: ImageOperator,
    shape: tuple[int, int],
    *,
    probes: int,
    generator: torch.Generator,
) -> ImageTensor:
    """Variance of each pixel of the clean image that lies behind a noisy one.

    Parameters
    ----------
    covariance_product : ImageOperator
        Multiplies an image by the posterior covariance.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    probes : int
        Images of random signs that are multiplied by the covariance. The error
        falls with the square root of their number; it comes from covariances
        between pixels.
    generator : torch.Generator
        Draws the signs, on the CPU, so that they are the same on every device.

    Raises
    ------
    ConfigError
        If there is no probe.

    References
    ----------
    Bekas, Kokiopoulou and Saad (2007), doi:10.1016/j.apnum.2007.01.003.
    """
    if probes < 1:
        msg = f"probes should be at least 1, but is {probes}. Try 16."
        raise ConfigError(msg)
    total = torch.zeros(())
    for _ in range(probes):
        signs = torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
        product = covariance_product(signs)
        total = total.to(product) + signs.to(product) * product
    return total / probes


def recorrupted_pair(
    noisy: ImageTensor, corruption: ImageTensor, *, tau: float
) -> RecorruptedPair:
    """Input `y + tau e` and target `y - e / tau`.

    Parameters
    ----------
    noisy : ImageTensor
        The image y; with halves, their mean.
    corruption : ImageTensor
        The noise e, independent of that in y and of the same covariance. With
        halves it is measured: half of their difference. If it is drawn from a
        covariance that is too large, signal is lost: better too small.
    tau : float
        Strength, more than 0. With halves, 1 gives one as input and the other as
        target, which is Noise2Noise.

    Raises
    ------
    ConfigError
        If `tau` is not positive.
    """
    if tau <= 0:
        msg = f"tau should be more than 0, but is {tau}. Try 1."
        raise ConfigError(msg)
    return RecorruptedPair(
        noisier=noisy + tau * corruption,
        target=noisy - corruption / tau,
        level=(1 + tau**2) ** 0.5,
    )


def _directional_derivative(
    denoise: ImageDenoiser, noisy: ImageTensor, direction: ImageTensor
) -> ImageTensor:
    """Product of the Jacobian of the denoiser with a direction, exact.

    By differentiating backwards twice, which works for every layer; torch's forward
    mode compiles parts of itself with a deprecated compiler, and warns.
    """
    # torch leaves the type of this function open.
    derivative: Tensor = torch.autograd.functional.jvp(  # type: ignore[no-untyped-call]
        denoise, noisy, direction
    )[1]
    return derivative
