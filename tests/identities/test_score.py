"""Denoised estimate, score and covariance are one thing (method.md, section 3).

Two priors with closed forms: Gaussian and stationary, where everything happens
frequency by frequency; and single pixels that are bright or dark, where nothing is
Gaussian and everything happens pixel by pixel.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.excess import BANDS
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.score import (
    apply_covariance,
    denoised_from_score,
    posterior_covariance_product,
    posterior_variance,
    score_derivative,
    score_from_denoised,
)
from cryoscore_plugin.spectrum import frequency_grid

SHAPES = [(24, 24), (21, 30), (32, 17)]
AMPLITUDE = 1.5
NOISE = 0.8


def noise(shape: tuple[int, int], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def spectra(shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Power of a signal that falls, and of noise that rises, with frequency."""
    frequency = frequency_grid(shape)
    return 5 * torch.exp(-8 * frequency), 0.5 + frequency


class Gaussian:
    """Gaussian prior: posterior mean, score and covariance in closed form."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.signal, self.noise = spectra(shape)

    def denoise(self, noisy: torch.Tensor) -> torch.Tensor:
        return apply_covariance(noisy, self.signal / (self.signal + self.noise))

    def score(self, noisy: torch.Tensor) -> torch.Tensor:
        return -apply_covariance(noisy, 1 / (self.signal + self.noise))

    def covariance(self, direction: torch.Tensor) -> torch.Tensor:
        gain = self.signal * self.noise / (self.signal + self.noise)
        return apply_covariance(direction, gain)


def two_levels(noisy: torch.Tensor) -> torch.Tensor:
    """Posterior mean of pixels that are plus or minus `AMPLITUDE`, equally often."""
    return AMPLITUDE * torch.tanh(AMPLITUDE * noisy / NOISE**2)


def log_density(noisy: torch.Tensor) -> torch.Tensor:
    """Log density of such a pixel in white noise, up to a constant."""
    return torch.logsumexp(
        torch.stack(
            [-((noisy - x) ** 2) / (2 * NOISE**2) for x in (AMPLITUDE, -AMPLITUDE)]
        ),
        dim=0,
    )


def white(shape: tuple[int, int]) -> torch.Tensor:
    return torch.full((shape[0], shape[1] // 2 + 1), NOISE**2)


@pytest.mark.parametrize("shape", SHAPES)
def test_tweedie_turns_the_wiener_filter_into_the_gaussian_score(
    shape: tuple[int, int],
) -> None:
    prior, noisy = Gaussian(shape), noise(shape, 1)
    score = score_from_denoised(noisy, prior.denoise(noisy), prior.noise)
    torch.testing.assert_close(score, prior.score(noisy), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_tweedie_turns_the_gaussian_score_into_the_wiener_filter(
    shape: tuple[int, int],
) -> None:
    prior, noisy = Gaussian(shape), noise(shape, 1)
    denoised = denoised_from_score(noisy, prior.score(noisy), prior.noise)
    torch.testing.assert_close(denoised, prior.denoise(noisy), rtol=1e-4, atol=1e-5)


def test_tweedie_gives_the_score_of_pixels_that_are_not_gaussian() -> None:
    noisy = noise((16, 16), 2).requires_grad_()
    (expected,) = torch.autograd.grad(log_density(noisy).sum(), noisy)
    noisy = noisy.detach()
    score = score_from_denoised(noisy, two_levels(noisy), white((16, 16)))
    torch.testing.assert_close(score, expected, rtol=1e-4, atol=1e-5)


def test_the_posterior_score_is_the_mean_score_of_the_noise_alone() -> None:
    """`grad log p(y) = E[grad_y log p(y|x) | y]`, over draws from the posterior."""
    shape = (8, 8)
    noisy = 0.5 * noise(shape, 3)
    bright = torch.sigmoid(2 * AMPLITUDE * noisy / NOISE**2)
    generator = torch.Generator().manual_seed(4)
    draws = torch.rand((20_000, *shape), generator=generator) < bright
    clean = AMPLITUDE * (2 * draws.float() - 1)
    of_noise = ((clean - noisy) / NOISE**2).mean(dim=0)
    score = score_from_denoised(noisy, two_levels(noisy), white(shape))
    # A draw scatters by at most AMPLITUDE / NOISE²; 64 pixels stay within 4 sigma.
    tolerance = 4 * AMPLITUDE / NOISE**2 / 20_000**0.5
    torch.testing.assert_close(of_noise, score, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_posterior_mean_of_the_clean_score_is_the_noisy_score(
    shape: tuple[int, int],
) -> None:
    """Target score identity. A Gaussian's score is linear: its mean is that at E[x|y]."""
    prior, noisy = Gaussian(shape), noise(shape, 1)
    mean_target_score = -apply_covariance(prior.denoise(noisy), 1 / prior.signal)
    torch.testing.assert_close(
        score_from_denoised(noisy, prior.denoise(noisy), prior.noise),
        mean_target_score,
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_target_score_identity_holds_for_a_mixture() -> None:
    """Two Gaussians per pixel, integrated over the clean value on a fine grid."""
    width = 0.5
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    prior = torch.exp(-((x - AMPLITUDE) ** 2) / (2 * width**2)) + torch.exp(
        -((x + AMPLITUDE) ** 2) / (2 * width**2)
    )
    # Where both Gaussians meet, the score is their weighted mean.
    weight = torch.sigmoid(2 * AMPLITUDE * x / width**2)
    target_score = (AMPLITUDE * (2 * weight - 1) - x) / width**2
    noisy = 0.7 * noise((6, 5), 5)
    likelihood = torch.exp(-((noisy.double()[..., None] - x) ** 2) / (2 * NOISE**2))
    posterior = likelihood * prior
    posterior /= posterior.sum(dim=-1, keepdim=True)
    mean, mean_target_score = (
        (posterior * values).sum(dim=-1).float() for values in (x, target_score)
    )
    score = score_from_denoised(noisy, mean, white((6, 5)))
    torch.testing.assert_close(score, mean_target_score, rtol=1e-4, atol=1e-5)


def test_background_in_the_corruption_is_removed_and_else_it_is_kept() -> None:
    """Gain in a band with (S_x, S_b, S_n) = (0.2, 20, 1): 0.009 against 0.953."""
    signal, background, noise_power = 0.2, 20.0, 1.0
    total = signal + background + noise_power
    noisy = noise((20, 20), 6)
    flat = torch.ones(20, 11)
    score = -apply_covariance(noisy, flat / total)
    for corruption, gain in (
        (noise_power, (signal + background) / total),
        (noise_power + background, signal / total),
    ):
        denoised = denoised_from_score(noisy, score, corruption * flat)
        torch.testing.assert_close(denoised, gain * noisy, rtol=1e-4, atol=1e-5)
    assert (signal + background) / total == pytest.approx(0.953, abs=5e-4)
    assert signal / total == pytest.approx(0.009, abs=5e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_derivative_of_a_gaussian_score_is_the_inverse_covariance(
    shape: tuple[int, int],
) -> None:
    prior, direction = Gaussian(shape), noise(shape, 7)
    found = score_derivative(prior.denoise, noise(shape, 1), prior.noise, direction)
    torch.testing.assert_close(found, prior.score(direction), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_second_order_tweedie_gives_the_posterior_covariance(
    shape: tuple[int, int],
) -> None:
    """Both ways: `J Sigma`, and `Sigma + Sigma (grad grad log p) Sigma`."""
    prior, noisy, direction = Gaussian(shape), noise(shape, 1), noise(shape, 7)
    expected = prior.covariance(direction)
    found = posterior_covariance_product(prior.denoise, noisy, prior.noise, direction)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    spread = apply_covariance(direction, prior.noise)
    change = score_derivative(prior.denoise, noisy, prior.noise, spread)
    torch.testing.assert_close(
        spread + apply_covariance(change, prior.noise), expected, rtol=1e-4, atol=1e-5
    )


def test_the_variance_of_independent_pixels_is_exact_with_one_probe() -> None:
    noisy = noise((12, 10), 8)
    found = posterior_variance(
        partial(posterior_covariance_product, two_levels, noisy, white((12, 10))),
        (12, 10),
        probes=1,
        generator=torch.Generator().manual_seed(1),
    )
    expected = AMPLITUDE**2 - two_levels(noisy) ** 2  # of plus or minus AMPLITUDE
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_the_variance_of_a_gaussian_is_approached_with_many_probes() -> None:
    shape, probes = (24, 24), 400
    prior = Gaussian(shape)
    found = posterior_variance(
        partial(
            posterior_covariance_product, prior.denoise, noise(shape, 1), prior.noise
        ),
        shape,
        probes=probes,
        generator=torch.Generator().manual_seed(1),
    )
    point = torch.zeros(shape)
    point[0, 0] = 1
    row = prior.covariance(point)  # the same for all pixels, but for their place
    scatter = (2 * (row.square().sum() - row[0, 0] ** 2) / probes).sqrt()
    assert (found - row[0, 0]).abs().max() < 4.5 * scatter


def test_a_variance_without_probes_is_refused() -> None:
    with pytest.raises(ConfigError, match="probes should be at least 1"):
        posterior_variance(
            lambda signs: signs, (4, 4), probes=0, generator=torch.Generator()
        )


def test_the_real_network_is_differentiated_exactly() -> None:
    """Against the difference quotient, which is a second way."""
    torch.manual_seed(2)
    network = PreconditionedDenoiser(UNetSettings(channels=(6, 8), embedding=4))
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter)
    network = network.double().requires_grad_(requires_grad=False)
    excess = torch.ones(1, len(BANDS), dtype=torch.float64)

    def denoise(noisy: torch.Tensor) -> torch.Tensor:
        level = torch.ones(1, dtype=torch.float64)
        return network(noisy[None, None].double(), level, excess)[0, 0].float()

    noisy, direction = noise((16, 20), 1), noise((16, 20), 2)
    found = posterior_covariance_product(denoise, noisy, white((16, 20)), direction)
    # In double precision, as the quotient of a step of 1e-6 needs it.
    step = 1e-6 * NOISE**2 * direction.double()
    level = torch.ones(1, dtype=torch.float64)
    ahead, behind = (
        network((noisy.double() + sign * step)[None, None], level, excess)[0, 0]
        for sign in (1, -1)
    )
    expected = ((ahead - behind) / 2e-6).float()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
