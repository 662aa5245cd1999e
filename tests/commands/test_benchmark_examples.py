"""The scripts of examples/benchmarks run, and find what is put before them."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
from click.testing import CliRunner
from scipy import ndimage

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"
SHAPE = (260, 240)
CENTERS_YX = [(70, 70), (70, 160), (170, 80), (180, 165)]

FAKE_TOPAZ = f"""#!{sys.executable} -S
# Speaks as Topaz does, and copies its inputs.
import os, shutil, sys
words = sys.argv[1:]
folder = words[words.index("-o") + 1]
os.makedirs(folder, exist_ok=True)
for word in words:
    if word.endswith(".mrc"):
        shutil.copy(word, folder)
with open(__file__ + ".log", "a") as log:
    log.write(str(sum(word.endswith(".mrc") for word in words)) + "\\n")
"""


@pytest.fixture(autouse=True)
def _beside_each_other(monkeypatch):
    """The scripts import each other, as Python lets scripts of one folder."""
    monkeypatch.syspath_prepend(SCRIPTS)


def run(module: ModuleType, *words: str | Path) -> str:
    result = CliRunner().invoke(module.main, [str(word) for word in words])
    assert result.exception is None, result.output
    return result.output


def rings(noise: float, seed: int) -> np.ndarray:
    """Dark rings as large as apoferritin at 1.5 Å/px, in noise."""
    image = np.random.default_rng(seed).normal(0, noise, SHAPE)
    y, x = np.indices(SHAPE)
    for cy, cx in CENTERS_YX:
        radius = np.hypot(y - cy, x - cx)
        image -= np.exp(-((radius - 30) ** 2) / 50)
    return image.astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder laid out as the script expects it."""
    folder = tmp_path / "data"
    folder.mkdir()
    for suffix, noise in {"": 0.1, "_frame": 6.0, "_rest": 0.2}.items():
        mrcfile.write(folder / f"one{suffix}.mrc", rings(noise, seed=len(suffix)))
    picks = {"rlnCoordinateX": [x for _, x in CENTERS_YX]}
    picks["rlnCoordinateY"] = [y for y, _ in CENTERS_YX]
    optics = {"rlnOpticsGroup": [1], "rlnVoltage": [300.0]}
    optics |= {"rlnSphericalAberration": [2.7], "rlnAmplitudeContrast": [0.07]}
    optics |= {"rlnMicrographPixelSize": [1.5]}
    table = {"rlnMicrographName": ["one.mrc"], "rlnOpticsGroup": [1]}
    table |= {"rlnDefocusU": [20000.0], "rlnDefocusV": [20000.0]}
    table |= {"rlnDefocusAngle": [0.0]}
    starfile.write(pd.DataFrame(picks), folder / "one_picks.star")
    blocks = {"optics": pd.DataFrame(optics), "micrographs": pd.DataFrame(table)}
    starfile.write(blocks, folder / "micrographs.star")
    return folder


@pytest.fixture
def atoms(tmp_path: Path) -> Path:
    """Carbon atoms on a sphere of 45 Å radius, as apoferritin has."""
    points = np.random.default_rng(1).normal(size=(6000, 3))
    points *= 45 / np.linalg.norm(points, axis=1, keepdims=True)
    path = tmp_path / "shell.npz"
    np.savez(path, xyz=points.astype(np.float32), Z=np.full(6000, 6, dtype=np.uint8))
    return path


def test_apoferritin_finds_rings_unless_noise_hides_them(tmp_path, data, atoms):
    module, record = import_module("apoferritin"), tmp_path / "figures.json"
    words = ["--data", data, "--denoiser", "raw", "--json", record]
    output = run(module, *words, "--reference", atoms)
    assert output.count("\n") == 2
    precision = {
        (row["picker"], row["dose"]): row["average_precision"]
        for row in json.loads(record.read_text())
    }
    assert precision["log", "full"] == 1
    assert precision["ring", "full"] == 1
    assert precision["log", "frame"] < 1


def test_apoferritin_reads_back_a_folder_that_it_wrote(tmp_path, data):
    module, folder = import_module("apoferritin"), tmp_path / "inputs"
    run(module, "--data", data, "--write-inputs", folder)
    # A coarser file covers the same area.
    smooth = ndimage.zoom(mrcfile.read(folder / "full" / "one.mrc"), 0.5, order=1)
    mrcfile.write(folder / "full" / "one.mrc", smooth, overwrite=True)
    output = run(module, "--data", data, "--denoiser", "raw", "--denoiser", folder)
    assert "ring" not in output  # without a reference there is nothing to look for
    raw, read = (line.split()[1:] for line in output.splitlines()[1:])
    assert raw[1:] == read[1:]
    assert float(read[0]) == 1


def test_settings_of_a_file_are_those_of_a_denoiser(
    tmp_path, data, atoms, shell, tiny_checkpoint
):
    reference = tmp_path / "shell.safetensors"
    made = shell("reference", atoms, "--output", reference, "--views", "1")
    assert made.code == 0, made.err
    guided = f"reference: {reference}\nguidance: 1.0\n"
    names = []
    for name, words in {"plain": "", "guided": guided}.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"model: {tiny_checkpoint}\ndevice: cpu\n{words}")
        names += ["--denoiser", file]
    words = ["--data", data, "--dose", "full"]
    output = run(import_module("apoferritin"), *words, *names)
    assert "frame" not in output
    plain, guided = (line.split()[1:] for line in output.splitlines()[1:])
    assert plain != guided


def test_uncertainty_is_judged_by_the_error(atoms, tiny_checkpoint):
    words = ["--models", atoms, "--size", "256", "--denoiser", tiny_checkpoint]
    output = run(import_module("uncertainty"), *words, "--probes", "1")
    title, *lines = output.splitlines()
    assert title.split()[:2] == ["e/Å²", "all"]
    assert [line.split()[0] for line in lines] == ["2", "6", "20", "50"]
    # Random weights know nothing: the error grows with the signal, and they do not say.
    assert float(lines[-1].split()[1]) > float(lines[0].split()[1])


FAKE_DETECTOR = f"""#!{sys.executable} -S
# Normalizes by copying, and picks two places that it does not look for.
import os, shutil, sys
words = sys.argv[1:]
target, files = words[words.index("-o") + 1], [w for w in words if w.endswith(".mrc")]
if words[0] == "preprocess":
    os.makedirs(target)
    for file in files:
        shutil.copy(file, target)
else:
    assert words[words.index("-r") + 1] == "10"
    with open(target, "w") as table:
        table.write("image_name\\tx_coord\\ty_coord\\tscore\\n")
        table.write("one\\t3\\t9\\t1.5\\none\\t30\\t20\\t2.5\\n")
"""


def test_picks_of_topaz_are_brought_to_the_grid_of_the_image(tmp_path):
    programs, topaz = import_module("other_programs"), tmp_path / "topaz"
    topaz.write_text(FAKE_DETECTOR)
    topaz.chmod(0o755)
    images = {name: rings(0.1, seed=1) for name in ("one", "two")}
    found = programs.Programs(topaz=topaz, relion=None).picks(
        images, diameter=60.0, pixel_size=1.0
    )["topaz"]
    # It looks at particles of 20 px, on a grid three times as coarse.
    h, w = (round(side / 3) / side for side in SHAPE)
    expected = [[20.5 / h - 0.5, 30.5 / w - 0.5], [9.5 / h - 0.5, 3.5 / w - 0.5]]
    np.testing.assert_allclose(found["one"].centers_yx, expected)
    assert found["one"].scores.tolist() == [2.5, 1.5]
    assert len(found["two"]) == 0


@pytest.mark.skipif(
    shutil.which("relion_autopick") is None, reason="RELION is not installed"
)
def test_relion_finds_discs_where_they_are():
    y, x = np.indices(SHAPE)
    discs = [np.hypot(y - cy, x - cx) < 30 for cy, cx in CENTERS_YX]
    image = np.random.default_rng(3).normal(0, 0.5, SHAPE) - np.sum(discs, axis=0)
    programs = import_module("other_programs")
    [picks] = (
        programs.Programs(topaz=None, relion=Path(shutil.which("relion_autopick")))
        .picks({"one": image.astype(np.float32)}, diameter=90.0, pixel_size=1.5)[
            "relion-log"
        ]
        .values()
    )
    figures = import_module("picking").picks_figures(
        picks, np.array(CENTERS_YX, float), shape=SHAPE, border=0.0, max_distance=10.0
    )
    assert figures["average_precision"] == 1


def test_programs_that_are_missing_are_said(data, monkeypatch):
    monkeypatch.setenv("PATH", "")
    module = import_module("apoferritin")
    words = ["--data", data, "--denoiser", "raw"]
    plain, asked = run(module, *words), run(module, *words, "--programs")
    for name in ("Topaz", "RELION"):
        line = f"{name} was not found, and its picker is left out.\n"
        assert line in asked
        asked = asked.replace(line, "")
    assert asked == plain


def test_a_quarter_of_the_dose_has_four_times_the_noise_variance(data):
    module = import_module("apoferritin")
    rest = module.noise_deviation(mrcfile.read(data / "one_rest.mrc"))
    quarter = module.noise_deviation(module.condition(data / "one.mrc", "quarter"))
    assert rest == pytest.approx(0.2, rel=0.03)
    assert quarter == pytest.approx(2 * rest, rel=0.03)


def test_simulated_likeness_rises_with_dose_and_topaz_is_run_once(tmp_path, atoms):
    topaz = tmp_path / "topaz"
    topaz.write_text(FAKE_TOPAZ)
    topaz.chmod(0o755)
    module, record = import_module("simulated"), tmp_path / "figures.json"
    words = ["--models", atoms, "--size", "256", "--scenes", "1", "--json", record]
    words += ["--topaz", topaz, "--work", tmp_path / "work"]
    output = run(module, *words)
    rows = json.loads(record.read_text())
    for name in ("raw", "band-pass", "topaz (best)"):
        line = [row["correlation"] for row in rows if row["denoiser"] == name]
        # The doses between need not rise: structured background limits them all.
        assert line[0] < line[-1] < 1
    # This Topaz returns its input, so it is as good as raw at every sampling.
    raw = [row["correlation"] for row in rows if row["denoiser"] == "raw"]
    same = [row["correlation"] for row in rows if row["denoiser"] == "topaz 1.5 Å/px"]
    assert same == pytest.approx(raw, rel=1e-4)
    assert run(module, *words) == output
    assert Path(f"{topaz}.log").read_text().split() == ["4", "4"]


def test_training_speed_counts_scenes_and_crops(tmp_path):
    recipe, record = tmp_path / "recipe.yaml", tmp_path / "speed.json"
    recipe.write_text(
        "name: small\ndescription: For a test.\nbatch: 2\ncrop: 32\n"
        "network: {channels: [4, 6], embedding: 4}\n"
        "pool: {scenes_per_group: 2, scene_size: 64, views: 2}\n"
    )
    words = [recipe, "--groups", "1", "--threads", "1", "--steps", "30"]
    output = run(import_module("training_speed"), *words, "--json", record)
    assert output.count("a CPU-second") == 2
    scenes, crops = json.loads(record.read_text())
    assert (scenes["what"], crops["what"]) == ("scenes", "crops")
    assert scenes["per_cpu_second"] > 0
    assert crops["per_cpu_second"] > 0


def test_one_command_runs_what_it_has_data_for_and_says_what_is_left_out(
    tmp_path, data, atoms, monkeypatch
):
    module, output = import_module("run_all"), tmp_path / "results"
    # No RELION, no Topaz; and no model, which would take seconds here.
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(module, "cryoscore", lambda *words: " ".join(map(str, words)))
    monkeypatch.setattr(module, "guided_settings", lambda *_: "band-pass")
    words = ["--output", output, "--apoferritin", data, "--denoiser", "raw"]
    words += ["--reference", atoms, "--map-model", atoms]
    result = CliRunner().invoke(module.main, [str(word) for word in words])
    for name, option in {"simulated": "--model", "cryoppp": "--cryoppp"}.items():
        assert f"{name}: left out, because {option} is not given." in result.output
    # The others go on after a part that failed: without RELION there are no maps.
    assert "end_to_end failed" in str(result.exception)
    assert "needs RELION" in (output / "end_to_end.txt").read_text()
    assert (output / "model.txt").read_text() == "models show raw"
    rows = json.loads((output / "apoferritin.json").read_text())
    filters = import_module("denoisers").FILTERS
    assert {row["denoiser"] for row in rows} == set(filters)
    assert {row["picker"] for row in rows} == {"log", "ring"}
    again = CliRunner().invoke(module.main, [str(word) for word in words])
    assert "apoferritin: was done before." in again.output


def test_likeness_is_drawn_over_the_dose(tmp_path):
    rows = [
        {"denoiser": name, "dose": dose, "correlation": dose / 100}
        for name in ("raw", "ours")
        for dose in (2.0, 6.0, 6.0)
    ]
    (tmp_path / "simulated.json").write_text(json.dumps(rows))
    import_module("run_all").draw_doses(tmp_path / "simulated.json")
    assert (tmp_path / "simulated.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", ["low-pass", "band-pass", "wiener"])
def test_filters_take_noise_away_and_keep_waves_of_60_angstrom(name):
    denoise = import_module("denoisers").FILTERS[name]
    rng = np.random.default_rng(4)
    x = np.arange(240) * 1.5
    wave = np.tile(np.cos(2 * np.pi * x / 60), (240, 1)).astype(np.float32)
    noise = rng.normal(0, 3, wave.shape).astype(np.float32)
    found = denoise(100 + wave + noise, 1.5)
    # Of the wave exp(-(20/60)²/2) = 0.95 is left, or 0.84 by the band-pass; white noise
    # is in far more frequencies.
    slope = float((found * wave).sum() / (wave**2).sum())
    assert 0.5 < slope < 1.1
    assert (found - slope * wave).std() < 0.5 * noise.std()
    kept = denoise(np.full((240, 240), 100.0, np.float32) + noise, 1.5).mean()
    assert kept == pytest.approx(0 if name == "band-pass" else 100, abs=0.2)
