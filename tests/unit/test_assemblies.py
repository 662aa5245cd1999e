"""An assembly has the symmetry that was drawn, and its pieces keep apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from cryoscore_plugin.density import assemblies
from cryoscore_plugin.density.assemblies import random_assembly
from cryoscore_plugin.density.atomic_model import DISPLACED_VOLUME, AtomicModel
from cryoscore_plugin.density.shapes import random_shape


@pytest.fixture(scope="module")
def models() -> list[AtomicModel]:
    return [random_shape(np.random.default_rng(seed)) for seed in (1, 2)]


@pytest.mark.parametrize("symmetry", ["T", "O", "I"])
def test_assembly_comes_back_to_itself_when_it_is_turned(
    models: list[AtomicModel], symmetry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemblies, "KINDS", {symmetry: 1.0})
    model = random_assembly(models, np.random.default_rng(3))
    order = len(Rotation.create_group(symmetry))
    assert len(model.positions_xyz) % order == 0
    tree = KDTree(model.positions_xyz)
    for turn in Rotation.create_group(symmetry):
        distance, _ = tree.query(turn.apply(model.positions_xyz[:200]))
        assert distance.max() < 0.05  # Å


def test_rod_is_longer_than_it_is_wide(
    models: list[AtomicModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemblies, "KINDS", {"rod": 1.0})
    model = random_assembly(models, np.random.default_rng(4))
    width = np.ptp(model.positions_xyz[:, :2], axis=0).max()
    assert np.ptp(model.positions_xyz[:, 2]) > width


@pytest.mark.parametrize("seed", range(12))
def test_assembly_is_no_denser_than_protein(
    models: list[AtomicModel], seed: int
) -> None:
    model = random_assembly(models, np.random.default_rng(seed))
    reach = 12.0  # Å, wider than the uneven filling of a piece
    counts = KDTree(model.positions_xyz).query_ball_point(
        model.positions_xyz[::50], reach, return_length=True
    )
    full = 4 / 3 * np.pi * reach**3 / DISPLACED_VOLUME
    # Pieces that lay in one another would be twice as dense.
    assert counts.max() < 1.4 * full


def test_seed_decides_the_assembly(models: list[AtomicModel]) -> None:
    first, again, other = (
        random_assembly(models, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.positions_xyz, again.positions_xyz)
    assert first.positions_xyz.shape != other.positions_xyz.shape


def test_assemblies_are_of_many_sizes(models: list[AtomicModel]) -> None:
    diameters = [
        random_assembly(models, np.random.default_rng(seed)).diameter
        for seed in range(30)
    ]
    assert min(diameters) < 130
    assert max(diameters) > 220
    assert max(diameters) < 420
