"""`cryoscore simulate` writes micrographs, and the truth that RELION can use."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.evaluation.resolution import fourier_shell_correlation
from cryoscore_plugin.mrc import read_micrograph, read_volume
from cryoscore_plugin.simulation.micrographs import QUANTUM_EFFICIENCY

MTF = """data_
loop_
_rlnResolutionInversePixel #1
_rlnMtfValue #2
0 1
0.25 0.6
0.5 0.2
"""
SMALL = ("--count", 1, "--size", 128, "--pixel-size", 4)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A particle without symmetry, as a table of carbon atoms."""
    monkeypatch.chdir(tmp_path)
    shape = random_shape(np.random.default_rng(11))
    numbers = np.full(len(shape.positions_xyz), 6, dtype=np.uint8)
    np.savez("shape.npz", xyz=shape.positions_xyz, Z=numbers)
    return Path("shape.npz")


@pytest.fixture
def simulate(shell, model):
    """Run it with the model; give the folder."""

    def run(folder: str, *words: object) -> Path:
        answer = shell("simulate", model, "--output", folder, *words)
        assert answer.code == 0, answer.err
        return Path(folder)

    return run


def pixels(folder: Path, name: str = "Micrographs/mic_0001.mrc") -> np.ndarray:
    return read_micrograph(folder / name).pixels


@pytest.mark.slow
def test_defaults_make_five_micrographs(simulate):
    folder = simulate("out")
    table = starfile.read(folder / "micrographs.star")
    names = table["micrographs"]["rlnMicrographName"]
    assert list(names) == [f"Micrographs/mic_{i:04d}.mrc" for i in range(1, 6)]
    for name in names:
        image = read_micrograph(folder / name)
        assert image.pixels.shape == (1024, 1024)
        assert image.pixel_size == pytest.approx(1.5)
    defocus = table["micrographs"]["rlnDefocusV"]
    assert defocus.between(8000, 25000).all()
    assert defocus.nunique() == 5
    assert not list(folder.rglob("*_EVN.mrc"))


def test_truth_is_where_the_table_says(simulate):
    folder = simulate("out", *SMALL, "--occupancy", 0.1)
    particles = starfile.read(folder / "Truth/particles.star")["particles"]
    power = pixels(folder, "Truth/mic_0001.mrc") ** 2
    y, x = np.indices(power.shape)
    away = np.min(
        [
            np.hypot(x - row.rlnCoordinateX, y - row.rlnCoordinateY)
            for row in particles.itertuples()
        ],
        axis=0,
    )
    assert power[away < 10].mean() > 5 * power[away > 40].mean()


def test_same_seed_gives_the_same_and_another_one_does_not(simulate):
    first, second = simulate("a", *SMALL), simulate("b", *SMALL)
    np.testing.assert_array_equal(pixels(first), pixels(second))
    assert (pixels(simulate("c", *SMALL, "--seed", 2)) != pixels(first)).any()


def test_halves_are_independent_and_add_up(simulate):
    folder = simulate("out", *SMALL, "--halves", "--background", 0, "--dose", 100)
    even = pixels(folder, "Micrographs/mic_0001_EVN.mrc")
    odd = pixels(folder, "Micrographs/mic_0001_ODD.mrc")
    np.testing.assert_array_equal(even + odd, pixels(folder))
    truth = pixels(folder, "Truth/mic_0001.mrc") / 2
    noise = [half - truth - (half - truth).mean() for half in (even, odd)]
    correlation = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    assert abs(correlation) < 4 / 128  # four standard errors


@pytest.mark.parametrize(
    "words",
    [
        ("--defocus", 3, 3),
        ("--voltage", 200),
        ("--b-factor", 300),
        ("--occupancy", 0.5),
        ("--background", 0),
        ("--preferred", 1),
        ("--astigmatism", 1),
        ("--phase-shift", 90),
        ("--separation", 1.6),
        ("--part", "carbon_film"),
        ("--mtf", "mtf.star"),
    ],
)
def test_every_option_changes_the_picture(simulate, words):
    Path("mtf.star").write_text(MTF)
    usual, other = simulate("a", *SMALL), simulate("b", *SMALL, *words)
    assert (pixels(usual) != pixels(other)).any()


def test_dose_and_sampling_set_the_electrons(simulate):
    folder = simulate("out", *SMALL, "--dose", 10, "--background", 0)
    expected = 10 * 4**2 * QUANTUM_EFFICIENCY
    assert pixels(folder).mean() == pytest.approx(expected, rel=0.01)


def test_preferred_particles_stand_or_lie_on_their_heads(simulate):
    folder = simulate("out", *SMALL, "--preferred", 1, "--occupancy", 0.5)
    particles = starfile.read(folder / "Truth/particles.star")["particles"]
    tilt = particles["rlnAngleTilt"].abs()
    assert (np.minimum(tilt, 180 - tilt) < 45).all()


def test_phase_plate_brings_out_low_frequencies_and_is_in_the_table(simulate):
    plain, shifted = (
        simulate(name, *SMALL, "--phase-shift", shift)
        for name, shift in (("a", 0), ("b", 90))
    )
    k = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)) / 4
    low = (k > 0) & (k < 1 / 150)
    power = [
        np.abs(np.fft.rfft2(pixels(folder, "Truth/mic_0001.mrc")))[low].mean()
        for folder in (plain, shifted)
    ]
    assert power[1] > 2 * power[0]
    for block, name in (
        ("micrographs", "micrographs"),
        ("particles", "Truth/particles"),
    ):
        table = starfile.read(shifted / f"{name}.star")[block]
        assert (table["rlnPhaseShift"] == 90).all()


def test_astigmatism_is_as_large_as_was_asked(simulate):
    found = []
    for number, mean in enumerate((0, 0.2, 0.4)):
        folder = simulate(f"out{number}", *SMALL, "--astigmatism", mean)
        row = starfile.read(folder / "micrographs.star")["micrographs"].squeeze()
        found.append(row["rlnDefocusU"] - row["rlnDefocusV"])
    assert found[0] == 0
    assert found[2] == pytest.approx(2 * found[1], abs=0.1)
    assert found[1] > 10


@pytest.mark.parametrize("separation", [0.6, 1.5])
def test_particles_keep_their_distance(simulate, separation):
    folder = simulate("out", *SMALL, "--occupancy", 0.5, "--separation", separation)
    rows = starfile.read(folder / "Truth/particles.star")["particles"]
    centers = rows[["rlnCoordinateX", "rlnCoordinateY"]].to_numpy()
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    closest = apart[~np.eye(len(centers), dtype=bool)].min()
    diameter = random_shape(np.random.default_rng(11)).diameter / 4
    # Positions are whole pixels, the rest of each is in its origin.
    assert separation * diameter - 2 < closest < (separation + 0.6) * diameter


@pytest.mark.usefixtures("model")
def test_map_is_simulated_like_a_model(shell):
    density = np.zeros((20, 20, 20), dtype=np.float32)
    density[5:15, 5:15, 5:15] = 3.0
    with mrcfile.new("box.mrc") as file:
        file.set_data(density)
        file.voxel_size = 5.0
    answer = shell("simulate", "box.mrc", "--output", "a", *SMALL)
    assert answer.code == 1
    assert "box.mrc is a density map, whose units are arbitrary" in answer.err
    for name, words in (("b", ("--mass", 80)), ("c", ("--threshold", 1))):
        answer = shell("simulate", "box.mrc", "--output", name, *SMALL, *words)
        assert answer.code == 0, answer.err
    assert (pixels(Path("b")) != pixels(Path("c"))).any()
    assert pixels(Path("c"), "Truth/mic_0001.mrc").std() > 1


@pytest.mark.usefixtures("model")
def test_belt_makes_a_membrane_protein_larger(shell):
    rng = np.random.default_rng(1)
    points = rng.uniform([-20, -20, -40], [20, 20, 40], (6000, 3)).astype(np.float32)
    rich = np.abs(points[:, 2]) < 14
    numbers = np.where(rng.random(6000) < np.where(rich, 0.8, 0.6), 6, 8)
    np.savez("channel.npz", xyz=points, Z=numbers)
    for name, words in (("a", ()), ("b", ("--belt", "lipid"))):
        answer = shell("simulate", "channel.npz", "--output", name, *SMALL, *words)
        assert answer.code == 0, answer.err
    boxes = [
        starfile.read(f"{name}/Truth/particles.star")["optics"]["rlnImageSize"]
        for name in "ab"
    ]
    assert int(boxes[1].squeeze()) > int(boxes[0].squeeze())


def test_table_of_another_kind_is_no_modulation_transfer(shell, model):
    Path("mtf.star").write_text("data_\n\nloop_\n_rlnMicrographName #1\na.mrc\n")
    answer = shell("simulate", model, "--output", "out", *SMALL, "--mtf", "mtf.star")
    assert answer.code == 1
    assert "mtf.star should be a table of two columns" in answer.err


def test_folder_with_files_is_left_alone(shell, model):
    answer = shell("simulate", model, "--output", ".", *SMALL)
    assert answer.code == 1
    assert "should be a new or empty folder, but holds files" in answer.err


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("relion_reconstruct") is None, reason="RELION is not installed"
)
def test_relion_reconstructs_the_particle_from_the_truth(simulate, model):
    """Places, angles, defocus and contrast are right: else there is no particle."""
    folder = simulate(
        *("out", "--count", 2, "--size", 512, "--pixel-size", 4, "--dose", 300),
        *("--background", 0, "--occupancy", 0.4),
    )
    extract = (
        "relion_preprocess --i micrographs.star --part_dir Extract/ --extract "
        "--reextract_data_star Truth/particles.star --part_star particles.star "
        "--extract_size 72 --norm --bg_radius 30 --invert_contrast"
    )
    reconstruct = "relion_reconstruct --i particles.star --o map.mrc --ctf"
    for command in (extract, reconstruct):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    found, voxel_size = read_volume(folder / "map.mrc")
    atoms = np.load(model)["xyz"]
    atoms = atoms - atoms.mean(0)
    edges = (np.arange(73) - 36.5) * voxel_size  # voxel 36 is the centre
    true, _ = np.histogramdd(atoms[:, ::-1], bins=[edges] * 3)

    def resolution(truth: np.ndarray) -> float:
        curve = fourier_shell_correlation(
            found, truth.astype(np.float32), voxel_size=voxel_size
        )
        return curve.resolution(0.5)

    assert resolution(true) < 25
    assert resolution(true[:, :, ::-1]) > 1.3 * resolution(true)
