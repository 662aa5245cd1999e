"""The Wiener filter reaches the error that theory says is the least."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.noise_model import NoiseModel, estimate_noise_model
from cryoscore_plugin.spectrum import apply_radial_gain, power_spectrum
from cryoscore_plugin.wiener import wiener_filter, wiener_gain

SHAPE = (256, 256)
SIGNAL = 50 * torch.exp(-torch.arange(129, dtype=torch.float64) / 12)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def known_model(noise_power: float) -> NoiseModel:
    spectrum = torch.full_like(SIGNAL, noise_power)
    return NoiseModel(
        spectrum=spectrum,
        total=SIGNAL + spectrum,
        level=noise_power**0.5,
        band=(0.38, 0.49),
    )


def test_the_error_of_each_ring_is_the_closed_form() -> None:
    clean = apply_radial_gain(noise(1), SIGNAL.sqrt())
    noisy = clean + 2 * noise(2)
    error = power_spectrum(wiener_filter(noisy, known_model(4.0)) - clean)
    expected = SIGNAL * 4 / (SIGNAL + 4)
    # Ring r holds about pi r coefficients; beyond ring 20 sqrt(2 / 60) is 0.18.
    ratio = error[20:] / expected[20:]
    assert float(ratio.mean()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_any_other_gain_has_a_larger_error(factor: float) -> None:
    clean = apply_radial_gain(noise(1), SIGNAL.sqrt())
    noisy = clean + 2 * noise(2)
    best = wiener_filter(noisy, known_model(4.0))
    other = wiener_filter(noisy, known_model(4.0 * factor))
    assert (best - clean).square().mean() < (other - clean).square().mean()


def test_without_noise_nothing_changes() -> None:
    image = noise(3)
    filtered = wiener_filter(image, known_model(1e-12))
    torch.testing.assert_close(filtered, image, rtol=0, atol=1e-5)


def test_noise_alone_goes_and_the_mean_stays() -> None:
    image = noise(4) + 30
    filtered = wiener_filter(image, estimate_noise_model(image))
    assert float(filtered.mean()) == pytest.approx(30, abs=0.05)
    assert filtered.std() < 0.2 * image.std()


def test_a_ring_without_any_power_gets_nothing() -> None:
    nothing = torch.zeros(3, dtype=torch.float64)
    assert not wiener_gain(nothing, nothing).any()
