"""The demo's project is repeatable, is what RELION reads, and destroys nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.demo.project import (
    COUNT,
    DIAMETERS,
    DOSE,
    PIXEL_SIZE,
    make_project,
    random_particle,
)
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.mrc import read_micrograph
from cryoscore_plugin.simulation.micrographs import QUANTUM_EFFICIENCY


def digests(folder: Path) -> dict[str, str]:
    """Hash of the pixels below a folder, by relative path of the file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            read_micrograph(path).pixels.tobytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*.mrc"))
    }


def test_same_seed_gives_the_same_micrographs(tmp_path: Path) -> None:
    first = make_project(tmp_path / "first", size=64, seed=3)
    second = make_project(tmp_path / "second", size=64, seed=3)
    other = make_project(tmp_path / "other", size=64, seed=4)
    assert digests(first.folder) == digests(second.folder)
    assert not set(digests(first.folder).values()) & set(digests(other.folder).values())
    assert len(digests(first.folder)) == 2 * COUNT


def test_raw_micrograph_is_its_truth_and_more(tmp_path: Path) -> None:
    demo = make_project(tmp_path / "demo", size=256, seed=1)
    for name in demo.names:
        raw, truth = read_micrograph(demo.raw(name)), read_micrograph(demo.truth(name))
        assert raw.pixel_size == truth.pixel_size == pytest.approx(PIXEL_SIZE)
        correlation = np.corrcoef(raw.pixels.ravel(), truth.pixels.ravel())[0, 1]
        # Pure chance would give 1 / 256 as standard deviation.
        assert 4 / 256 < correlation < 0.9
        electrons = DOSE * PIXEL_SIZE**2 * QUANTUM_EFFICIENCY
        assert raw.pixels.mean() == pytest.approx(electrons, rel=0.1)


@pytest.mark.parametrize("seed", [1, 2])
def test_particle_has_a_diameter_that_shows_up(seed: int) -> None:
    particle = random_particle(np.random.default_rng(seed))
    assert DIAMETERS[0] <= particle.diameter <= DIAMETERS[1]


def test_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("three years")
    with pytest.raises(InputError, match="holds files that no demo made"):
        make_project(tmp_path, size=64, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_earlier_demo_is_replaced(tmp_path: Path) -> None:
    demo = make_project(tmp_path / "demo", size=64, seed=1)
    (demo.folder / "report.html").write_text("old")
    make_project(tmp_path / "demo", size=64, seed=1)
    assert not (demo.folder / "report.html").exists()


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write to .*file/demo"):
        make_project(tmp_path / "file" / "demo", size=64, seed=1)
