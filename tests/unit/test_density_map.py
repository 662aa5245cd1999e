"""A map becomes atoms of protein, whatever its units and the shape of its voxels."""

from __future__ import annotations

import gzip
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryoscore_plugin.constants import ICE_POTENTIAL
from cryoscore_plugin.density.atomic_model import DISPLACED_VOLUME
from cryoscore_plugin.density.density_map import filled_map, read_density_map
from cryoscore_plugin.density.particle import ParticleSettings, read_particle
from cryoscore_plugin.density.projection import projected_potential
from cryoscore_plugin.errors import InputError

RADIUS = 40.0
SKEW = np.array([[2.0, 0, 0], [0.4, 2.2, 0], [0, -0.5, 4.4]])
"""Ways along the three axes of an array, in Å `(x, y, z)`; the last one is coarse."""


def ball(steps: np.ndarray, side: int = 60) -> np.ndarray:
    """A ball in the middle, 1 inside and 0 outside, with an edge of a few Å."""
    index = np.indices((side, side, side)).reshape(3, -1).T - (side - 1) / 2
    away = np.linalg.norm(index @ steps, axis=1).reshape((side,) * 3)
    return np.clip((RADIUS - away) / 4 + 0.5, 0, 1).astype(np.float32)


def written(path: Path, density: np.ndarray, cell, axes=(1, 2, 3)) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(density)
        file.header.cella = cell
        file.header.mapc, file.header.mapr, file.header.maps = axes
        sides = dict(zip(axes, density.shape[::-1], strict=True))
        file.header.mx, file.header.my, file.header.mz = (sides[i] for i in (1, 2, 3))
    return path


@pytest.mark.parametrize("steps", [2 * np.eye(3), SKEW], ids=["cube", "skew"])
def test_ball_in_any_cell_is_a_ball_of_protein(steps: np.ndarray) -> None:
    model = filled_map("ball", ball(steps), steps, threshold=0.5)
    spread = np.cov(model.positions_xyz.T)
    np.testing.assert_allclose(spread, np.eye(3) * RADIUS**2 / 5, atol=25)
    volume = 4 / 3 * np.pi * RADIUS**3
    assert model.volumes.sum() == pytest.approx(volume, rel=0.02)


def test_projection_of_a_filled_ball_has_the_contrast_of_protein() -> None:
    steps = 2 * np.eye(3)
    model = filled_map("ball", ball(steps), steps, threshold=0.5)
    image = projected_potential(model, Rotation.random(rng=1), size=48, pixel_size=4.0)
    y, x = (np.indices(image.shape) - 24) * 4.0
    chord = 2 * np.sqrt(np.maximum(RADIUS**2 - y**2 - x**2, 0))
    protein = float(model.potentials.mean()) / DISPLACED_VOLUME - ICE_POTENTIAL
    inside = np.hypot(y, x) < 0.8 * RADIUS
    error = np.sqrt(np.mean((image - protein * chord)[inside] ** 2))
    assert error < 0.06 * (protein * chord).max()
    assert 3.0 < protein < 4.5  # V; what atomic models have as well


def test_units_of_a_map_change_nothing() -> None:
    steps, density = 2 * np.eye(3), ball(2 * np.eye(3))
    one = filled_map("ball", density, steps, threshold=0.5)
    other = filled_map("ball", 1000 * density - 7, steps, threshold=493.0)
    np.testing.assert_array_equal(one.positions_xyz, other.positions_xyz)
    np.testing.assert_array_equal(one.potentials, other.potentials)


def test_place_where_the_map_is_half_as_high_holds_half_of_the_atoms() -> None:
    density = np.zeros((8, 8, 16), dtype=np.float32)
    density[2:6, 2:6, 2:6], density[2:6, 2:6, 10:14] = 2.0, 1.0
    model = filled_map("two", density, 5 * np.eye(3), threshold=0.5)
    along = model.positions_xyz[:, 2]
    middle = (along.max() + along.min()) / 2
    assert (along < middle).sum() == pytest.approx(2 * (along > middle).sum(), rel=0.02)


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("packed", [False, True])
def test_axes_and_cell_are_those_of_the_header(tmp_path, axes, packed) -> None:
    """A rod along y, in voxels of 2 x 3 x 4 Å, however the file orders its axes."""
    zyx = np.zeros((12, 20, 24), dtype=np.float32)
    zyx[3:8, 3:17, 10:14] = 1.0
    stored = zyx.transpose([3 - axis for axis in axes[::-1]])
    path = written(tmp_path / "rod.mrc", stored, (48, 60, 48), axes)
    if packed:
        squeezed = tmp_path / "rod.mrc.gz"
        squeezed.write_bytes(gzip.compress(path.read_bytes()))
        path = squeezed
    model = read_density_map(path, threshold=0.5)
    lengths = model.positions_xyz.std(axis=0) * np.sqrt(12)
    np.testing.assert_allclose(lengths, [4 * 2, 14 * 3, 5 * 4], atol=1.5)


def test_mass_sets_the_number_of_atoms(tmp_path) -> None:
    path = written(tmp_path / "ball.mrc", ball(2 * np.eye(3)), (120, 120, 120))
    light, heavy = (
        read_particle(path, ParticleSettings(mass=mass)) for mass in (50.0, 200.0)
    )
    assert len(heavy.volumes) == pytest.approx(
        200e3 * 1.21 / DISPLACED_VOLUME, rel=0.01
    )
    assert len(heavy.volumes) == pytest.approx(4 * len(light.volumes), rel=0.01)
    assert heavy.name == "ball"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, r"density map, whose units are arbitrary.*--mass.*--threshold"),
        ({"mass": 9.0, "threshold": 0.5}, "with one of two words"),
        ({"threshold": 7.0}, r"should lie between 0, the level of ice, and 1, its max"),
        ({"mass": 1e5}, r"particle of 100000 kDa would fill .* enough for .* kDa"),
        ({"threshold": 0.5, "belt": "lipid"}, "a density map, which shows its own"),
    ],
)
def test_settings_that_do_not_fit_a_map_are_refused(
    tmp_path, settings, complaint
) -> None:
    path = written(tmp_path / "ball.mrc", ball(2 * np.eye(3)), (120, 120, 120))
    with pytest.raises(InputError, match=complaint):
        read_particle(path, ParticleSettings(**settings))


@pytest.mark.parametrize("cell", [(0, 0, 0), None])
def test_file_that_is_no_map_is_refused(tmp_path, cell) -> None:
    path = tmp_path / "ball.mrc"
    path.write_text("hello")
    if cell is not None:
        written(path, ball(2 * np.eye(3), 12), cell)
    with pytest.raises(InputError, match=r"ball\.mrc"):
        read_density_map(path, mass=10.0)


def test_mass_of_an_atomic_model_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"is an atomic model\. Leave"):
        read_particle(tmp_path / "model.pdb", ParticleSettings(mass=10.0))
