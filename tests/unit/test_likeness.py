"""Figures by band and by ring are those of the whole, in that part of frequency."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.fidelity import (
    band_correlation,
    calibration_slope,
    cross_half_risk,
    signal_to_error,
)
from cryoscore_plugin.evaluation.likeness import (
    BANDS,
    RESIDUAL_RINGS,
    RINGS,
    by_band,
    figures_with_half,
    figures_with_truth,
    likeness,
    residual_rings,
    ring_products,
    whole_band,
)
from cryoscore_plugin.evaluation.products import band_products
from cryoscore_plugin.spectrum import fourier_ring_correlation

PIXEL_SIZE = 4.0


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A truth, and an image that is too faint and noisy."""
    rng = np.random.default_rng(1)
    truth = ndimage.gaussian_filter(rng.standard_normal((128, 160)), 2) * 10
    image = 0.7 * truth + rng.standard_normal((128, 160))
    return image.astype(np.float32), truth.astype(np.float32)


def test_figures_of_a_band_are_those_in_that_band(pair):
    figures = figures_with_truth(*pair, pixel_size=PIXEL_SIZE)
    figures |= figures_with_half(*pair, pixel_size=PIXEL_SIZE)
    judges = {
        "correlation": band_correlation,
        "slope": calibration_slope,
        "snr": signal_to_error,
        "cross_half_risk": cross_half_risk,
        "cross_half_correlation": band_correlation,
    }
    for name, judge in judges.items():
        assert figures[name] == pytest.approx(judge(*pair, pixel_size=PIXEL_SIZE))
        for longest, shortest in BANDS:
            expected = judge(
                *pair, pixel_size=PIXEL_SIZE, band=(1 / longest, 1 / shortest)
            )
            found = figures[f"{name}_{longest}_{shortest}"]
            assert found == pytest.approx(expected)
            assert by_band(figures)[f"{longest}-{shortest} Å"][name] == found
    assert set(whole_band(figures)) == set(judges)


def test_bands_beyond_half_the_sampling_are_left_out(pair):
    figures = figures_with_truth(*pair, pixel_size=12.0)
    assert "slope_50_20" in figures
    assert "slope_20_10" not in figures
    assert list(by_band(figures)) == ["250-50 Å", "50-20 Å"]


def test_risk_of_bands_adds_up_to_that_of_the_whole():
    """Every coefficient counts in one band, and the mean square is the variance."""
    rng = np.random.default_rng(3)
    one, other = rng.standard_normal((2, 90, 96)).astype(np.float32)
    # None of them is the frequency of a coefficient, which would count twice.
    bands = list(pairwise([0.0, 0.0501, 0.1003, 0.20017, 1.0]))
    found = band_products(one, other, pixel_size=2.0, bands=bands)
    assert found.error.sum() == pytest.approx(
        np.mean((one - other) ** 2, dtype=np.float64)
    )
    assert found.count.sum() == one.size


def test_correlation_and_slope_are_those_of_scipy():
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((64, 64)).astype(np.float32)
    image = (truth + rng.standard_normal((64, 64))).astype(np.float32)
    image -= image.mean()
    truth -= truth.mean()
    everything = [(0.0, 1.0)]
    found = band_products(image, truth, pixel_size=1.0, bands=everything)
    line = stats.linregress(image.ravel(), truth.ravel())
    assert found.slope[0] == pytest.approx(line.slope, rel=1e-5)
    assert found.correlation[0] == pytest.approx(line.rvalue, rel=1e-5)


def test_rings_agree_with_the_fourier_ring_correlation(pair):
    image, truth = (x[:, :128] for x in pair)
    found = ring_products(image, truth, pixel_size=PIXEL_SIZE)
    middle = (RINGS[:-1] + RINGS[1:]) / 2
    curve = fourier_ring_correlation(torch.from_numpy(image), torch.from_numpy(truth))
    frequency = np.arange(len(curve)) / (128 * PIXEL_SIZE)
    expected = np.interp(middle, frequency, curve.numpy())
    # Rings of 0.004 1/Å hold two of the narrow ones.
    strong = found.true > 1e-3
    assert strong.sum() > 8
    np.testing.assert_allclose(found.correlation[strong], expected[strong], atol=0.1)
    blank = ring_products(np.zeros_like(truth), truth, pixel_size=PIXEL_SIZE)
    np.testing.assert_allclose(blank.relative_error, 1)


def test_what_was_taken_away_is_flat_if_it_is_white():
    rng = np.random.default_rng(5)
    raw = rng.standard_normal((256, 256)).astype(np.float32)
    rings = residual_rings(np.zeros_like(raw), raw, pixel_size=2.0)
    edges = RESIDUAL_RINGS[1:]
    np.testing.assert_allclose(rings[(edges > 0.02) & (edges < 0.25)], 1, atol=0.15)
    assert np.isnan(rings[edges > 0.27]).all()
    assert np.isnan(residual_rings(raw, raw, pixel_size=2.0)).all()
    smooth = ndimage.gaussian_filter(raw, 1.5)
    red = residual_rings(np.zeros_like(raw), smooth, pixel_size=2.0)
    assert red[3] > 10 * red[20]


def test_only_what_is_known_is_compared(pair):
    found = likeness(pair[0], pixel_size=PIXEL_SIZE, raw=pair[1])
    assert set(found.figures) == {"residual_whiteness"}
    assert found.truth is found.half is None
    assert found.residual is not None


def test_images_that_are_too_small_are_refused():
    tiny = np.ones((2, 2), dtype=np.float32)
    with pytest.raises(InputError, match="Take a larger image"):
        figures_with_truth(tiny, tiny, pixel_size=1.0)
