"""The noise level is that of white noise, local, and deaf to everything but noise."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.noise_level import (
    LEVEL_RANGE,
    LOWER_BANDS,
    NOISE_BAND,
    local_level,
    noise_band,
)
from cryoscore_plugin.spectrum import apply_radial_gain, power, ring_frequencies

BANDS = (NOISE_BAND, *LOWER_BANDS)


def noise(shape: tuple[int, int]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(9))


def low_passed(image: torch.Tensor, limit: float) -> torch.Tensor:
    frequency = ring_frequencies(tuple(image.shape))
    return apply_radial_gain(image, (frequency < limit).double())


@pytest.mark.parametrize("shape", [(300, 300), (257, 400)])
@pytest.mark.parametrize("band", BANDS)
def test_white_noise_has_its_standard_deviation_in_every_band(
    shape: tuple[int, int], band: tuple[float, float]
) -> None:
    level = local_level(2.5 * noise(shape), band, pixel_size=3.0)
    # The narrowest band holds 7 % of the coefficients: 5000 of them, to 1 %.
    assert float(level.mean()) == pytest.approx(2.5, rel=0.03)


def test_a_slow_change_of_the_noise_is_followed() -> None:
    """Twice the noise at the right: far from the step both sides are right."""
    image = noise((256, 2400))
    image[:, 1200:] *= 2
    level = local_level(image, NOISE_BAND, pixel_size=3.0)
    assert float(level[:, :400].mean()) == pytest.approx(1, rel=0.05)
    assert float(level[:, -400:].mean()) == pytest.approx(2, rel=0.05)
    # 600 Å are 200 px: in the middle, half of the power of either side.
    assert float(level[:, 1200].mean()) == pytest.approx(2.5**0.5, rel=0.05)


def test_the_level_is_flat_up_to_the_edges() -> None:
    level = local_level(noise((512, 512)), NOISE_BAND, pixel_size=3.0)
    assert level[0, 0] / level[256, 256] == pytest.approx(1, abs=0.05)


def test_signal_at_low_frequency_changes_nothing() -> None:
    image = noise((200, 200))
    x = torch.arange(200) * 2 * torch.pi / 200
    wave = 100 * (torch.sin(3 * x)[:, None] + torch.cos(5 * x))
    plain, loud = (
        local_level(i, NOISE_BAND, pixel_size=3.0) for i in (image, image + wave)
    )
    torch.testing.assert_close(loud, plain, rtol=1e-3, atol=0)


def test_a_ramp_which_is_not_periodic_changes_little() -> None:
    image = noise((200, 200))
    ramp = torch.linspace(-5, 5, 200)[:, None].expand(200, 200)
    plain, tilted = (
        local_level(i, NOISE_BAND, pixel_size=3.0) for i in (image, image + ramp)
    )
    torch.testing.assert_close(tilted, plain, rtol=0.02, atol=0)


def test_the_level_stays_within_its_range() -> None:
    image = noise((256, 2400))
    image[:, 1800:] *= 1e-3
    level = local_level(image, NOISE_BAND, pixel_size=3.0)
    assert float(level.min() / level.median()) == pytest.approx(LEVEL_RANGE[0])


@pytest.mark.parametrize(("number", "limit"), [(0, 1.0), (1, 0.37), (2, 0.27)])
def test_an_empty_band_is_left_for_the_next_lower_one(
    number: int, limit: float
) -> None:
    image = low_passed(noise((240, 240)), limit)
    assert noise_band(power(image), shape=(240, 240)) == BANDS[number]


def test_noise_that_a_detector_has_coloured_is_still_noise() -> None:
    """Power falls to a fifth towards the edge, as after a detector's response."""
    gain = torch.linspace(1, 0.2, 121, dtype=torch.float64).sqrt()
    image = apply_radial_gain(noise((240, 240)), gain)
    assert noise_band(power(image), shape=(240, 240)) == NOISE_BAND
