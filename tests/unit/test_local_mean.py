"""The slow level goes as the Gaussian's Fourier transform says, and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoscore_plugin.local_mean import without_local_mean


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.5, 50), st.booleans())
def test_a_constant_becomes_zero(h: int, w: int, sigma: float, wraps: bool) -> None:
    flat = without_local_mean(torch.full((h, w), 7.0), sigma=sigma, wraps=wraps)
    torch.testing.assert_close(flat, torch.zeros(h, w), rtol=0, atol=1e-4)


@pytest.mark.parametrize("waves", [1, 3, 8, 20])
def test_a_wave_loses_what_the_gaussian_says(waves: int) -> None:
    """A Gaussian's Fourier transform is `exp(-2 pi^2 sigma^2 k^2)`."""
    sigma, size = 10.0, 120
    phase = 2 * math.pi * waves * torch.arange(size) / size
    wave = torch.cos(phase)[:, None] + torch.cos(phase)[None]
    flat = without_local_mean(wave, sigma=sigma, wraps=True)
    left = 1 - math.exp(-2 * (math.pi * sigma * waves / size) ** 2)
    torch.testing.assert_close(flat, left * wave, rtol=0, atol=1e-3)


def test_far_from_an_edge_it_does_not_matter_what_is_beyond() -> None:
    image = torch.randn(120, 120, generator=torch.Generator().manual_seed(1))
    wrapped, cut = (
        without_local_mean(image, sigma=5.0, wraps=wraps) for wraps in (True, False)
    )
    middle = slice(40, 80)
    torch.testing.assert_close(wrapped[middle, middle], cut[middle, middle])
    assert not torch.allclose(wrapped[0], cut[0], atol=1e-3)


def test_images_of_a_batch_do_not_mix() -> None:
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    together = without_local_mean(images, sigma=2.0)
    alone = without_local_mean(images[1, 2], sigma=2.0)
    torch.testing.assert_close(together[1, 2], alone)
