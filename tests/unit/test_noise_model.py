"""Halves measure the noise; a single micrograph is assumed to be white below."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.noise_level import NOISE_BAND
from cryoscore_plugin.noise_model import (
    estimate_noise_model,
    estimate_noise_model_from_halves,
)
from cryoscore_plugin.spectrum import apply_radial_gain

SHAPE = (256, 256)
COLOUR = torch.linspace(2, 1, 129, dtype=torch.float64)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def signal() -> torch.Tensor:
    """Power below 0.1 cycles/px alone, a hundred times that of the noise."""
    gain = 10.0 * (torch.arange(129) < 25).double()
    return apply_radial_gain(noise(seed=0), gain)


def test_white_noise_is_found_below_the_signal() -> None:
    model = estimate_noise_model(signal() + 3 * noise(seed=1))
    assert model.level == pytest.approx(3, rel=0.02)
    assert model.band == NOISE_BAND
    torch.testing.assert_close(
        model.spectrum[1:95],
        torch.full((94,), 9.0, dtype=torch.float64),
        rtol=0.05,
        atol=0,
    )


def test_the_signal_is_what_noise_leaves() -> None:
    model = estimate_noise_model(signal() + noise(seed=1))
    assert float(model.signal[5:20].mean()) == pytest.approx(100, rel=0.1)
    # Beyond, the rings of measured noise scatter around it: a fiftieth is left.
    assert float(model.signal[40:].mean()) < 0.1


def test_halves_find_noise_of_any_colour() -> None:
    halves = [
        signal() + apply_radial_gain(noise(seed), COLOUR * 2**0.5) for seed in (1, 2)
    ]
    model = estimate_noise_model_from_halves(*halves)
    ratio = model.spectrum[10:] / COLOUR[10:] ** 2
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)
    assert float(ratio.std()) < 0.1


def test_background_counts_as_signal_of_halves() -> None:
    """It is the same in both, so that no difference can show it (method.md, 3)."""
    background = signal()
    model = estimate_noise_model_from_halves(
        background + noise(seed=1), background + noise(seed=2)
    )
    assert float(model.signal[5:20].mean()) == pytest.approx(100, rel=0.1)


def test_the_same_image_twice_is_refused_in_words() -> None:
    with pytest.raises(MicrographError, match="same image twice"):
        estimate_noise_model_from_halves(noise(1), noise(1))
