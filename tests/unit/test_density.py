"""A projection holds what the atoms hold, where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cryoscore_plugin.constants import ICE_POTENTIAL
from cryoscore_plugin.density.atomic_model import (
    DISPLACED_VOLUME,
    AtomicModel,
    centred_model,
    read_atomic_model,
)
from cryoscore_plugin.density.projection import projected_potential
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.errors import InputError

PDB = """\
ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00 20.00           N
ATOM      2  CA  ALA A   1      11.639   6.071  -5.147  1.00 20.00           C
ATOM      3  H   ALA A   1      12.000   6.500  -5.000  1.00 20.00           H
ATOM      4  C   ALA A   1      13.137   6.371  -5.100  1.00 20.00           C
HETATM    5  O   HOH A   2      20.000   6.371  -5.100  1.00 20.00           O
END
"""


def cloud(count: int = 500, radius: float = 30.0) -> AtomicModel:
    """Carbon atoms filling a ball."""
    rng = np.random.default_rng(5)
    points = rng.normal(size=(count, 3))
    points *= (
        radius
        * rng.random((count, 1)) ** (1 / 3)
        / np.linalg.norm(points, axis=1, keepdims=True)
    )
    return centred_model("ball", points.astype(np.float32), np.full(count, 6))


@given(st.integers(0, 1000), st.sampled_from([1.0, 2.5, 4.0]))
def test_projection_holds_all_potential_above_the_ice(
    seed: int, pixel_size: float
) -> None:
    model = cloud()
    image = projected_potential(
        model, Rotation.random(rng=seed), size=64, pixel_size=pixel_size
    )
    displaced = len(model.potentials) * DISPLACED_VOLUME * ICE_POTENTIAL
    expected = model.potentials.sum() - displaced
    assert image.sum() * pixel_size**2 == pytest.approx(expected, rel=1e-3)


def test_projection_of_a_ball_has_the_thickness_of_a_ball() -> None:
    radius, count = 40.0, 400_000
    model = cloud(count, radius)
    image = projected_potential(model, Rotation.identity(), size=64, pixel_size=2.0)
    y, x = (np.indices(image.shape) - 32) * 2.0
    chord = 2 * np.sqrt(np.maximum(radius**2 - y**2 - x**2, 0))
    net = model.potentials.sum() - count * DISPLACED_VOLUME * ICE_POTENTIAL
    expected = chord * net / (4 / 3 * np.pi * radius**3)
    inside = np.hypot(y, x) < 0.8 * radius
    error = np.sqrt(np.mean((image - expected)[inside] ** 2))
    # The atoms lie at random: about 500 over a pixel, a noise of 4 %.
    assert error < 0.05 * expected.max()


def test_projection_of_one_atom_lies_where_the_atom_is() -> None:
    model = AtomicModel(
        name="atom",
        positions_xyz=np.array([[9.0, -4.0, 7.0]], dtype=np.float32),
        potentials=np.array([1000.0], dtype=np.float32),
        volumes=np.array([DISPLACED_VOLUME], dtype=np.float32),
    )
    image = projected_potential(
        model, Rotation.identity(), size=32, pixel_size=1.0, shift_yx=(2.0, 1.0)
    )
    assert np.unravel_index(image.argmax(), image.shape) == (16 - 4 + 2, 16 + 9 + 1)


def test_rotation_about_the_beam_turns_the_projection() -> None:
    model = cloud(50)
    upright = projected_potential(model, Rotation.identity(), size=65, pixel_size=2.0)
    turned = projected_potential(
        model, Rotation.from_euler("z", 90, degrees=True), size=65, pixel_size=2.0
    )
    # x turns into y: in an image with rows downwards this is a turn clockwise.
    np.testing.assert_allclose(turned, np.rot90(upright, -1), atol=1e-2)


@pytest.mark.parametrize("seed", range(6))
def test_random_shape_is_no_denser_than_protein(seed: int) -> None:
    model = random_shape(np.random.default_rng(seed))
    reach = np.linalg.norm(model.positions_xyz, axis=1).max()
    assert 5 < reach < 320
    assert len(model.potentials) * DISPLACED_VOLUME < 4 / 3 * np.pi * reach**3 * 1.3


def test_coordinate_file_gives_its_heavy_atoms_without_water(tmp_path: Path) -> None:
    path = tmp_path / "ala.pdb"
    path.write_text(PDB)
    model = read_atomic_model(path)
    assert len(model.potentials) == 3
    np.testing.assert_allclose(model.positions_xyz.mean(0), 0, atol=1e-5)
    assert model.potentials[1] > model.potentials[0]  # carbon scatters more than N


def test_table_of_atoms_gives_the_same_model_as_its_arrays(tmp_path: Path) -> None:
    ball = cloud(20)
    path = tmp_path / "ball_1abc.npz"
    np.savez(path, xyz=ball.positions_xyz, Z=np.full(20, 6, dtype=np.uint8))
    model = read_atomic_model(path)
    assert model.name == "ball_1abc"
    np.testing.assert_allclose(model.potentials, ball.potentials)


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.pdb", None), ("text.npz", b"hello"), ("empty.pdb", b"END\n")],
)
def test_file_without_atoms_is_refused(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_atomic_model(path)
