"""Guidance of an estimate: linear in its strength, silent where nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cryoscore_plugin.density.atomic_model import centred_model
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.evaluation.pickers import find_picks, laplacian_of_gaussian
from cryoscore_plugin.guidance.guide import guide, guided_band, guided_mean
from cryoscore_plugin.guidance.search import Guidance, NoisyImage, reference_mean
from cryoscore_plugin.guidance.view_making import even_rotations, views_of_model
from cryoscore_plugin.optics import Optics
from cryoscore_plugin.rescaling import fourier_pad

SIDE, PIXEL_SIZE = 128, 4.0
CENTERS = [(30, 36), (90, 70), (60, 110)]


def particle(seed):
    """Forty lumps of atoms in a ball of 100 Å: a particle with detail."""
    rng = np.random.default_rng(seed)
    lumps = rng.normal(0, 22, (40, 3))
    atoms = lumps.repeat(100, 0) + rng.normal(0, 6, (4000, 3))
    return centred_model("lumps", atoms.astype(np.float32), np.full(4000, 6))


@pytest.fixture(scope="module")
def views():
    return views_of_model(particle(1), even_rotations(8), resolution=20.0)


@pytest.fixture(scope="module")
def others():
    return views_of_model(particle(2), even_rotations(8), resolution=20.0)


def noise(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SIDE, SIDE, generator=generator)


def picture(views, *, ratio=14.0):
    """Dark particles whose matched filter has about this signal-to-noise ratio."""
    side = views.pictures.shape[-1]
    large = 2 * round(side * views.pixel_size / PIXEL_SIZE / 2)
    image = torch.zeros(SIDE, SIDE)
    for number, (y, x) in enumerate(CENTERS):
        view = fourier_pad(views.pictures[number], (large, large))
        rows = (torch.arange(large) + y - large // 2) % SIDE
        columns = (torch.arange(large) + x - large // 2) % SIDE
        image[rows[:, None], columns] -= ratio * view / view.norm()
    return image


def noisy(pixels):
    return NoisyImage(pixels=pixels, pixel_size=PIXEL_SIZE)


def guidance(views, **changes):
    usual = Guidance(views=views, resolution=20.0, strength=0.5, empty=0.9)
    return replace(usual, **changes)


def test_no_strength_changes_nothing(views):
    estimate = noise(1)
    result = guide(estimate, noisy(noise()), guidance(views, strength=0.0))
    assert torch.equal(result, estimate)


def test_the_change_is_linear_in_strength(views):
    image, estimate = noisy(picture(views) + noise()), noise(1)
    half = guide(estimate, image, guidance(views, strength=0.4)) - estimate
    whole = guide(estimate, image, guidance(views, strength=0.8)) - estimate
    torch.testing.assert_close(2 * half, whole, atol=1e-5, rtol=1e-4)
    assert float(whole.norm()) > 1


def test_full_strength_is_the_reference_in_the_band_and_the_network_beyond(views):
    band = guided_band((32, 32), noisy(noise()), guidance(views, resolution=24.0))
    estimate, reference = torch.randn(2, 32, 32, generator=torch.manual_seed(0))
    mixed = guided_mean(estimate, reference, strength=1.0, band=band)
    plane = torch.fft.rfft2(torch.stack([mixed, reference, estimate]))
    inside, beyond = band == 1, band == 0
    assert inside.any()
    assert beyond.any()
    torch.testing.assert_close(plane[0][inside], plane[1][inside], atol=1e-4, rtol=0)
    torch.testing.assert_close(plane[0][beyond], plane[2][beyond], atol=1e-4, rtol=0)
    assert beyond[0, 0]  # The mean of the image is not guided.


def test_particles_are_found_where_they_are_at_their_size(views):
    true = picture(views)
    found = reference_mean(noisy(true + noise()), guidance(views))
    similarity = float((found * true).sum() / found.norm() / true.norm())
    assert similarity > 0.8
    assert 0.6 < float(found.norm() / true.norm()) < 1.2


@pytest.mark.parametrize(("empty", "limit"), [(0.9, 0.05), (0.99, 0.01)])
def test_noise_alone_gives_next_to_nothing(views, empty, limit):
    size = float(picture(views).norm())
    found = [
        reference_mean(noisy(noise(seed)), guidance(views, empty=empty))
        for seed in range(3)
    ]
    assert max(float(one.norm()) for one in found) < limit * size


def test_a_wrong_reference_makes_nothing_up_where_nothing_is(views, others):
    image = noisy(picture(views) + noise())
    empty = torch.ones(SIDE, SIDE, dtype=torch.bool)
    for y, x in CENTERS:
        empty[max(y - 22, 0) : y + 22, max(x - 22, 0) : x + 22] = False
    right = reference_mean(image, guidance(views))
    wrong = reference_mean(image, guidance(others))
    assert float(wrong[empty].std()) < 0.05 * float(right[~empty].std())


def test_a_wrong_reference_adds_no_picks_to_noise(others):
    """Of a network that lets a fifth of the noise pass, at any threshold."""

    def strengths(image):
        diameter = others.diameter / PIXEL_SIZE
        response = laplacian_of_gaussian(image.numpy(), diameter=diameter)
        return find_picks(response, min_distance=diameter / 2).scores

    before, after = [], []
    for seed in range(4):
        estimate = 0.2 * noise(seed)
        guided = guide(estimate, noisy(noise(seed)), guidance(others))
        before.extend(strengths(estimate))
        after.extend(strengths(guided))
    for threshold in np.quantile(before, [0.5, 0.8, 0.95]):
        assert (np.array(after) > threshold).sum() <= (before > threshold).sum()


def test_the_empty_component_decides_how_faint_particles_are_judged(views):
    image = noisy(picture(views, ratio=7.0) + noise())
    hopeful = reference_mean(image, guidance(views, empty=0.5))
    sober = reference_mean(image, guidance(views, empty=0.999))
    assert float(sober.norm()) < 0.9 * float(hopeful.norm())


def test_coarser_guidance_has_no_fine_detail(views):
    image = noisy(picture(views) + noise())
    coarse = guidance(views, resolution=40.0)
    beyond = guided_band((SIDE, SIDE), image, coarse) == 0
    beyond[0, 0] = False
    detail = [
        float(torch.fft.rfft2(reference_mean(image, one))[beyond].norm())
        for one in (guidance(views), coarse)
    ]
    # What is left is cut at the edges of the micrograph.
    assert detail[1] < 0.03 * detail[0]


def test_optics_of_the_micrograph_change_the_views(views):
    image = noisy(picture(views) + noise())
    optics = Optics(defocus_u=25000.0, defocus_v=25000.0)
    plain = reference_mean(image, guidance(views))
    seen = reference_mean(replace(image, optics=optics), guidance(views))
    assert not torch.allclose(plain, seen, atol=0.05)


def test_views_are_levelled_as_the_image_was(views):
    image = noisy(picture(views) + noise())
    plain = reference_mean(image, guidance(views))
    levelled = reference_mean(replace(image, local_mean=20.0), guidance(views))
    assert not torch.allclose(plain, levelled, atol=0.05)


def test_contamination_is_not_taken_for_the_particle(views):
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    blob = -8 * torch.exp(-((y - 64) ** 2 + (x - 64) ** 2) / (2 * 10.0**2))
    found = reference_mean(noisy(noise() + blob), guidance(views))
    assert float(found.abs().max()) < 0.25 * 8


def test_a_micrograph_coarser_than_the_views_is_refused(views):
    coarse = replace(noisy(noise()), pixel_size=1.1 * views.pixel_size)
    with pytest.raises(MicrographError, match="with a coarser --resolution"):
        reference_mean(coarse, guidance(views))
