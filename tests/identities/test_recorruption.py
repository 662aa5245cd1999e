"""Learning without clean images: the re-corruption family (method.md, section 3).

The best linear denoiser of a band is the regression of targets on inputs; with
Gaussian signal it is the best of all. So one number for each band, the gain, holds
what a network would learn, and the pairs are judged by it.
"""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.score import recorrupted_pair

SHAPE = (1000, 1000)
TAUS = (0.5, 1.0, 2.0)


def white(power: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return power**0.5 * torch.randn(SHAPE, generator=generator)


def learned_gain(noisier: torch.Tensor, target: torch.Tensor) -> float:
    return float((noisier * target).sum() / noisier.square().sum())


@pytest.mark.parametrize("tau", TAUS)
def test_the_errors_of_input_and_target_are_uncorrelated(tau: float) -> None:
    pair = recorrupted_pair(white(1, 1), white(1, 2), tau=tau)
    expected = (1 + tau**2) ** 0.5
    assert pair.level == expected
    assert float(pair.noisier.std()) == pytest.approx(expected, rel=0.005)
    covariance = float((pair.noisier * pair.target).mean())
    # A million products of two Gaussians, within four standard errors.
    scale = pair.noisier.std() * pair.target.std()
    assert abs(covariance) < 4e-3 * float(scale)


@pytest.mark.parametrize("tau", TAUS)
def test_the_noisy_target_teaches_what_the_clean_one_would(tau: float) -> None:
    """`E[t|u] = E[x|u]`: both regressions give `S_x / (S_x + (1 + tau²) S_n)`."""
    signal, noise_power = 2.0, 1.0
    clean = white(signal, 1)
    pair = recorrupted_pair(
        clean + white(noise_power, 2), white(noise_power, 3), tau=tau
    )
    expected = signal / (signal + pair.level**2 * noise_power)
    assert learned_gain(pair.noisier, clean) == pytest.approx(expected, abs=0.004)
    assert learned_gain(pair.noisier, pair.target) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("tau", TAUS)
def test_halves_need_no_noise_model(tau: float) -> None:
    """The corruption is half of their difference, whatever the noise is."""
    signal, noise_power = 2.0, 1.0  # of the mean of both halves
    clean = white(signal, 1)
    halves = [clean + white(2 * noise_power, seed) for seed in (2, 3)]
    mean, difference = (halves[0] + halves[1]) / 2, (halves[0] - halves[1]) / 2
    pair = recorrupted_pair(mean, difference, tau=tau)
    expected = signal / (signal + pair.level**2 * noise_power)
    assert learned_gain(pair.noisier, pair.target) == pytest.approx(expected, abs=0.01)


def test_noise2noise_is_tau_one() -> None:
    first, second = white(1, 1), white(1, 2)
    pair = recorrupted_pair((first + second) / 2, (first - second) / 2, tau=1.0)
    torch.testing.assert_close(pair.noisier, first)
    torch.testing.assert_close(pair.target, second)


@pytest.mark.parametrize("excess", [0.5, 1.0, 1.8])
@pytest.mark.parametrize("tau", TAUS)
def test_noise_that_is_overestimated_costs_signal(tau: float, excess: float) -> None:
    """Gain `(S_x + S_n - S_e) / (S_x + S_n + tau² S_e)`; negative when S_e is large."""
    signal, noise_power = 0.5, 1.0
    drawn = excess * noise_power
    clean = white(signal, 1)
    pair = recorrupted_pair(clean + white(noise_power, 2), white(drawn, 3), tau=tau)
    expected = (signal + noise_power - drawn) / (signal + noise_power + tau**2 * drawn)
    found = learned_gain(pair.noisier, pair.target)
    assert found == pytest.approx(expected, abs=0.012)


def test_noise2noise_counts_background_as_signal() -> None:
    """Gain with (S_x, S_b, S_n) = (0.2, 20, 1): 0.953, and 0.009 with it removed.

    It is removed only where the background is part of the corruption: in the input
    and not in the target.
    """
    signal, background, noise_power = 0.2, 20.0, 1.0
    clean, structure = white(signal, 1), white(background, 2)
    # At full dose, as method.md counts: a half would have twice the noise.
    first, second = (clean + structure + white(noise_power, seed) for seed in (3, 4))
    pair = recorrupted_pair((first + second) / 2, (first - second) / 2, tau=1.0)
    assert learned_gain(pair.noisier, pair.target) == pytest.approx(0.953, abs=0.002)
    assert learned_gain(first, clean) == pytest.approx(0.009, abs=0.002)


@pytest.mark.parametrize("tau", [0.0, -1.0])
def test_a_strength_that_is_not_positive_is_refused(tau: float) -> None:
    with pytest.raises(ConfigError, match="tau should be more than 0"):
        recorrupted_pair(torch.zeros(2, 2), torch.zeros(2, 2), tau=tau)
