"""The mixture of views and nothing, against brute force and its own definition."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.guidance.mixture import (
    MixturePrior,
    Scene,
    log_likelihoods,
    posterior_mean_of_views,
    probability_of_particles,
    window_logsumexp,
)
from cryoscore_plugin.guidance.views import low_pass
from cryoscore_plugin.score import apply_covariance
from cryoscore_plugin.spectrum import frequency_grid


def scene(noisy, views, noise_power=None):
    h, w = noisy.shape
    plane = torch.ones(h, w // 2 + 1)
    return Scene(
        noisy=noisy,
        noise_power=plane if noise_power is None else noise_power,
        excess=torch.ones(h, w),
        views=views,
        transfer=-plane,
    )


def prior(**changes):
    usual = MixturePrior(empty=0.9, amplitude=1.0, spread=0.0, window=999)
    return replace(usual, **changes)


def disc(side=32, radius=5.0):
    """A picture of size 1."""
    y, x = np.mgrid[:side, :side] - side // 2
    picture = 1 / (1 + np.exp(2 * (np.hypot(y, x) - radius)))
    return torch.from_numpy(picture / np.linalg.norm(picture)).float()[None]


def textured(seed, side=16):
    """A picture of size 1 with detail of about 4 px, as a protein has it."""
    smooth = low_pass((side, side), pixel_size=1.0, resolution=4.0)
    detail = torch.fft.irfft2(torch.fft.rfft2(noise(seed, side)) * smooth)
    return detail / detail.norm()


def noise(seed, side=32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(side, side, generator=generator)


def test_mean_and_probability_are_those_of_all_components_one_by_one():
    rng = np.random.default_rng(5)
    views = torch.from_numpy(rng.normal(size=(2, 4, 4))).float()
    u = torch.from_numpy(rng.normal(size=(6, 5))).float()
    power = 0.5 + 2 * torch.exp(-20 * frequency_grid((6, 5)) ** 2)
    belief = prior(empty=0.3, amplitude=0.8, spread=0.5)

    unit = torch.eye(30).reshape(30, 6, 5)
    sigma = np.stack([apply_covariance(e, power).numpy().ravel() for e in unit])
    logs = [math.log(0.3) + multivariate_normal(cov=sigma).logpdf(u.ravel())]
    means = [np.zeros(30)]
    for view in views.numpy():
        # Centre of the view, pixel (2, 2), on the first pixel; dark, as transferred.
        placed = np.zeros((6, 5))
        placed[:4, :4] = -view
        placed = np.roll(placed, (-2, -2), (0, 1))
        for shift in np.ndindex(6, 5):
            y = np.roll(placed, shift, (0, 1)).ravel()
            inner = (0.5 * 0.8) ** 2 * np.outer(y, y)
            component = multivariate_normal(0.8 * y, inner + sigma)
            logs.append(math.log(0.7 / 60) + component.logpdf(u.numpy().ravel()))
            gain = inner @ np.linalg.inv(inner + sigma)
            means.append(0.8 * y + gain @ (u.numpy().ravel() - 0.8 * y))
    weights = np.exp(logs - logsumexp(logs))

    seen = scene(u, views, power)
    mean = posterior_mean_of_views(seen, belief).numpy().ravel()
    np.testing.assert_allclose(mean, weights @ np.stack(means), atol=2e-5)
    found = probability_of_particles(seen, belief)
    np.testing.assert_allclose(found, 1 - weights[0], atol=2e-5)


def test_mean_is_the_score_of_the_noisy_data():
    views, belief = disc(16, 3.0), prior(empty=0.5, amplitude=3.0, spread=0.2)
    power = 1 + torch.exp(-30 * frequency_grid((16, 16)) ** 2)
    u = noise(1, 16) - 3 * views[0].roll((2, 1), (0, 1))
    direction = noise(2, 16)

    def value(step):
        moved = scene(u + step * direction, views, power)
        return log_likelihoods(moved, [belief], views=range(1))[0]

    slope = (value(0.02) - value(-0.02)) / 0.04
    # Tweedie: mean = u + power * score, of which noise alone gives -u.
    mean = posterior_mean_of_views(scene(u, views, power), belief)
    score = apply_covariance(mean, 1 / power)
    assert slope == pytest.approx(float((score * direction).sum()), rel=0.01)


def size_in_noise(empty, seed):
    """Size of what comes out of pure noise, relative to a particle's."""
    views = torch.stack([textured(100 + number) for number in range(3)])
    belief = prior(empty=empty, amplitude=20.0)
    mean = posterior_mean_of_views(scene(noise(seed), views), belief)
    return float(mean.norm()) / belief.amplitude


def test_noise_gives_no_particle_unless_the_empty_component_is_left_out():
    with_it = [size_in_noise(0.99, seed) for seed in range(5)]
    without = [size_in_noise(0.0, seed) for seed in range(5)]
    assert max(with_it) < 0.03
    assert np.mean(without) > 0.8


def test_a_particle_is_found_where_it_is_at_its_size():
    true = -8 * disc()[0].roll((4, -7), (0, 1))
    belief = prior(amplitude=10.0, spread=0.25)
    mean = posterior_mean_of_views(scene(true + noise(3), disc()), belief)
    similarity = float((mean * true).sum() / mean.norm() / true.norm())
    assert similarity > 0.95
    # The standard error of the amplitude is 1 of 8.
    assert float(mean.norm()) == pytest.approx(8, abs=2.5)


def test_each_place_competes_in_a_window_of_its_own():
    where = [(-16, -16), (10, 12)]
    true = sum(-12 * disc(64)[0].roll(shift, (0, 1)) for shift in where)
    local = prior(amplitude=12.0, spread=0.1, window=21)
    found = posterior_mean_of_views(scene(true + noise(4, 64), disc()), local)
    alone = posterior_mean_of_views(
        scene(true + noise(4, 64), disc()), replace(local, window=999)
    )
    assert float((found - true).norm() / true.norm()) < 0.35
    assert float((alone - true).norm() / true.norm()) > 0.6


def test_a_wrong_reference_makes_nothing_of_what_the_right_one_finds():
    one, other = textured(1)[None], textured(2)[None]
    belief = prior(empty=0.99, amplitude=12.0)
    image = noise(6)
    image[8:24, 8:24] -= 12 * one[0]
    assert float(posterior_mean_of_views(scene(image, one), belief).norm()) > 0.9 * 12
    assert (
        float(posterior_mean_of_views(scene(image, other), belief).norm()) < 0.03 * 12
    )


def test_noise_that_is_locally_stronger_weakens_the_evidence():
    image = scene(noise(7) - 6 * disc()[0], disc())
    loud = replace(image, excess=torch.full((32, 32), 4.0))
    belief = prior(amplitude=6.0)
    calm = probability_of_particles(image, belief)[16, 16]
    assert probability_of_particles(loud, belief)[16, 16] < 0.5 * calm


@settings(max_examples=10)
@given(st.integers(0, 6), st.integers(5, 9), st.integers(5, 9))
def test_window_sum_is_that_of_its_pixels(half, h, w):
    side = 2 * half + 1
    values = np.random.default_rng(h * w).normal(0, 5, (h, w)).astype(np.float32)
    rows = range(h) if side >= h else range(-half, half + 1)
    columns = range(w) if side >= w else range(-half, half + 1)
    moved = [np.roll(values, (i, j), (0, 1)) for i in rows for j in columns]
    result = window_logsumexp(torch.from_numpy(values), side)
    np.testing.assert_allclose(result, logsumexp(moved, axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "fault", [{"empty": 1.0}, {"amplitude": 0.0}, {"spread": -1.0}, {"window": 4}]
)
def test_an_impossible_prior_is_refused(fault):
    with pytest.raises(ConfigError, match=r"Try 0\.9 for nothing"):
        prior(**fault)
