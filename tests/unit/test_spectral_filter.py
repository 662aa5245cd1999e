"""The learned filter is the Wiener filter, band by band."""

from __future__ import annotations

import math

import pytest
import torch

from cryoscore_plugin.excess import BANDS
from cryoscore_plugin.networks.spectral_filter import (
    SpectralFilter,
    apply_gain,
    filtered_deviation,
)
from cryoscore_plugin.spectrum import frequency_grid

SHAPE = (256, 256)


def noise(seed: int = 1, count: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, 1, *SHAPE), generator=generator)


def told(power: float) -> torch.Tensor:
    return torch.full((1, len(BANDS)), power)


@pytest.mark.parametrize("level", [0.5, 2.0])
def test_untrained_it_takes_all_that_is_told_for_signal(level: float) -> None:
    gain = SpectralFilter(1, 4)(told(3.0), torch.tensor([level]), torch.zeros(1, 1))
    torch.testing.assert_close(gain, told(3 / (3 + level**2)))


@pytest.mark.parametrize("power", [0.0, -0.1])
def test_without_excess_next_to_nothing_comes_through(power: float) -> None:
    gain = SpectralFilter(1, 4)(told(power), torch.ones(1), torch.zeros(1, 1))
    assert (gain < 0.0011).all()


def test_training_finds_the_wiener_filter_for_signal_in_background() -> None:
    """A third of what is told is background: the best gain is S / (S + B + N)."""
    torch.manual_seed(1)
    model, sigma, known = SpectralFilter(1, 8), torch.ones(16), torch.ones(16, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    excess = told(1.5).expand(16, -1)
    for step in range(60):
        signal, other = noise(2 * step, 16), noise(2 * step + 1, 16)
        u = (signal + math.sqrt(1.5) * other)[..., :64, :64]
        estimate = apply_gain(u, model(excess, sigma, known))
        loss = (estimate - signal[..., :64, :64]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fine = model(excess, sigma, known)[0, 8:]  # few coefficients are in the others
    torch.testing.assert_close(fine, torch.full_like(fine, 1 / 2.5), rtol=0.1, atol=0)


def test_one_gain_for_all_bands_ends_with_the_last() -> None:
    u = noise()
    known = frequency_grid(SHAPE) < BANDS[-1][1]
    expected = torch.fft.irfft2(0.3 * torch.fft.rfft2(u) * known, s=SHAPE)
    torch.testing.assert_close(apply_gain(u, told(0.3)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("band", [0, 7, len(BANDS) - 1])
def test_a_wave_in_the_middle_of_a_band_gets_its_gain(band: int) -> None:
    gain = told(0.0)
    gain[0, band] = 0.5
    side = 30_000  # frequencies of a row lie 1 / 30 000 cycles/px apart
    cycles = round(math.sqrt(math.prod(BANDS[band])) * side)
    wave = torch.cos(2 * torch.pi * cycles / side * torch.arange(side))
    wave = wave.expand(1, 1, 1, side)
    torch.testing.assert_close(apply_gain(wave, gain), wave / 2, rtol=0, atol=0.002)


def test_each_piece_has_a_gain_of_its_own() -> None:
    u = noise(count=2)
    gain = torch.cat([told(0.2), told(0.9)])
    both = apply_gain(u, gain)
    for n in range(2):
        alone = apply_gain(u[n : n + 1], gain[n : n + 1])
        torch.testing.assert_close(both[n : n + 1], alone)


@pytest.mark.parametrize("level", [0.7, 1.5])
def test_deviation_is_that_of_a_filtered_image_with_the_spectrum(level: float) -> None:
    u = math.sqrt(0.3 + level**2) * noise()
    found = filtered_deviation(told(0.4), told(0.3), torch.tensor([level]))
    measured = float(apply_gain(u, told(0.4)).std())
    assert float(found) == pytest.approx(measured, rel=0.02)
