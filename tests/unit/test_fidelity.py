"""Figures of likeness equal their closed forms on images made of waves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.fidelity import (
    band_correlation,
    calibration_slope,
    cross_half_risk,
    empty_ice_ratio,
    near_particles,
    signal_to_error,
)

SHAPE = (96, 128)
PIXEL_SIZE = 4.0
# 8 and 16 periods in 512 Å: inside the band from 1/250 to 1/10.
INSIDE, ALSO_INSIDE, TOO_COARSE = 8, 16, 1
FIGURES = [band_correlation, calibration_slope, signal_to_error, cross_half_risk]


def wave(periods: int, amplitude: float = 1.0) -> np.ndarray:
    """A wave along x; two of different periods are orthogonal, power a² / 2."""
    x = np.arange(SHAPE[1]) / SHAPE[1]
    row = amplitude * np.cos(2 * np.pi * periods * x + 0.3)
    return np.tile(row, (SHAPE[0], 1)).astype(np.float32)


@given(st.floats(0.1, 10), st.floats(0.0, 10))
def test_waves_give_the_closed_forms(gain, error):
    truth = wave(INSIDE)
    image = gain * truth + wave(ALSO_INSIDE, error)
    own = gain**2 + error**2
    at = partial(pytest.approx, rel=1e-4)
    measured = {
        figure: figure(image.astype(np.float32), truth, pixel_size=PIXEL_SIZE)
        for figure in FIGURES
    }
    assert measured[band_correlation] == at(gain / np.sqrt(own))
    assert measured[calibration_slope] == at(gain / own)
    wrong = (gain - 1) ** 2 + error**2
    assert measured[cross_half_risk] == at(wrong / 2, abs=1e-6)
    if wrong > 1e-3:
        assert measured[signal_to_error] == at(1 / wrong)


@pytest.mark.parametrize("figure", FIGURES)
def test_waves_outside_the_band_do_not_count(figure):
    truth, image = wave(INSIDE), wave(INSIDE, 0.5) + wave(ALSO_INSIDE)
    rest = wave(TOO_COARSE, 30.0) + np.float32(1000)
    expected = figure(image, truth, pixel_size=PIXEL_SIZE)
    assert figure(image + rest, truth, pixel_size=PIXEL_SIZE) == pytest.approx(
        expected, rel=1e-3
    )
    # The same wave is inside at half the pixel size, and where the band says so.
    assert figure(image + rest, truth, pixel_size=PIXEL_SIZE / 3) != pytest.approx(
        expected, rel=1e-1
    )
    wide = figure(image + rest, truth, pixel_size=PIXEL_SIZE, band=(1 / 600, 1 / 10))
    assert wide != pytest.approx(expected, rel=1e-1)


def test_correlation_with_noise_is_that_of_the_powers():
    # Signal and noise of the same spectrum: c = sqrt(S / (S + N)) = 0.6.
    rng = np.random.default_rng(5)
    truth = rng.normal(0, 3, (256, 256)).astype(np.float32)
    noisy = truth + rng.normal(0, 4, truth.shape).astype(np.float32)
    found = band_correlation(noisy, truth, pixel_size=PIXEL_SIZE)
    # About 40 000 coefficients in the band: standard error 0.64 / 200.
    assert found == pytest.approx(0.6, abs=0.015)


@pytest.mark.parametrize("shape", [(64, 64), (63, 64), (64, 63), (65, 47)])
def test_the_whole_band_gives_the_mean_square(shape):
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=(2, *shape)).astype(np.float32)
    risk = cross_half_risk(first, second, pixel_size=1.0, band=(0.0, 1.0))
    assert risk == pytest.approx(np.square(first - second).mean(), rel=1e-5)


def test_the_whole_band_gives_what_scipy_gives_for_pixels():
    rng = np.random.default_rng(8)
    truth = rng.normal(size=(64, 63)).astype(np.float32)
    image = (0.4 * truth + rng.normal(size=truth.shape)).astype(np.float32)
    whole = {"pixel_size": 1.0, "band": (1e-9, 1.0)}  # all but the mean
    line = stats.linregress(image.ravel(), truth.ravel())
    assert calibration_slope(image, truth, **whole) == pytest.approx(line.slope)
    assert band_correlation(image, truth, **whole) == pytest.approx(line.rvalue)
    error = (image - truth).var(dtype=np.float64)
    expected = truth.var(dtype=np.float64) / error
    assert signal_to_error(image, truth, **whole) == pytest.approx(expected)


def test_the_smaller_cross_half_risk_is_the_smaller_error():
    rng = np.random.default_rng(7)
    truth = wave(INSIDE)
    one, other = truth + rng.normal(0, 1, (2, *SHAPE)).astype(np.float32)
    outputs = [gain * one for gain in (0.2, 0.6, 1.0)]
    risks = [cross_half_risk(x, other, pixel_size=PIXEL_SIZE) for x in outputs]
    errors = [cross_half_risk(x, truth, pixel_size=PIXEL_SIZE) for x in outputs]
    assert np.argsort(risks).tolist() == np.argsort(errors).tolist()
    # The risk of each is its error plus the same noise power.
    noise = cross_half_risk(other, truth, pixel_size=PIXEL_SIZE)
    np.testing.assert_allclose(np.subtract(risks, errors), noise, rtol=0.1)


def test_a_blank_image_has_no_likeness():
    truth, blank = wave(INSIDE), np.zeros(SHAPE, dtype=np.float32)
    assert band_correlation(blank, truth, pixel_size=PIXEL_SIZE) == 0
    assert np.isnan(calibration_slope(blank, truth, pixel_size=PIXEL_SIZE))
    assert signal_to_error(blank, truth, pixel_size=PIXEL_SIZE) == pytest.approx(1)
    assert signal_to_error(truth, truth, pixel_size=PIXEL_SIZE) > 1e9


@given(st.integers(0, 5), st.floats(1, 20))
def test_pixels_near_particles_are_those_within_the_distance(count, distance):
    centers = np.random.default_rng(count).uniform(0, 40, (count, 2))
    y, x = np.indices((40, 30))
    expected = np.zeros((40, 30), dtype=bool)
    for cy, cx in centers:
        expected |= np.hypot(y - cy, x - cx) <= distance
    near = near_particles(centers, shape=(40, 30), distance=distance)
    np.testing.assert_array_equal(near, expected)


def test_empty_ice_is_measured_in_units_of_particles():
    particles = np.zeros(SHAPE, dtype=bool)
    particles[:, :40] = True
    empty = np.zeros(SHAPE, dtype=bool)
    empty[:, 80:] = True
    image = np.random.default_rng(8).normal(size=SHAPE).astype(np.float32)
    image[:, 40:80] *= 50  # belongs to neither
    image[:, 80:] = 5 + 0.1 * image[:, 80:]
    ratio = empty_ice_ratio(image, particles=particles, empty=empty)
    # 96 x 40 and 96 x 48 values: relative standard errors of 1.1 % each.
    assert ratio == pytest.approx(0.1, rel=0.06)


def test_masks_without_pixels_are_refused_with_advice():
    image, nothing = wave(INSIDE), np.zeros(SHAPE, dtype=bool)
    with pytest.raises(InputError, match="smaller distance"):
        empty_ice_ratio(image, particles=nothing, empty=~nothing)
    with pytest.raises(InputError, match="smaller distance"):
        empty_ice_ratio(image, particles=~nothing, empty=nothing)
    with pytest.raises(InputError, match="all their pixels are equal"):
        empty_ice_ratio(0 * image, particles=~nothing, empty=~nothing)


def test_images_that_cannot_be_compared_are_refused_with_advice():
    small = np.ones((16, 16), dtype=np.float32)
    with pytest.raises(InputError, match="Take a larger image"):
        band_correlation(small, small, pixel_size=1.0, band=(1 / 250, 1 / 100))
