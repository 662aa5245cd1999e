"""Power is per coefficient, rings are circles, and correlation is what noise makes it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.spectrum import (
    apply_radial_gain,
    band_mean,
    fourier_ring_correlation,
    frequency_grid,
    mode_counts,
    power,
    power_spectrum,
    ring_frequencies,
)

SHAPES = st.tuples(st.integers(2, 33), st.integers(2, 33))


def noise(shape: tuple[int, int], seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(SHAPES)
def test_counted_power_is_the_sum_of_squares(shape: tuple[int, int]) -> None:
    """Parseval: also says that the half plane counts its columns rightly."""
    image = noise(shape)
    total = (power(image) * mode_counts(shape)).sum()
    torch.testing.assert_close(total, image.square().sum(), rtol=1e-4, atol=1e-4)


@given(SHAPES)
def test_counts_of_the_half_plane_make_the_full_plane(shape: tuple[int, int]) -> None:
    assert mode_counts(shape).sum() == math.prod(shape)


@pytest.mark.parametrize("shape", [(128, 128), (127, 160), (200, 97)])
def test_white_noise_has_its_variance_in_every_ring(shape: tuple[int, int]) -> None:
    spectrum = power_spectrum(3 * noise(shape))
    # A ring of m independent coefficients has relative error sqrt(2 / m); m is
    # about pi r for ring r, of which the inner ones are left out.
    ring = torch.arange(len(spectrum))
    error = (spectrum[5:] / 9 - 1).abs() / (2 / (math.pi * ring[5:])).sqrt()
    assert error.max() < 4.5


@pytest.mark.parametrize("shape", [(60, 60), (60, 90), (45, 90)])
def test_a_sine_wave_has_power_in_the_ring_of_its_frequency(
    shape: tuple[int, int],
) -> None:
    x = torch.arange(shape[1], dtype=torch.float32)
    image = torch.sin(2 * math.pi * x / 7.5).expand(shape).contiguous()
    brightest = power_spectrum(image).argmax()
    assert ring_frequencies(shape)[brightest] == pytest.approx(1 / 7.5)


def test_an_image_agrees_with_itself_in_every_ring() -> None:
    image = noise((40, 51))
    correlation = fourier_ring_correlation(image, 5 * image)
    torch.testing.assert_close(correlation, torch.ones_like(correlation))


def test_equal_noise_on_one_image_gives_the_root_of_a_half() -> None:
    first = noise((256, 256), seed=1)
    second = first + noise((256, 256), seed=2)
    correlation = fourier_ring_correlation(first, second)[20:]
    assert float(correlation.mean()) == pytest.approx(math.sqrt(0.5), abs=0.01)


def test_an_empty_image_correlates_with_nothing() -> None:
    image = noise((16, 16))
    assert not fourier_ring_correlation(image, torch.zeros_like(image)).any()


def test_a_band_without_coefficients_has_no_mean() -> None:
    assert band_mean(power(noise((2, 2))), (0.1, 0.2), shape=(2, 2)) is None


def test_a_band_holds_the_coefficients_between_its_limits() -> None:
    shape = (32, 48)
    power_map = frequency_grid(shape)  # any map will do: this one tells itself
    mean = band_mean(power_map, (0.2, 0.3), shape=shape)
    assert mean is not None
    assert 0.2 < mean < 0.3
    assert band_mean(power_map, (0.0, 0.0), shape=shape) == 0


@given(SHAPES)
def test_a_gain_of_one_changes_nothing(shape: tuple[int, int]) -> None:
    image = noise(shape)
    gain = torch.ones(min(shape) // 2 + 1, dtype=torch.float64)
    torch.testing.assert_close(apply_radial_gain(image, gain), image, rtol=0, atol=1e-5)


def test_a_gain_acts_on_its_own_ring() -> None:
    image = noise((64, 64))
    gain = torch.linspace(0.5, 2, 33, dtype=torch.float64)
    before, after = (
        power_spectrum(image),
        power_spectrum(apply_radial_gain(image, gain)),
    )
    # Linear within a ring, so that its mean gain squared is that of its centre but
    # for the variation over the ring's width.
    torch.testing.assert_close(after / before, gain**2, rtol=0.05, atol=0.01)
