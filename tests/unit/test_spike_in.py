"""An added particle is as strong as is asked for, and found only if it is seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from cryoscore_plugin.density.atomic_model import AtomicModel, centred_model
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.evaluation.pickers import Picks
from cryoscore_plugin.evaluation.spike_in import (
    SEPARATION,
    Place,
    found_places,
    own_axis,
    spike,
)
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.optics import Optics

OPTICS = Optics(defocus_u=15000.0, defocus_v=15000.0)
PIXEL_SIZE = 4.0


@pytest.fixture(scope="module")
def particle() -> AtomicModel:
    return random_shape(np.random.default_rng(5))


@pytest.fixture(scope="module")
def micrograph() -> Micrograph:
    noise = np.random.default_rng(1).normal(100, 7, (400, 400)).astype(np.float32)
    return Micrograph(pixels=noise, pixel_size=PIXEL_SIZE)


def spiked(
    micrograph: Micrograph, particle: AtomicModel, *, count: int = 12
) -> tuple[np.ndarray, list[Place]]:
    """What was added, in units of the noise, and where."""
    result, places = spike(
        micrograph,
        particle,
        OPTICS,
        count=count,
        ratios=[0.5, 2.0],
        rng=np.random.default_rng(3),
    )
    return (result.pixels - micrograph.pixels) / 7, places


def test_added_particles_have_the_ratio_that_is_asked_for(
    micrograph: Micrograph, particle: AtomicModel
) -> None:
    signal, places = spiked(micrograph, particle)
    y, x = np.indices(signal.shape)
    radius = particle.diameter / 2 / PIXEL_SIZE
    added = [place for place in places if place.ratio > 0]
    assert {place.ratio for place in added} == {0.5, 2.0}
    for place in added:
        inside = np.hypot(y - place.y, x - place.x) <= radius
        # Fringes of neighbours add a little.
        assert signal[inside].var() == pytest.approx(place.ratio, rel=0.25)


def test_nothing_is_added_at_decoys(
    micrograph: Micrograph, particle: AtomicModel
) -> None:
    signal, places = spiked(micrograph, particle)
    y, x = np.indices(signal.shape)
    for place in places:
        if place.ratio == 0:
            inside = np.hypot(y - place.y, x - place.x) <= 5
            assert signal[inside].var() < 0.05


def test_places_keep_their_distance(
    micrograph: Micrograph, particle: AtomicModel
) -> None:
    _, places = spiked(micrograph, particle, count=50)
    apart = pdist([(place.y, place.x) for place in places])
    assert apart.min() >= SEPARATION * particle.diameter / PIXEL_SIZE - 1.5


def test_protein_is_dark(micrograph: Micrograph, particle: AtomicModel) -> None:
    signal, places = spiked(micrograph, particle)
    at = [signal[int(p.y), int(p.x)] for p in places if p.ratio > 0]
    assert np.mean(at) < 0


def shaped(*semi_axes: float) -> AtomicModel:
    """Atoms in an ellipsoid whose axes are not those of its coordinates."""
    points = np.random.default_rng(2).normal(size=(3000, 3)) * semi_axes
    turned = Rotation.from_euler("zyx", [20, 35, 50], degrees=True).apply(points)
    return centred_model("shaped", turned.astype(np.float32), np.full(3000, 6))


@pytest.mark.parametrize(
    ("semi_axes", "own"),
    [((60, 20, 15), [1, 0, 0]), ((60, 55, 15), [0, 0, 1])],
    ids=["long", "flat"],
)
def test_own_axis_is_the_long_one_or_that_of_a_disc(semi_axes, own) -> None:
    expected = Rotation.from_euler("zyx", [20, 35, 50], degrees=True).apply(own)
    assert abs(own_axis(shaped(*semi_axes)) @ expected) > 0.999


def test_a_rod_in_end_view_has_the_shortest_image(micrograph: Micrograph) -> None:
    rod = shaped(30, 8, 8)
    signal, places = spiked(micrograph, rod, count=16)
    y, x = np.indices(signal.shape)
    views, lengths = [], []
    for place in places:
        if place.ratio > 0:
            at_y, at_x = y - place.y, x - place.x
            near = np.hypot(at_y, at_x) < rod.diameter / 2 / PIXEL_SIZE
            weight = np.where(near, signal**2, 0)
            spread = np.cov(np.stack([at_y[near], at_x[near]]), aweights=weight[near])
            views.append(place.view)
            lengths.append(np.linalg.eigvalsh(spread)[-1])
    assert max(views) - min(views) > 40
    assert stats.spearmanr(views, lengths).statistic > 0.6


def test_only_the_best_picks_count_and_kinds_do_not_compete() -> None:
    places = [Place(y=10.0, x=10.0), Place(y=10.0, x=12.0, ratio=0.1)]
    places += [Place(y=50.0, x=50.0, ratio=0.1)]
    picks = Picks(
        centers_yx=np.array([[10.0, 11.0], [50.0, 50.0]]), scores=np.array([2.0, 1.0])
    )
    one, two = (
        found_places(picks, places, most=most, max_distance=3.0) for most in (1, 2)
    )
    assert one.tolist() == [True, True, False]
    assert two.tolist() == [True, True, True]
    far = found_places(picks, places, most=2, max_distance=0.5)
    assert far.tolist() == [False, False, True]


def test_random_picks_find_added_particles_and_decoys_alike() -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(40):
        where = rng.uniform(0, 400, (100, 2))
        places = [
            Place(y=y, x=x, ratio=ratio)
            for (y, x), ratio in zip(where, [0.0, 0.1] * 50, strict=True)
        ]
        picks = Picks(
            centers_yx=rng.uniform(0, 400, (60, 2)), scores=np.arange(60, 0, -1.0)
        )
        met = found_places(picks, places, most=60, max_distance=15.0)
        shares.append([met[::2].mean(), met[1::2].mean()])
    decoys, added = np.mean(shares, axis=0)
    # A pick covers 0.4 % of the area, so sixty cover a fifth.
    assert decoys == pytest.approx(added, abs=0.03)
    assert 0.1 < added < 0.3
