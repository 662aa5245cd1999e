"""The scripts of examples/benchmarks run, and find what is put before them."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
from click.testing import CliRunner
from matplotlib.image import imread
from scipy import fft, ndimage, stats

from cryoscore_plugin.density.atomic_model import read_atomic_model
from cryoscore_plugin.errors import ConfigError, CryoScoreError

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"
SHAPE = (260, 240)
CENTERS_YX = [(70, 70), (70, 160), (170, 80), (180, 165)]


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


def in_band(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A random image with nothing outside 1/250 to 1/10 1/Å at 1.5 Å/px."""
    plane = fft.rfft2(rng.normal(size=shape))
    k = np.hypot(fft.fftfreq(shape[0], 1.5)[:, None], fft.rfftfreq(shape[1], 1.5))
    plane[(k < 1 / 250) | (k > 1 / 10)] = 0
    return fft.irfft2(plane, s=shape).astype(np.float32)


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


def table(output: str, title: str) -> dict[str, list[float]]:
    """One of the tables in an output: figures by the first word of each line."""
    lines = output.split(title)[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    # A column is as wide as its words, which may have spaces; figures have none.
    words = [line.rsplit(maxsplit=len(line.split()) - 1) for line in lines]
    return {name: list(map(float, figures)) for name, *figures in words}


def test_apoferritin_finds_rings_unless_noise_hides_them(tmp_path, data, atoms):
    module, record = import_module("apoferritin"), tmp_path / "figures.json"
    words = ["--data", data, "--denoiser", "raw", "--record", record]
    output = run(module, *words, "--reference", atoms)
    found = table(output, "mean average_precision")["raw"]
    assert len(found) == 6  # two pickers at three doses
    precision = {
        (row["picker"], row["dose"]): row["average_precision"]
        for row in json.loads(record.read_text())
    }
    assert found == [round(value, 3) for value in precision.values()]
    assert precision["log", "full"] == 1
    assert precision["ring", "full"] == 1
    assert precision["log", "frame"] < 1


def test_a_frame_without_noise_is_like_the_rest_of_its_movie(tmp_path, data):
    record = tmp_path / "figures.json"
    words = ["--data", data, "--denoiser", "raw", "--denoiser", data.parent / "clean"]
    (data.parent / "clean" / "frame").mkdir(parents=True)
    shutil.copy(data / "one_rest.mrc", data.parent / "clean" / "frame" / "one.mrc")
    run(import_module("apoferritin"), *words, "--dose", "frame", "--record", record)
    rows = json.loads((tmp_path / "figures_rest.json").read_text())
    found = {(row["denoiser"], row["band"]): row["correlation"] for row in rows}
    assert len(rows) == 10
    for band in ("150-80 Å", "250-12 Å"):
        assert found[str(data.parent / "clean"), band] == pytest.approx(1)
        assert found["raw", band] < 0.9


def test_the_risk_of_a_frame_is_its_mean_square_error(data):
    """Whatever the grey scale of the rest is; and noise of the rest does not count."""
    module = import_module("apoferritin_figures")
    truth, raw = 50 * rings(0, seed=0), data / "one.mrc"
    for name, image in {
        "frame": 50 * rings(1.0, seed=1),
        "rest": rings(0.5, seed=2),
    }.items():
        mrcfile.write(data / f"one_{name}.mrc", image, overwrite=True)
    outputs = {
        "blank": 0 * truth,
        "half": truth / 2,
        "truth": truth,
        "twice": 2 * truth,
    }
    risk = {
        name: next(
            row["risk"]
            for row in module.rest_rows(name, {raw: image})
            if row["band"] == "150-80 Å"
        )
        for name, image in outputs.items()
    }
    assert risk["blank"] == 1
    assert risk["half"] == pytest.approx(0.25, abs=0.05)
    assert risk["truth"] == pytest.approx(0, abs=0.1)
    assert risk["twice"] == pytest.approx(1, abs=0.3)


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """Carbon atoms that fill a ball of 30 Å radius."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(6000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points *= 30 * rng.random((6000, 1)) ** (1 / 3)
    path = tmp_path / "ball.npz"
    np.savez(path, xyz=points.astype(np.float32), Z=np.full(6000, 6, dtype=np.uint8))
    return path


def test_strong_added_particles_are_found_unless_nothing_is_left(
    tmp_path, data, ball, monkeypatch
):
    module, record = import_module("spiked"), tmp_path / "figures.json"
    monkeypatch.setattr(module, "RATIOS", (1000.0,))
    blank = {"blank": lambda given: [0 * one.pixels for one in given]}
    real = module.named_denoiser
    monkeypatch.setattr(
        module, "named_denoiser", lambda name, _: blank.get(name) or real(name, _)
    )
    words = ["--data", data, "--particle", ball, "--record", record]
    output = run(module, *words, "--denoiser", "raw", "--denoiser", "blank")
    recall = {
        (row["denoiser"], row["snr"]): row["recall"]
        for row in json.loads(record.read_text())
    }
    assert recall["raw", "1000"] == 1
    assert recall["raw", "0"] < 1
    assert {recall["blank", kind] for kind in ("own", "0", "1000")} == {0}
    assert table(output, "mean recall of added particles")["raw"][-1] == 1


def test_other_places_of_added_particles_with_another_seed(data, ball):
    module = import_module("spiked")
    [one], [same], [other] = (
        module.spiked_cases(data, read_atomic_model(ball), seed=seed)
        for seed in (1, 1, 2)
    )
    assert one.places == same.places != other.places


def test_apoferritin_reads_back_a_folder_that_it_wrote(tmp_path, data):
    module, folder = import_module("apoferritin"), tmp_path / "inputs"
    run(module, "--data", data, "--write-inputs", folder)
    # A coarser file covers the same area.
    smooth = ndimage.zoom(mrcfile.read(folder / "full" / "one.mrc"), 0.5, order=1)
    mrcfile.write(folder / "full" / "one.mrc", smooth, overwrite=True)
    output = run(module, "--data", data, "--denoiser", "raw", "--denoiser", folder)
    assert "ring" not in output  # without a reference there is nothing to look for
    raw, read = table(output, "mean average_precision").values()
    assert raw[1:] == read[1:]
    assert read[0] == 1


def test_settings_of_a_file_are_those_of_a_denoiser(
    tmp_path, data, atoms, shell, tiny_checkpoint
):
    reference = tmp_path / "shell.safetensors"
    made = shell("reference", atoms, "--output", reference, "--views", "1")
    assert made.code == 0, made.err
    guided = f"reference: {reference}\nguidance: 1.0\n"
    denoisers, apoferritin = (
        import_module(name) for name in ("denoisers", "apoferritin")
    )
    files = []
    for name, words in {"plain": "", "guided": guided}.items():
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(f"model: {tiny_checkpoint}\ndevice: cpu\n{words}")
    assert [denoisers.label(str(file)) for file in files] == ["plain", "guided"]
    one = data / "one.mrc"
    images = [
        apoferritin.denoised(str(file), "full", [one], None)[one] for file in files
    ]
    assert images[0].shape == images[1].shape == SHAPE
    assert not np.allclose(*images)


def test_ice_alone_is_noise_until_it_is_filtered(tmp_path, atoms):
    module, record = import_module("empty_ice"), tmp_path / "figures.json"
    words = ["--models", atoms, "--size", "256", "--scenes", "1", "--record", record]
    words += ["--denoiser", "raw", "--denoiser", "band-pass"]
    found = table(run(module, *words), "mean deviation, by dose")
    rows = json.loads(record.read_text())
    raw = [row["deviation"] for row in rows if row["denoiser"] == "raw"]
    assert found["raw"] == pytest.approx(raw, rel=1e-3)
    # Counts fluctuate by their square root, and contrast is that of the dose, which
    # damage leaves a part of.
    doses = np.array([row["dose"] for row in rows if row["denoiser"] == "raw"])
    in_counts = np.array(raw) * np.sqrt(doses)
    assert in_counts[0] > 1
    assert (np.diff(in_counts) >= 0).all()
    assert in_counts[-1] < 1.5 * in_counts[0]
    assert all(a < b for a, b in zip(found["band-pass"], raw, strict=True))


def test_contrast_inside_particles_is_that_of_the_truth():
    y, x = np.indices((64, 64))
    inside = np.hypot(y - 30, x - 20) <= 10
    clean = np.where(inside, np.where(x > 20, 3.0, -3.0), 7.0).astype(np.float32)
    image = SimpleNamespace(clean=clean, centers_yx=np.array([[30.0, 20.0]]))
    found = import_module("empty_ice").contrast_inside(image, diameter=30.0)
    assert found == pytest.approx(clean[inside].std())


def test_uncertainty_is_judged_by_the_error(atoms):
    words = ["--models", atoms, "--size", "256", "--probes", "4"]
    output = run(import_module("uncertainty"), *words)
    title, *lines = output.splitlines()
    assert title.split()[:2] == ["e/Å²", "all"]
    found = {line.split()[0]: list(map(float, line.split()[1:])) for line in lines}
    assert list(found) == ["2", "6", "20", "50"]
    # One small image with few probes: right within a factor, and where there is much to
    # see, places that are said to be worse are.
    assert all(0.25 < ratio < 4 for ratio, *_ in found.values())
    assert found["50"][-1] > 0.2


def test_picks_of_topaz_are_brought_to_the_grid_of_the_image(tmp_path, fake_topaz):
    programs, topaz = import_module("programs"), fake_topaz
    images = {name: rings(0.1, seed=seed) for seed, name in enumerate(("one", "two"))}
    here = programs.Programs(topaz=topaz, relion=None, cache=tmp_path / "cache")
    found = here.picks(images, diameter=60.0, pixel_size=1.0)["topaz"]
    # It looks at particles of 20 px, on a grid three times as coarse.
    h, w = (round(side / 3) / side for side in SHAPE)
    expected = [[20.5 / h - 0.5, 30.5 / w - 0.5], [9.5 / h - 0.5, 3.5 / w - 0.5]]
    np.testing.assert_allclose(found["one"].centers_yx, expected)
    assert found["one"].scores.tolist() == [2.5, 1.5]
    assert len(found["two"]) == 0
    # The second time nothing is started.
    topaz.write_text("#!/bin/false\n")
    again = here.picks(images, diameter=60.0, pixel_size=1.0)["topaz"]
    np.testing.assert_array_equal(again["one"].centers_yx, found["one"].centers_yx)
    with pytest.raises(CryoScoreError, match="ended with code"):
        here.picks(images, diameter=61.0, pixel_size=1.0)


@pytest.mark.skipif(
    shutil.which("relion_autopick") is None, reason="RELION is not installed"
)
def test_relion_finds_discs_where_they_are(tmp_path):
    y, x = np.indices(SHAPE)
    discs = [np.hypot(y - cy, x - cx) < 30 for cy, cx in CENTERS_YX]
    image = np.random.default_rng(3).normal(0, 0.5, SHAPE) - np.sum(discs, axis=0)
    here = import_module("programs").Programs(
        topaz=None, relion=Path(shutil.which("relion_autopick")), cache=tmp_path
    )
    found = here.picks({"one": image.astype(np.float32)}, diameter=90.0, pixel_size=1.5)
    figures = import_module("picking").picks_figures(
        found["relion-log"]["one"],
        np.array(CENTERS_YX, float),
        shape=SHAPE,
        border=0.0,
        max_distance=10.0,
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
    module = import_module("apoferritin_data")
    rest = module.noise_deviation(mrcfile.read(data / "one_rest.mrc"))
    quarter = module.noise_deviation(module.condition(data / "one.mrc", "quarter"))
    assert rest == pytest.approx(0.2, rel=0.03)
    assert quarter == pytest.approx(2 * rest, rel=0.03)


def test_simulated_likeness_rises_with_dose_and_topaz_is_run_once(
    tmp_path, atoms, fake_topaz
):
    module, record = import_module("simulated"), tmp_path / "figures.json"
    words = ["--models", atoms, "--size", "256", "--scenes", "1", "--record", record]
    words += ["--topaz", fake_topaz, "--cache", tmp_path / "cache"]
    words += ["--picture", tmp_path / "example.png"]
    for name in ("raw", "band-pass", "topaz", "topaz:3"):
        words += ["--denoiser", name]
    output = run(module, *words)
    rows = json.loads(record.read_text())
    correlation = {
        name: [row["correlation"] for row in rows if row["denoiser"] == name]
        for name in ("raw", "band-pass", "topaz", "topaz:3", "topaz (best)")
    }
    for line in correlation.values():
        # The doses between need not rise: structured background limits them all.
        assert line[0] < line[-1] < 1
    # This Topaz returns its input, so it is as good as raw at every sampling.
    for name in ("topaz", "topaz:3"):
        assert correlation[name] == pytest.approx(correlation["raw"], rel=1e-3)
    assert run(module, *words) == output
    log = Path(f"{fake_topaz}.log").read_text()
    assert log.splitlines() == ["denoise 4", "denoise 4"]
    # Noise in grey: a page without images would be white.
    assert imread(tmp_path / "example.png")[..., :3].mean() < 0.9


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--denoiser", "topaz"], "needs its program. Give it with --topaz"),
        (["--denoiser", "topaz:fine"], "or have a pixel size in Å/px, as topaz:3 has"),
        (["--guided", "particle"], "should be two --models"),
    ],
)
def test_what_cannot_be_measured_is_told(tmp_path, atoms, monkeypatch, words, sentence):
    monkeypatch.setenv("PATH", "")
    module = import_module("simulated")
    given = ["--models", atoms, "--size", 64, "--scenes", 1, "--cache", tmp_path]
    result = CliRunner().invoke(module.main, [str(word) for word in [*given, *words]])
    assert isinstance(result.exception, ConfigError)
    assert sentence in str(result.exception)


def test_the_ratio_in_db_is_that_of_signal_and_error():
    """Of x + e with independent e, of variances 4 and 1, and of x and e alone."""
    snr = import_module("simulated").snr_in_db
    assert snr(np.sqrt(4 / 5)) == pytest.approx(10 * np.log10(4))
    assert snr(1.0) == np.inf
    assert snr(0.0) == snr(-0.1) == -np.inf


def test_empty_ice_is_far_from_particles_and_from_the_rim():
    image = SimpleNamespace(
        noisy=np.zeros((200, 160)), centers_yx=np.array([[90.0, 80]])
    )
    # A particle of 20 px; what is outside the image may reach 20 px into it.
    masks = import_module("simulated").find_masks(image, diameter=30.0)
    y, x = np.indices((200, 160))
    away = np.hypot(y - 90, x - 80)
    np.testing.assert_array_equal(masks.particles, away <= 10)
    inside = (y >= 20) & (y < 180) & (x >= 20) & (x < 140)
    np.testing.assert_array_equal(masks.empty, inside & (away > 25))


def test_simulated_scenes_are_guided_by_their_own_structure_and_by_a_decoy(
    tmp_path, atoms, monkeypatch
):
    module, asked = import_module("simulated"), []
    other = tmp_path / "other.npz"
    shutil.copy(atoms, other)
    monkeypatch.setattr(
        module,
        "guided_settings",
        lambda _, *, model, atoms: asked.append((model, atoms.stem)),
    )
    monkeypatch.setattr(
        module, "named_denoiser", lambda *_: lambda given: [one.pixels for one in given]
    )
    words = ["--models", atoms, "--models", other, "--size", 256, "--scenes", 1]
    words += ["--denoiser", "raw", "--guided", "ours", "--record", tmp_path / "f.json"]
    run(module, *map(str, words))
    names = ["shell", "other", "other", "shell"]
    assert asked == [("ours", name) for name in names]
    rows = json.loads((tmp_path / "f.json").read_text())
    raw, guided, decoy = (
        [(row["scene"], row["correlation"]) for row in rows if row["denoiser"] == name]
        for name in ("raw", "guided", "decoy-guided")
    )
    # Each is judged on the scene that it is of.
    assert raw == guided == decoy
    assert len(raw) == 8


def test_training_speed_counts_scenes_and_crops(tmp_path):
    recipe, record = tmp_path / "recipe.yaml", tmp_path / "speed.json"
    recipe.write_text(
        "name: small\ndescription: For a test.\nbatch: 2\ncrop: 32\n"
        "network: {channels: [4, 6], embedding: 4}\n"
        "pool: {scenes_per_group: 2, scene_size: 64, views: 2}\n"
    )
    words = [recipe, "--groups", "1", "--threads", "1", "--steps", "30"]
    output = run(import_module("training_speed"), *words, "--record", record)
    assert [line.split()[0] for line in output.splitlines()] == [
        "what",
        "scenes",
        "crops",
    ]
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
    monkeypatch.setattr(
        import_module("parts"), "guided_settings", lambda *_, **__: "band-pass"
    )
    words = ["--output", output, "--apoferritin", data, "--denoiser", "raw"]
    words += ["--reference", atoms, "--map-model", atoms, "--cache", tmp_path / "c"]

    def start():
        return CliRunner().invoke(module.main, [str(word) for word in words])

    result = start()
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
    assert (
        "![one micrograph](apoferritin_example.png)"
        in (output / "results.md").read_text()
    )
    started = []

    def note(command, **_):
        started.append(Path(command[1]).stem)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(module.subprocess, "run", note)
    assert "apoferritin: was done before." in start().output
    assert started == ["end_to_end"]
    # With another model of the same name all is done again.
    monkeypatch.setattr(module, "cryoscore", lambda *_: "other weights")
    start()
    assert started[1:] == ["apoferritin", "apoferritin", "end_to_end"]


def test_the_mean_slope_is_that_of_one_regression_over_all_micrographs():
    judge = import_module("simulated").judge
    mean, rng = import_module("tables").mean, np.random.default_rng(3)
    images, rows = [], []
    for strength in (0.5, 1.0, 4.0):
        truth = strength * in_band(rng, (64, 64))
        output = truth + in_band(rng, (64, 64))
        images.append((output, truth))
        case = SimpleNamespace(
            image=SimpleNamespace(clean=truth),
            masks=SimpleNamespace(empty=np.array(False), particles=np.array(True)),
        )
        rows.append(judge(case, output))
    outputs, truths = (
        np.concatenate(some).ravel() for some in zip(*images, strict=True)
    )
    assert mean(rows, "slope") == pytest.approx(stats.linregress(outputs, truths).slope)
    assert mean(rows, "slope") != pytest.approx(np.mean([row["slope"] for row in rows]))


def test_a_page_shows_tables_and_figures_of_all_records(tmp_path):
    page, names = import_module("results_page"), ("raw", "ours")
    rows = [
        {"denoiser": name, "dose": dose, "scene": scene, "correlation": dose / 100}
        | {"snr_in_dB": -20.0, "slope": 1.0, "power": 2.0, "empty_ice": float("nan")}
        for name in (*names, "topaz (best)", "topaz:3")
        for dose in (2.0, 6.0)
        for scene in ("a", "b")
    ]
    (tmp_path / "simulated.json").write_text(json.dumps(rows))
    rows = [
        {"denoiser": name, "dose": dose, "picker": picker, "micrograph": micrograph}
        | {"average_precision": 0.25 if name == "raw" else 0.5, "best_f1": 0.75}
        for name in names
        for dose in ("full", "frame")
        for picker in ("log", "ring")
        for micrograph in ("a", "b")
    ]
    (tmp_path / "apoferritin.json").write_text(json.dumps(rows))
    (tmp_path / "apoferritin_compared.json").write_text(
        json.dumps(
            import_module("tables").compared_with_raw(
                rows, "best_f1", unit="micrograph", within=["picker", "dose"]
            )
        )
    )
    text = page.write_page(tmp_path, "name: ours\nlong: card\n").read_text()
    assert "```\nname: ours\n```" in text
    assert "| denoiser | 2 | 6 |\n| --- | --- | --- |\n| raw | 0.02 | 0.06 |" in text
    assert "Mean average precision, picker ring" in text
    assert "| ours | 0.5 | 0.5 |" in text
    assert "| best_f1 | log | full | ours | 2 | 0 | 0 | 0 | 1 | 1 |" in text
    pictures = [f"simulated_{name}.png" for name in page.LIKENESS.figures]
    pictures += [f"apoferritin_{name}.png" for name in (*page.PICKING, "compared")]
    for name in pictures:
        assert f"({name})" in text
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_curves_are_read_from_zero_unless_they_go_below(tmp_path, monkeypatch):
    charts, drawn = import_module("charts"), []
    monkeypatch.setattr(charts, "save_figure", lambda drawing, _: drawn.append(drawing))
    for values in ((0.5, np.nan), (-5.0, 3.0)):
        rows = [
            {"denoiser": "ours", "dose": dose, "figure": value}
            for dose, value in zip((2.0, 6.0), values, strict=True)
        ]
        charts.draw_over_dose(tmp_path / "a.png", rows, "figure")
    [above], [below] = (drawing.axes for drawing in drawn)
    assert above.get_ylim()[0] == 0
    assert below.get_ylim()[0] < -5


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
