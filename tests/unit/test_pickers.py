"""Pickers find what they look for, where it is, and nothing in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pickers import (
    find_picks,
    is_inside,
    laplacian_of_gaussian,
    template_correlation,
)


def noise(shape, seed=3) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(values, 1.0).astype(np.float32)


def disc(shape, center_yx, diameter, depth=-1.0) -> np.ndarray:
    """A disc with soft edges, dark unless `depth` is positive."""
    y, x = np.indices(shape)
    radius = np.hypot(y - center_yx[0], x - center_yx[1])
    return (depth * np.clip(diameter / 2 + 0.5 - radius, 0, 1)).astype(np.float32)


def test_a_disc_gives_the_closed_form_in_its_centre():
    # Over a disc of radius r the Laplacian of a Gaussian integrates to
    # -(r / sigma)² exp(-r² / 2 sigma²) / sigma², and r² = 2 sigma² here: 2 / e.
    image = disc((128, 128), (64, 64), 40)
    response = laplacian_of_gaussian(image, diameter=40.0)
    assert response[64, 64] == pytest.approx(2 / np.e, rel=0.01)


def test_no_other_diameter_responds_more_to_a_disc():
    image = disc((160, 160), (80, 80), 40)
    responses = {
        d: laplacian_of_gaussian(image, diameter=d)[80, 80]
        for d in (28.0, 32.0, 36.0, 40.0, 44.0, 48.0, 52.0)
    }
    assert max(responses, key=responses.__getitem__) == 40


def test_the_contrast_decides_the_sign():
    image = noise((64, 48))
    dark = laplacian_of_gaussian(image, diameter=12.0)
    bright = laplacian_of_gaussian(-image, diameter=12.0, protein="bright")
    np.testing.assert_allclose(dark, bright, atol=1e-6)


def test_dark_discs_are_found_where_they_are_and_bright_ones_are_not():
    truth = np.array([[30.0, 40.0], [90.0, 35.0], [60.0, 100.0]])
    image = sum(disc((128, 144), center, 24) for center in truth)
    image += disc((128, 144), (100, 110), 24, depth=1.0)
    picks = find_picks(laplacian_of_gaussian(image, diameter=24.0), min_distance=12.0)
    assert sorted(map(tuple, picks.centers_yx[:3])) == sorted(map(tuple, truth))
    assert picks.scores[3] < 0.3 * picks.scores[2]


@given(st.floats(1.0, 12.0), st.integers(0, 99))
def test_no_two_picks_are_too_close(min_distance, seed):
    picks = find_picks(noise((40, 30), seed), min_distance=min_distance)
    gaps = np.linalg.norm(picks.centers_yx[:, None] - picks.centers_yx, axis=2)
    assert (gaps[np.triu_indices(len(picks), 1)] >= min_distance).all()


@given(st.integers(0, 99))
def test_every_maximum_left_out_is_near_a_better_pick(seed):
    response = noise((40, 30), seed)
    kept, every = (find_picks(response, min_distance=d) for d in (8.0, 1.0))
    for center, score in zip(every.centers_yx, every.scores, strict=True):
        gaps = np.linalg.norm(kept.centers_yx - center, axis=1)
        assert ((gaps < 8) & (kept.scores >= score)).any()


def test_no_pick_is_in_the_border():
    response = noise((60, 50))
    picks = find_picks(response, min_distance=1.0, border=10.0)
    y, x = picks.centers_yx.T
    assert y.min() >= 10
    assert y.max() <= 49
    assert x.min() >= 10
    assert x.max() <= 39


def test_a_position_on_the_limit_is_inside():
    centers = np.array([[10.0, 10.0], [49.0, 39.0], [9.9, 20.0], [20.0, 39.1]])
    inside = is_inside(centers, shape=(60, 50), border=10.0)
    assert inside.tolist() == [True, True, False, False]


def test_a_flat_image_has_no_picks():
    flat = np.full((32, 32), 5.0, dtype=np.float32)
    assert len(find_picks(flat, min_distance=3.0)) == 0
    assert (
        len(find_picks(template_correlation(flat, noise((9, 9))), min_distance=3.0))
        == 0
    )


@pytest.mark.parametrize("side", [16, 17])
def test_a_template_correlates_fully_with_itself_at_any_grey_scale(side):
    image = noise((96, 80))
    top, left = 30, 41
    template = image[top : top + side, left : left + side].copy()
    correlation = template_correlation(1000 + 7 * image, template)
    center = (top + side // 2, left + side // 2)
    assert correlation[center] == pytest.approx(1, abs=1e-5)
    assert np.unravel_index(correlation.argmax(), correlation.shape) == center
    assert np.abs(correlation).max() <= 1 + 1e-5
    inverted = template_correlation(-image, template)
    np.testing.assert_allclose(inverted, -correlation, atol=1e-5)


def test_correlation_equals_numpy_on_one_disc():
    image, template = noise((40, 40)), noise((11, 11), seed=8)
    y, x = np.mgrid[:11, :11] - 5
    inside = np.hypot(y, x) <= 4.5
    here = image[12:23, 20:31]
    expected = np.corrcoef(here[inside], template[inside])[0, 1]
    found = template_correlation(image, template)[17, 25]
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_template_that_does_not_fit_is_refused_with_advice():
    with pytest.raises(InputError, match="Cut or bin it"):
        template_correlation(noise((16, 16)), noise((17, 17)))
    with pytest.raises(InputError, match="must be square"):
        template_correlation(noise((32, 32)), noise((8, 9)))
