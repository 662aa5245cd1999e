"""The numbers about a micrograph are what their names say, where that is known."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.quality import residual_whiteness, signal_to_noise
from cryoscore_plugin.spectrum import apply_radial_gain


def noise(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((256, 256), generator=generator)


@pytest.mark.parametrize("ratio", [0.1, 4.0])
def test_signal_to_noise_is_the_ratio_of_the_powers(ratio: float) -> None:
    signal = ratio**0.5 * noise(1)
    found = signal_to_noise(signal + noise(2), signal, pixel_size=3.0)
    # About 4600 coefficients lie in the band.
    assert found == pytest.approx(ratio, rel=0.06)


def test_signal_beyond_the_particle_band_does_not_count() -> None:
    gain = (torch.arange(129) > 0.2 * 256).double()
    high = apply_radial_gain(100 * noise(1), gain)
    assert signal_to_noise(high + noise(2), high, pixel_size=3.0) < 1e-6


def test_taking_nothing_away_has_no_ratio_and_no_colour() -> None:
    image = noise(1)
    assert signal_to_noise(image, image, pixel_size=3.0) == 0
    assert residual_whiteness(image, image, pixel_size=3.0) == 0


def test_white_residuals_are_white_and_coloured_ones_are_not() -> None:
    clean = noise(1)
    white = residual_whiteness(clean + noise(2), clean, pixel_size=3.0)
    assert white == pytest.approx(1, abs=0.01)
    gain = torch.linspace(1, 0.1, 129, dtype=torch.float64)
    coloured = clean + apply_radial_gain(noise(2), gain)
    assert residual_whiteness(coloured, clean, pixel_size=3.0) < 0.9


def test_whiteness_is_the_geometric_over_the_arithmetic_mean() -> None:
    """Of a power that is 1 in half of the rings, and c in the others."""
    share, c = 0.5, 0.04
    at = torch.arange(129)
    # White in all rings, whatever the noise: the phases are random, the sizes are not.
    plane = torch.fft.rfft2(noise(2))
    white = torch.fft.irfft2(plane / plane.abs(), s=(256, 256))
    low = round(256 * 3.0 / 50)
    middle = low + (128 - low) * share
    gain = torch.where(at < middle, 1.0, c**0.5).double()
    found = residual_whiteness(
        apply_radial_gain(white, gain), torch.zeros(256, 256), pixel_size=3.0
    )
    assert found == pytest.approx(c**share / (1 - share + share * c), rel=0.03)


def test_an_image_too_small_for_the_band_has_no_ratio() -> None:
    small = noise(1)[:2, :2].contiguous()
    assert signal_to_noise(small, small / 2, pixel_size=1.0) == 0
