"""What a denoised half has in common with the other half, where that is known."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch
from plain_network import PlainNetwork

from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.devices import Engine
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.half_correlation import agreement, half_correlation
from cryoscore_plugin.micrograph import Micrograph

SIDE = 256
WORKING = 3.0

POWER = 0.5
"""Of the signal, where the noise of a half has power 1."""

TOLERANCE = 0.05
"""Four standard errors: 26 rings, the first of few coefficients, 6400 in all."""


def white(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((SIDE, SIDE), dtype=np.float32)


SIGNAL = sqrt(POWER) * white(1)


def image(pixels: np.ndarray, pixel_size: float = WORKING) -> Micrograph:
    return Micrograph(pixels=10 + 3 * pixels, pixel_size=pixel_size)


def compared(clean: np.ndarray, recorded: np.ndarray) -> float:
    return agreement(image(clean), image(recorded), working_pixel_size=WORKING)


@pytest.mark.parametrize(
    ("clean", "expected"),
    [
        pytest.param(SIGNAL, sqrt(POWER / (POWER + 1)), id="all that can be had"),
        pytest.param(SIGNAL + white(2), POWER / (POWER + 1), id="not denoised"),
        pytest.param(white(4), 0, id="made up"),
    ],
)
def test_agreement_is_what_the_powers_say(clean, expected) -> None:
    found = compared(clean, SIGNAL + white(3))
    assert found == pytest.approx(expected, abs=TOLERANCE)


def test_only_the_particle_band_counts() -> None:
    rows = np.fft.fftfreq(SIDE)[:, None]
    frequency = np.hypot(rows, np.fft.rfftfreq(SIDE)[None]) / WORKING
    plane = np.where(frequency > 1 / 18, np.fft.rfft2(SIGNAL), 0)
    high = np.fft.irfft2(plane, s=(SIDE, SIDE)).astype(np.float32)
    assert abs(compared(high + white(2), 5 * high + white(3))) < TOLERANCE


def test_border_and_hot_pixels_change_nothing() -> None:
    clean, recorded = SIGNAL.copy(), SIGNAL + white(3)
    whole = compared(clean, recorded)
    recorded[::37, ::41] += 1000
    clean[:8] = recorded[:8] = 0  # What motion correction fills in is the same in both.
    assert compared(clean, recorded) == pytest.approx(whole, abs=TOLERANCE)


def test_grey_scale_of_the_denoised_half_does_not_count() -> None:
    recorded = SIGNAL + white(3)
    assert compared(5 * SIGNAL, recorded) == pytest.approx(compared(SIGNAL, recorded))


def test_fine_micrographs_are_compared_at_the_working_pixel_size() -> None:
    images = [image(pixels, 1.5) for pixels in (SIGNAL, SIGNAL + white(3))]
    found = agreement(*images, working_pixel_size=WORKING)
    # A quarter of the coefficients are in the band.
    assert found == pytest.approx(sqrt(POWER / (POWER + 1)), abs=2 * TOLERANCE)


def test_an_image_too_small_for_the_band_is_an_error() -> None:
    small = image(white(1)[:32, :32], 0.5)
    with pytest.raises(MicrographError, match="too small to correlate its halves"):
        agreement(small, small, working_pixel_size=0.5)


@pytest.mark.parametrize("binned", [False, True])
def test_the_denoised_even_half_is_compared_with_the_recorded_odd_one(binned) -> None:
    denoiser = Denoiser(
        network=PlainNetwork(),
        engine=Engine(device=torch.device("cpu"), tile_size=None),
        fingerprint="test 0123456789ab",
        working_pixel_size=WORKING,
        write_binned=binned,
    )
    even, odd = image(SIGNAL + white(2), 1.5), image(SIGNAL + white(3), 1.5)
    clean = replace(denoiser, write_binned=False).denoise(even).micrograph
    expected = agreement(clean, odd, working_pixel_size=WORKING)
    assert half_correlation(denoiser, even, odd) == expected
