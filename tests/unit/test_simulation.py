"""A simulated micrograph is particles, background and counting noise, as declared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.cli.simulate_options import PARTS as CHOICES
from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.density.atomic_model import AtomicModel, fragment
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.simulation.background import (
    PARTS,
    Canvas,
    Part,
    carbon_film,
    random_background,
)
from cryoscore_plugin.simulation.contrast import layer_contrast
from cryoscore_plugin.simulation.detector import ModulationTransfer
from cryoscore_plugin.simulation.micrographs import (
    QUANTUM_EFFICIENCY,
    Exposure,
    SceneSettings,
    SimulatedMicrograph,
    simulate_micrograph,
)
from cryoscore_plugin.simulation.radiation_damage import (
    critical_exposure,
    damage_envelope,
)
from cryoscore_plugin.simulation.specimen import (
    add_views,
    random_centers,
    random_rotation,
    random_views,
)
from cryoscore_plugin.spectrum import frequency_grid

OPTICS = Optics(defocus_u=20000.0, defocus_v=19000.0, b_factor=100.0)
EXPOSURE = Exposure(shape=(128, 160), pixel_size=3.0, dose=30.0)


@pytest.fixture(scope="module")
def particle() -> AtomicModel:
    return random_shape(np.random.default_rng(11))


def simulated(
    particle: AtomicModel, scene: SceneSettings | None = None, seed: int = 1
) -> SimulatedMicrograph:
    return simulate_micrograph(
        [particle],
        OPTICS,
        scene or SceneSettings(views=3),
        EXPOSURE,
        rng=np.random.default_rng(seed),
    )


def test_same_seed_gives_the_same_micrograph(particle: AtomicModel) -> None:
    first, second = simulated(particle), simulated(particle)
    np.testing.assert_array_equal(first.noisy, second.noisy)
    assert not np.array_equal(first.noisy, simulated(particle, seed=2).noisy)


def test_what_is_left_of_a_micrograph_is_counting_noise(particle: AtomicModel) -> None:
    image = simulated(particle, SceneSettings(background=0.0, views=3))
    electrons = EXPOSURE.dose * EXPOSURE.pixel_size**2 * QUANTUM_EFFICIENCY
    noise = image.noisy - image.clean - electrons
    # Standard errors over 20480 pixels: 0.1 of the mean, 1 % of the variance.
    assert noise.mean() == pytest.approx(0, abs=0.4)
    assert noise.var() == pytest.approx(electrons, rel=0.05)


def test_truth_lies_at_the_centres_of_the_particles(particle: AtomicModel) -> None:
    image = simulated(particle)
    assert len(image.centers_yx) > 0
    y, x = np.indices(image.clean.shape)
    rows, columns = image.centers_yx.T[:, :, None, None]
    nearest = np.hypot(y - rows, x - columns).min(0) * EXPOSURE.pixel_size
    power = image.clean**2
    inside = power[nearest < particle.diameter / 3].mean()
    assert inside > 5 * power[nearest > particle.diameter].mean()


@pytest.mark.parametrize(
    ("scene", "what"),
    [
        (SceneSettings(background=0.0, views=2), "background"),
        (SceneSettings(contrast=0.0, views=2), "clean"),
        (SceneSettings(occupancy=0.0, views=2), "clean"),
    ],
)
def test_what_is_switched_off_is_not_there(
    particle: AtomicModel, scene: SceneSettings, what: str
) -> None:
    assert not getattr(simulated(particle, scene), what).any()
    assert getattr(simulated(particle), what).any()


def test_signal_is_that_of_the_dose_and_the_damage(particle: AtomicModel) -> None:
    scene = SceneSettings(views=2)
    low, high = (
        simulate_micrograph(
            [particle],
            OPTICS,
            scene,
            replace(EXPOSURE, dose=dose),
            rng=np.random.default_rng(3),
        )
        for dose in (10.0, 20.0)
    )
    # Low frequencies wear out least: twice the electrons, nearly twice the signal.
    ratio = float((high.clean * low.clean).sum() / (low.clean**2).sum())
    assert 1.5 < ratio < 2.0
    fresh = np.abs(np.fft.rfft2(high.clean)) / np.abs(np.fft.rfft2(low.clean))
    k = frequency_grid(EXPOSURE.shape).numpy() / EXPOSURE.pixel_size
    slow, fast = ((k > 0.005) & (k < 0.02)), ((k > 0.08) & (k < 0.12))
    assert np.median(fresh[slow]) > np.median(fresh[fast]) + 0.1


def test_detector_weakens_the_signal_and_leaves_the_noise(
    particle: AtomicModel,
) -> None:
    detector = ModulationTransfer(
        frequency=np.array([0.0, 0.5]), value=np.array([1.0, 0.0])
    )
    perfect, real = (
        simulate_micrograph(
            [particle],
            OPTICS,
            SceneSettings(background=0.0, views=2),
            replace(EXPOSURE, detector=which),
            rng=np.random.default_rng(3),
        )
        for which in (None, detector)
    )
    k = frequency_grid(EXPOSURE.shape).numpy()
    ratio = np.abs(np.fft.rfft2(real.clean)) / np.abs(np.fft.rfft2(perfect.clean))
    ring = (k > 0.04) & (k < 0.06)
    # The image was cut from a larger one, which mixes neighbouring frequencies.
    assert np.median(ratio[ring]) == pytest.approx(1 - 0.05 / 0.5, abs=0.02)
    noise = real.noisy - real.clean
    power = np.abs(np.fft.rfft2(noise - noise.mean())) ** 2
    assert power[k > 0.4].mean() == pytest.approx(power[ring].mean(), rel=0.2)


@pytest.mark.parametrize("preferred", [0.0, 0.7])
def test_part_of_the_particles_have_the_preferred_orientation(
    preferred: float,
) -> None:
    rng = np.random.default_rng(1)
    up = np.array(
        [
            random_rotation(rng, preferred=preferred).apply([0, 0, 1])[2]
            for _ in range(500)
        ]
    )
    # Of random directions, 1 - cos(30°) are within 30° of an axis, either way.
    near = np.abs(up) > np.cos(np.pi / 6)
    expected = preferred + (1 - preferred) * (1 - np.cos(np.pi / 6))
    assert near.mean() == pytest.approx(expected, abs=0.06)
    assert abs(up.mean()) < 0.12


@pytest.mark.parametrize("dose", [0.5, 20.0, 70.0])
@pytest.mark.parametrize("voltage", [200.0, 300.0])
def test_damage_is_the_mean_power_left_over_the_exposure(
    dose: float, voltage: float
) -> None:
    shape, pixel_size = (24, 30), 2.0
    found = damage_envelope(
        dose=dose, shape=shape, pixel_size=pixel_size, voltage=voltage
    )
    k = frequency_grid(shape) / pixel_size
    critical = critical_exposure(k, voltage=voltage)
    frames = (np.arange(1000) + 0.5) / 1000 * dose
    left = np.mean([np.exp(-n / critical.numpy()) for n in frames], axis=0)
    np.testing.assert_allclose(found.numpy() ** 2, left, rtol=1e-4)
    assert float(found[0, 0]) == 1.0


def test_damage_is_as_published() -> None:
    """At 300 kV and 10 Å, 0.245 * 10**1.665 + 2.81 = 14.1 e/Å²; a fifth less at 200."""
    k = torch.tensor([[0.1]])
    assert float(critical_exposure(k, voltage=300.0)) == pytest.approx(14.14, abs=0.01)
    assert float(critical_exposure(k, voltage=200.0)) == pytest.approx(11.31, abs=0.01)


@given(st.integers(1, 60), st.floats(2, 30), st.integers(0, 99))
def test_centres_keep_their_distance_across_the_borders(
    count: int, distance: float, seed: int
) -> None:
    shape = np.array([70, 90])
    centers = random_centers(
        (70, 90), count=count, distance=distance, rng=np.random.default_rng(seed)
    )
    assert len(centers) <= count
    apart = np.abs(centers[:, None] - centers[None])
    apart = np.hypot(*np.moveaxis(np.minimum(apart, shape - apart), -1, 0))
    np.fill_diagonal(apart, np.inf)
    assert (apart >= distance).all()


@given(st.integers(0, 99))
def test_view_added_across_a_border_loses_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = rng.random((7, 7)).astype(np.float32)
    phase = np.zeros((16, 20), dtype=np.float32)
    add_views(phase, rng.uniform(0, 16, (3, 2)), [view], rng=rng)
    assert phase.sum() == pytest.approx(3 * view.sum(), rel=1e-5)


def test_fragment_lies_within_its_radius(particle: AtomicModel) -> None:
    piece = fragment(particle, 15.0, np.random.default_rng(1))
    assert 0 < len(piece.potentials) < len(particle.potentials)
    assert piece.diameter <= 2 * 30.0  # its own centre is not that of the ball


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_part_of_the_background_leaves_a_finite_trace(
    part: Part, particle: AtomicModel
) -> None:
    bank = random_views(
        fragment(particle, 20.0, np.random.default_rng(1)),
        2,
        pixel_size=3.0,
        voltage=300.0,
        rng=np.random.default_rng(1),
    )
    canvas = Canvas(shape=(96, 80), pixel_size=3.0, voltage=300.0, debris=[bank])
    traces = [part(canvas, np.random.default_rng(seed)) for seed in range(8)]
    for layer in traces:
        assert layer.phase.dtype == layer.absorption.dtype == np.float32
        assert np.isfinite(layer.phase).all()
        assert np.isfinite(layer.absorption).all()
    assert any(layer.phase.std() + layer.absorption.std() > 0 for layer in traces)


def test_parts_that_are_asked_for_are_there_and_no_others() -> None:
    canvas = Canvas(shape=(64, 64), pixel_size=4.0, voltage=300.0, debris=[])
    for seed in range(6):
        alone = random_background(
            canvas, np.random.default_rng(seed), ["ice_thickness"]
        )
        assert alone.absorption.std() > 0
        assert not alone.phase.any()
        none = random_background(canvas, np.random.default_rng(seed), [])
        assert not none.absorption.any()
    assert set(CHOICES) == {part.__name__ for part in PARTS}


def test_texture_of_carbon_has_the_rings_of_the_transfer_function() -> None:
    """Thon rings: the spectrum is strong where the transfer is, and dark at its zeros."""
    canvas = Canvas(shape=(256, 256), pixel_size=2.0, voltage=300.0, debris=[])
    optics = Optics(defocus_u=15000.0, defocus_v=15000.0)
    transfer = contrast_transfer(optics, shape=canvas.shape, pixel_size=2.0)
    power = np.zeros(transfer.shape)
    for seed in range(4):
        layer = carbon_film(canvas, np.random.default_rng(seed))
        contrast = layer_contrast(layer, transfer, contrast=0.6)
        power += (
            np.abs(np.fft.rfft2(contrast * np.hanning(256) * np.hanning(256)[:, None]))
            ** 2
        )
    k = frequency_grid(canvas.shape).numpy() / 2.0
    band = (k > 1 / 15) & (k < 1 / 5)
    strong = band & (transfer.abs().numpy() > 0.8)
    weak = band & (transfer.abs().numpy() < 0.2)
    assert power[strong].mean() > 5 * power[weak].mean()
