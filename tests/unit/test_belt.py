"""A membrane protein tells where its membrane was, and gets a belt there."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryoscore_plugin.cli.particle_options import BELTS as CHOICES
from cryoscore_plugin.constants import ICE_POTENTIAL
from cryoscore_plugin.density.atomic_model import centred_model
from cryoscore_plugin.density.belt import (
    BELTS,
    CONTACT,
    BeltKind,
    find_membrane,
    model_with_belt,
)
from cryoscore_plugin.density.particle import ParticleSettings, read_particle
from cryoscore_plugin.errors import InputError

MIDDLE, THICKNESS = 18.0, 28.0


def channel(
    rng: np.random.Generator, *, carbon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Atoms in a cylinder along z, 100 Å long; in the membrane `carbon` is carbon."""
    count = 9000
    angle, radius = rng.uniform(0, 2 * np.pi, count), 25 * np.sqrt(rng.random(count))
    z = rng.uniform(-50, 50, count)
    xyz = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
    share = np.where(np.abs(z - MIDDLE) < THICKNESS / 2, carbon, 0.62)
    return xyz.astype(np.float32), np.where(rng.random(count) < share, 6, 8)


@pytest.mark.parametrize("seed", range(3))
def test_membrane_is_found_however_the_protein_is_turned(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xyz, numbers = channel(rng, carbon=0.75)
    turn = Rotation.random(rng=rng)
    shift = np.array([10, 20, 30])
    moved = (turn.apply(xyz) + shift).astype(np.float32)
    membrane = find_membrane(moved, numbers, thickness=THICKNESS)
    true = turn.apply([0, 0, 1])
    assert abs(membrane.normal @ true) > np.cos(np.radians(10))
    on_axis = turn.apply([0, 0, MIDDLE]) + shift
    assert membrane.normal @ on_axis - membrane.middle == pytest.approx(0, abs=6)


@pytest.mark.parametrize("kind", get_args(BeltKind))
def test_belt_lies_around_the_protein_in_its_membrane(kind: BeltKind) -> None:
    xyz, numbers = channel(np.random.default_rng(1), carbon=0.8)
    belt = BELTS[kind]
    model = model_with_belt("channel", xyz, numbers, belt)
    # Both are centred on their own atoms: undo it by those that they share.
    moved = model.positions_xyz + xyz[0] - model.positions_xyz[0]
    np.testing.assert_allclose(moved[: len(xyz)], xyz, atol=1e-3)
    added = moved[len(xyz) :]
    radius = np.hypot(added[:, 0], added[:, 1])
    assert np.quantile(radius, 0.02) > 25 - CONTACT
    assert radius.max() < 25 + belt.width + 8  # the normal is a few degrees off
    reach = belt.core / 2 + belt.head
    assert np.abs(added[:, 2] - MIDDLE).max() < reach + 12
    assert added[:, 2].mean() == pytest.approx(MIDDLE, abs=4)


def test_belt_is_brighter_than_ice_and_fainter_than_protein() -> None:
    """Hydrocarbon has some 1.7 V more than ice, protein 3.5 V (see the module)."""
    xyz, numbers = channel(np.random.default_rng(1), carbon=0.8)
    protein = centred_model("channel", xyz, numbers)
    model = model_with_belt("channel", xyz, numbers, BELTS["detergent"])
    part = slice(len(xyz), None)
    belt = model.potentials[part].sum() / model.volumes[part].sum() - ICE_POTENTIAL
    inside = protein.potentials.sum() / protein.volumes.sum() - ICE_POTENTIAL
    assert 0.3 * inside < belt < 0.8 * inside


def test_soluble_protein_gets_no_belt(tmp_path) -> None:
    xyz, numbers = channel(np.random.default_rng(1), carbon=0.62)
    np.savez(tmp_path / "rod.npz", xyz=xyz, Z=numbers)
    with pytest.raises(InputError, match="rod does not look like a membrane protein"):
        read_particle(tmp_path / "rod.npz", ParticleSettings(belt="lipid"))


def test_command_line_has_all_kinds() -> None:
    assert CHOICES == get_args(BeltKind) == tuple(BELTS)
