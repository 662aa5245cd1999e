"""Guided pairs: what they teach, how far it is from what data teach, and when nothing.

A network that is trained on pairs becomes the mean of the targets given the input; so
what pairs teach is tested on the pairs themselves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryoscore_plugin.density.atomic_model import centred_model
from cryoscore_plugin.guidance.drawing import drawn_particles
from cryoscore_plugin.guidance.search import (
    Belief,
    Guidance,
    NoisyImage,
    prepare_search,
    reference_mean,
)
from cryoscore_plugin.guidance.view_making import views_of_model
from cryoscore_plugin.guidance.views import low_pass
from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.training.own_micrographs import OwnMicrograph
from cryoscore_plugin.training.recorruption import FREQUENCIES, unit_pair
from cryoscore_plugin.training.sources import TrainingSource
from cryoscore_plugin.training.target_guidance import (
    Searched,
    TargetGuidance,
    free_places,
    searched_micrograph,
)

SIDE, PIXEL_SIZE, RATIO = 64, 4.0, 12.0
"""Of an image in px and Å/px; and of the matched filter of a particle, to its noise."""

WHITE = np.ones_like(FREQUENCIES)


@pytest.fixture(scope="module")
def guidance() -> Guidance:
    """Four views of a lumpy particle of 100 Å."""
    rng = np.random.default_rng(3)
    lumps = rng.normal(0, 20, (30, 3)).repeat(60, 0) + rng.normal(0, 5, (1800, 3))
    model = centred_model("lumps", lumps.astype(np.float32), np.full(1800, 6))
    views = views_of_model(model, Rotation.random(4, rng=rng), resolution=20.0)
    return Guidance(views=views, resolution=20.0, strength=1.0, empty=0.5)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def image_of(pixels: torch.Tensor) -> NoisyImage:
    return NoisyImage(pixels=pixels, pixel_size=PIXEL_SIZE)


def belief_of_white_noise(guidance: Guidance, ratio: float = RATIO) -> Belief:
    """Noise of unit variance on the grid of the image, and particles of one strength."""
    search = prepare_search(image_of(noise(1)), guidance)
    coarser = np.prod(search.shape) / SIDE**2
    power = torch.full_like(search.belief.noise, float(coarser))
    # The signal-to-noise ratio of the matched filter of a view of size 1.
    return Belief(
        noise=power, side=min(search.shape), amplitude=ratio * float(coarser) ** 0.5
    )


def micrograph(pixels: torch.Tensor) -> OwnMicrograph:
    return OwnMicrograph(
        source=TrainingSource(path=Path("a.mrc")),
        noisy=pixels.half(),
        corruption=None,
        pixel_size=PIXEL_SIZE,
    )


def searched(pixels: torch.Tensor, guidance: Guidance) -> Searched:
    return searched_micrograph(
        micrograph(pixels), guidance, local_mean=None, drawn=WHITE, side=32
    )


def pair_of(one: Searched, guidance: Guidance, matching: str, strength: float):
    target = TargetGuidance(
        guidance=replace(guidance, strength=strength),
        matching=matching,
        share=1.0,
        searched=[one],
    )
    whole = (slice(0, SIDE), slice(0, SIDE))
    return target.pair(0, whole, noise(9), tau=0.8, rng=np.random.default_rng(4))


@pytest.mark.parametrize("matching", ["target", "denoising"])
def test_what_is_learned_moves_linearly_with_the_strength(guidance, matching):
    clean = drawn(guidance, seed=2)
    one = searched(clean + noise(3), guidance)
    none, half, full = (
        pair_of(one, guidance, matching, strength) for strength in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(half.noisier, none.noisier)
    middle = (none.target + full.target) / 2
    torch.testing.assert_close(half.target, middle, rtol=1e-4, atol=1e-4)
    change = torch.fft.rfft2(full.target - none.target).abs()
    beyond = frequency_grid((SIDE, SIDE)) / PIXEL_SIZE > 1.2 / guidance.resolution
    assert change[beyond].max() < 1e-3 * change.max()


def test_without_strength_a_pair_is_that_of_the_data(guidance):
    one = searched(drawn(guidance, seed=2) + noise(3), guidance)
    found = pair_of(one, guidance, "target", 0.0)
    plain = unit_pair(one.image.pixels, noise(9), tau=0.8, pixel_size=PIXEL_SIZE)
    torch.testing.assert_close(found.target, plain.target, rtol=1e-4, atol=1e-4)
    assert found.weight == plain.weight


def drawn(guidance: Guidance, *, seed: int, ratio: float = RATIO) -> torch.Tensor:
    belief = belief_of_white_noise(guidance, ratio)
    search = prepare_search(image_of(noise(1)), guidance, belief)
    return drawn_particles(search, (SIDE, SIDE), rng=np.random.default_rng(seed))


def test_both_forms_teach_the_same_where_the_reference_is_right(guidance):
    """For x drawn from q, E[x|u] is the closed form R(u): so <x - R, R> is 0 on average."""
    belief, cross, own, error, blank = (
        belief_of_white_noise(guidance),
        0.0,
        0.0,
        0.0,
        0.0,
    )
    for seed in range(40):
        clean = drawn(guidance, seed=seed)
        mean = reference_mean(image_of(clean + noise(seed + 100)), guidance, belief)
        cross += float((clean * mean).sum())
        own += float(mean.square().sum())
        error += float((clean - mean).square().sum())
        blank += float(clean.square().sum())
    # The search takes a place that is locally strong for a noisy one, and says less there.
    assert 0.95 * own < cross < 1.15 * own
    assert error < 0.5 * blank


def size_on_noise(guidance: Guidance, empty: float) -> float:
    """What a guided target holds of a particle, where there is none."""
    belief = belief_of_white_noise(guidance, ratio=6.0)
    one = Searched(
        image=image_of(noise(5)), belief=belief, corruption=belief.noise, free=[]
    )
    pair = pair_of(one, replace(guidance, empty=empty), "target", 1.0)
    band = low_pass((SIDE, SIDE), pixel_size=PIXEL_SIZE, resolution=30.0)
    # Guidance leaves the mean of an image alone.
    found = pair.target - pair.target.mean()
    inside = torch.fft.irfft2(torch.fft.rfft2(found) * band, s=(SIDE, SIDE))
    particle = (
        drawn(replace(guidance, empty=0.0), seed=1, ratio=6.0) / (1 + 0.8**2) ** 0.5
    )
    seen = torch.fft.irfft2(torch.fft.rfft2(particle) * band, s=(SIDE, SIDE))
    return float(inside.norm() / seen.norm())


def test_noise_teaches_no_particle_unless_the_empty_component_is_left_out(guidance):
    """With amplitudes that may vary a quarter; `test_mixture` has them fixed, and 0.8."""
    assert size_on_noise(guidance, 0.9) < 0.01
    assert size_on_noise(guidance, 0.0) > 0.15


def test_pieces_with_particles_are_not_free():
    probability = torch.zeros(30, 40)
    probability[4, 5] = 0.9
    places = free_places(probability, (120, 160), side=32)
    assert places
    for top, left in places:
        assert not (top <= 16 < top + 32 and left <= 20 < left + 32)
        assert top + 32 <= 120
        assert left + 32 <= 160
    assert free_places(torch.ones(30, 40), (120, 160), side=32) == []
