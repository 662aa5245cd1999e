"""The benchmark from picks to maps: its parts have closed forms, RELION does the rest."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from cryoscore_plugin.density.atomic_model import read_atomic_model
from cryoscore_plugin.density.projection import projected_potential
from cryoscore_plugin.evaluation.pickers import Picks

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.fixture(autouse=True)
def _beside_each_other(monkeypatch):
    """The scripts import each other, as Python lets scripts of one folder."""
    monkeypatch.syspath_prepend(SCRIPTS)


@pytest.fixture
def atoms(tmp_path) -> Path:
    """A lopsided heap of carbon atoms, about 60 Å across."""
    rng = np.random.default_rng(1)
    parts = [((0, 0, -12), 6, 900), ((0, 8, 12), 6, 900), ((14, 0, 12), 4, 400)]
    xyz = np.concatenate([rng.normal(at, size, (n, 3)) for at, size, n in parts])
    path = tmp_path / "heap.npz"
    np.savez(path, xyz=xyz.astype(np.float32), Z=np.full(len(xyz), 6))
    return path


def test_the_known_structure_projects_as_the_simulator_does(atoms):
    module, model = import_module("reconstruction"), read_atomic_model(atoms)
    density = module.known_structure(model, size=32, voxel_size=4.0)
    picture = projected_potential(model, Rotation.identity(), size=32, pixel_size=4.0)
    # Up to half of Nyquist: the map takes each atom to the nearest of finer voxels.
    ours, theirs = (
        np.fft.fftshift(np.fft.fft2(x))[8:24, 8:24]
        for x in (density.sum(0) * 4, picture)
    )
    np.testing.assert_allclose(ours, theirs, atol=0.03 * float(np.abs(theirs).max()))


def test_half_maps_that_are_the_truth_agree_with_it(tmp_path, atoms):
    module, model = import_module("reconstruction"), read_atomic_model(atoms)
    known = module.known_structure(model, size=32, voxel_size=4.0)
    path = tmp_path / "half.mrc"
    module.write_map(path, 3 * known, voxel_size=4.0)
    found = module.half_maps_figures(
        (path, path), known, voxel_size=4.0, diameter=model.diameter
    )
    assert found["half_maps"] == found["truth"] == 8.0
    assert found["agreement"] == pytest.approx(1)
    noise = np.random.default_rng(0).normal(0, 10 * known.std(), known.shape)
    noise = noise.astype(np.float32)
    module.write_map(tmp_path / "noise.mrc", noise, voxel_size=4.0)
    worse = module.half_maps_figures(
        (tmp_path / "noise.mrc", path), known, voxel_size=4.0, diameter=model.diameter
    )
    assert worse["half_maps"] > 20
    assert worse["agreement"] < 0.9


def test_a_soft_ball_is_full_inside_and_empty_outside():
    ball = import_module("reconstruction").soft_ball(32, diameter=14.0, edge=3.0)
    assert ball[16, 16, 16 + 6] > 0.99
    assert ball[16, 16, 16 + 15] < 0.01
    assert ball[16, 16, 16 + 10] == pytest.approx(0.5)


def test_halves_are_all_particles_and_none_is_in_both(tmp_path):
    names = [f"{number:06d}@stack.mrcs" for number in range(11)]
    table = {
        "optics": pd.DataFrame({"rlnOpticsGroup": [1]}),
        "particles": pd.DataFrame({"rlnImageName": names}),
    }
    starfile.write(table, tmp_path / "particles.star")
    halves = [
        starfile.read(path)["particles"]["rlnImageName"].tolist()
        for path in import_module("picks_to_maps").split(
            tmp_path / "particles.star", seed=1
        )
    ]
    assert sorted(halves[0] + halves[1]) == names
    assert abs(len(halves[0]) - len(halves[1])) == 1


def test_precision_counts_all_micrographs_together(atoms):
    module, model = import_module("picks_to_maps"), read_atomic_model(atoms)
    setup = module.Setup(model=model, symmetry="C1", rounds=1)

    def picks(*centers_yx):
        return Picks(
            centers_yx=np.array(centers_yx, dtype=float),
            scores=np.zeros(len(centers_yx)),
        )

    truth = {"a": picks((50, 50)), "b": picks((80, 20), (20, 80), (90, 90))}
    found = {"a": picks((51, 51)), "b": picks((80, 20), (20, 80), (50, 50))}
    assert module.precision(truth, truth, setup) == 1
    assert module.precision(found, truth, setup) == 0.75


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("relion_refine") is None, reason="RELION is not installed"
)
def test_every_method_ends_in_maps_that_are_compared(tmp_path, atoms, fake_topaz):
    words = ["--model", atoms, "--topaz", fake_topaz, "--work", tmp_path / "work"]
    words += ["--cache", tmp_path / "cache"]
    words += ["--denoiser", "band-pass", "--seeds", 2, "--count", 1, "--size", 256]
    words += ["--dose", 200, "--occupancy", 0.1, "--rounds", 1, "--background", 0]
    words += ["--record", tmp_path / "f.json"]
    answer = CliRunner().invoke(
        import_module("end_to_end").main, [str(word) for word in words]
    )
    assert answer.exception is None, answer.output
    rows = json.loads((tmp_path / "f.json").read_text())
    methods = ["truth", "raw", "band-pass", "topaz"]
    assert [row["denoiser"] for row in rows] == 2 * methods
    for row in rows:
        same = [one["picks"] for one in rows if one["seed"] == row["seed"]]
        assert row["picks"] == same[0] > 4
        if row["denoiser"] == "truth":
            assert row["precision"] == 1
            assert row["agreement"] > 0.2
    # This Topaz returns its input, and everything after it is the same.
    by_name = {row["denoiser"]: row for row in rows}
    assert by_name["topaz"]["agreement"] == by_name["raw"]["agreement"]
    compared = json.loads((tmp_path / "f_compared.json").read_text())
    assert ("precision", "band-pass") in {
        (row["figure"], row["denoiser"]) for row in compared
    }


def test_without_relion_the_benchmark_says_what_it_needs(atoms, monkeypatch):
    monkeypatch.setenv("PATH", "")
    answer = CliRunner().invoke(import_module("end_to_end").main, ["--model", atoms])
    assert "needs RELION" in str(answer.exception)
