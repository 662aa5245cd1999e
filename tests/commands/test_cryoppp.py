"""The benchmark on CryoPPP's layout finds what an expert picked, and counts it right."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph, write_micrograph

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"
SHAPE = (300, 340)
DIAMETER = 50.0  # px; more than what the benchmark picks at
PIXEL_SIZE = 2.0
CENTERS_YX = np.array([[60, 70], [70, 260], [150, 160], [230, 60], [200, 280.0]])


def write_data_set(folder: Path, *, number: int, noise: float) -> Path:
    """Dark discs in noise, and a table of them that counts y from the last row."""
    micrographs = folder / "micrographs"
    tables = folder / "ground_truth" / "particle_coordinates"
    micrographs.mkdir(parents=True)
    tables.mkdir(parents=True)
    y, x = np.indices(SHAPE)
    clean = np.zeros(SHAPE)
    for cy, cx in CENTERS_YX:
        clean -= np.hypot(y - cy, x - cx) < DIAMETER / 2
    for index in range(number):
        rng = np.random.default_rng([len(folder.name), index])
        pixels = (clean + rng.normal(0, noise, SHAPE)).astype(np.float32)
        write_micrograph(
            micrographs / f"m{index}.mrc",
            Micrograph(pixels=pixels, pixel_size=PIXEL_SIZE),
        )
        rows = [f"{cx},{SHAPE[0] - 1 - cy},{DIAMETER},0" for cy, cx in CENTERS_YX]
        (tables / f"m{index}.csv").write_text(
            "\n".join(["X-Coordinate,Y-Coordinate,Diameter,Angle-Psi", *rows, ""])
        )
    # A table whose micrograph was not downloaded, and a micrograph without picks.
    shutil.copy(tables / "m0.csv", tables / "absent.csv")
    shutil.copy(micrographs / "m0.mrc", micrographs / "unpicked.mrc")
    return folder


@pytest.fixture(scope="module")
def easy(tmp_path_factory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("d") / "10081", number=3, noise=0.1)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory) -> Path:
    """Where the picker sees particles, but not all."""
    return write_data_set(tmp_path_factory.mktemp("d") / "10532", number=6, noise=8.0)


@pytest.fixture
def benchmark(monkeypatch, tmp_path, capsys):
    """Run the benchmark as a shell does; its code, its figures, and what it says."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.chdir(tmp_path)
    module = import_module("cryoppp")

    def run(*words):
        record = Path("figures.json")
        record.unlink(missing_ok=True)
        arguments = [*map(str, words), "--record", str(record)]
        code = run_command(module.main, arguments, name="cryoppp.py")
        rows = json.loads(record.read_text()) if record.exists() else []
        return code, rows, capsys.readouterr()

    return run


def column(rows, name, denoiser="raw"):
    return [row[name] for row in rows if row["denoiser"] == denoiser]


def test_defaults_run_in_a_process_of_their_own(easy):
    words = [sys.executable, SCRIPTS / "cryoppp.py", "--data", easy, "--limit", "2"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    for name in ("raw", "band-pass", "particle"):
        assert ["10081", name, "log", "2", "1", "1"] in [line[:6] for line in lines]
    assert "average_precision, compared with raw" in done.stdout
    assert ["average_precision", "10081", "log", "particle"] in [x[:4] for x in lines]


def test_all_particles_are_found_where_noise_is_weak(benchmark, easy):
    code, rows, said = benchmark("--data", easy, "--denoiser", "raw")
    assert code == 0, said.err
    assert column(rows, "micrograph") == ["m0", "m1", "m2"]
    assert column(rows, "average_precision") == [1, 1, 1]
    assert column(rows, "best_f1") == [1, 1, 1]
    assert column(rows, "particles") == [5, 5, 5]
    assert said.err == ""


def test_pickers_of_other_programs_are_asked_once_a_micrograph(
    benchmark, easy, fake_topaz, monkeypatch
):
    monkeypatch.setenv("PATH", "")
    words = ("--data", easy, "--limit", 2, "--denoiser", "band-pass")
    words += ("--denoiser", "topaz", "--topaz", fake_topaz)
    _, without, _ = benchmark(*words)
    assert {row["picker"] for row in without} == {"log"}
    code, rows, said = benchmark(*words, "--programs")
    assert code == 0, said.err
    assert "RELION was not found, and its picker is left out." in said.out
    assert len(rows) == 2 * 3 * 2  # micrographs, denoisers, pickers
    picks = {row["denoiser"]: row["picks"] for row in rows if row["picker"] == "topaz"}
    # It has two places for the first image that it is shown: one is at the border.
    assert picks == {"raw": 1, "band-pass": 0, "topaz": 1}
    log = Path(f"{fake_topaz}.log").read_text().splitlines()
    # One call for all denoisers; this one returns raw, which is not asked for twice.
    asked = ["preprocess 2", "extract 2"]
    assert log == ["denoise 1", "denoise 1", *asked, *asked]


@pytest.mark.skipif(
    shutil.which("relion_autopick") is None, reason="RELION is not installed"
)
def test_relion_finds_all_particles_where_noise_is_weak(benchmark, easy, tmp_path):
    words = ("--data", easy, "--limit", 1, "--denoiser", "raw", "--programs")
    code, rows, said = benchmark(*words, "--cache", tmp_path / "cache")
    assert code == 0, said.err
    found = {row["picker"]: row["average_precision"] for row in rows}
    assert found["relion-log"] == 1


def test_denoisers_are_compared_with_raw_by_data_set(benchmark, easy, noisy):
    code, rows, said = benchmark(
        *("--data", easy, "--data", noisy, "--denoiser", "band-pass")
    )
    assert code == 0, said.err
    compared = json.loads(Path("figures_compared.json").read_text())
    assert [row["data_set"] for row in compared] == ["10081", "10532"]
    assert {(row["picker"], row["denoiser"]) for row in compared} == {
        ("log", "band-pass")
    }
    hard = [row for row in rows if row["data_set"] == "10532"]
    raw, other = (
        np.array(column(hard, "average_precision", x)) for x in ("raw", "band-pass")
    )
    assert 0 < raw.mean() < 1
    assert compared[1]["micrographs"] == 6
    assert compared[1]["p"] == pytest.approx(stats.wilcoxon(other - raw).pvalue)
    # The easy ones are all right either way; the smaller p counts twice (Holm).
    assert compared[0]["p"] == 1
    assert compared[1]["p_holm"] == pytest.approx(min(1, 2 * compared[1]["p"]))


def test_figure_chooses_what_is_compared(benchmark, noisy):
    _, rows, said = benchmark(
        *("--data", noisy, "--denoiser", "band-pass", "--figure", "best_f1")
    )
    assert "best_f1, compared with raw" in said.out
    [compared] = json.loads(Path("figures_compared.json").read_text())
    raw, other = (np.array(column(rows, "best_f1", x)) for x in ("raw", "band-pass"))
    assert compared["p"] == pytest.approx(stats.wilcoxon(other - raw).pvalue)


def test_wrong_y_axis_is_seen_and_finds_less(benchmark, easy):
    words = ("--data", easy, "--denoiser", "raw", "--limit", 1)
    _, right, said = benchmark(*words)
    assert "other way" not in said.err
    code, wrong, said = benchmark(*words, "--no-flip-y")
    assert code == 0
    assert "the picks of 10081" in said.err
    assert "fit better with y the other way" in said.err
    assert wrong[0]["average_precision"] < right[0]["average_precision"]
    assert wrong[0]["at_picks"] == pytest.approx(right[0]["at_picks_turned"])
    assert wrong[0]["at_picks_turned"] == pytest.approx(right[0]["at_picks"])


def test_limit_takes_the_first_by_name_and_one_is_not_compared(benchmark, easy):
    _, rows, said = benchmark("--data", easy, "--denoiser", "band-pass", "--limit", 1)
    assert [row["micrograph"] for row in rows] == ["m0", "m0"]
    assert "compared" not in said.out


def test_one_data_set_named_twice_counts_once(benchmark, easy):
    _, rows, _ = benchmark("--data", easy, "--data", f"{easy}/.", "--denoiser", "raw")
    assert len(rows) == 3


def test_pixel_size_of_the_header_can_be_overruled(benchmark, noisy):
    words = ("--data", noisy, "--denoiser", "band-pass", "--limit", 2)
    _, header, _ = benchmark(*words)
    _, same, _ = benchmark(*words, "--pixel-size", PIXEL_SIZE)
    _, other, _ = benchmark(*words, "--pixel-size", 8 * PIXEL_SIZE)
    assert same == header
    # The filter has its lengths in Å; raw does not care.
    assert column(other, "at_picks", "band-pass") != column(
        header, "at_picks", "band-pass"
    )
    assert column(other, "at_picks") == column(header, "at_picks")


def test_smaller_distance_matches_fewer(benchmark, noisy):
    words = ("--data", noisy, "--denoiser", "raw")
    _, near, _ = benchmark(*words, "--max-distance", 0.02)
    _, far, _ = benchmark(*words, "--max-distance", 0.5)
    assert np.mean(column(near, "average_precision")) < np.mean(
        column(far, "average_precision")
    )


def test_outputs_of_another_program_are_read_on_any_grid(benchmark, easy, tmp_path):
    folder = tmp_path / "other" / "10081"
    folder.mkdir(parents=True)
    for path in (easy / "micrographs").glob("m*.mrc"):
        raw = read_micrograph(path)
        coarse = ndimage.zoom(ndimage.gaussian_filter(raw.pixels, 2), 0.5, order=1)
        write_micrograph(
            folder / path.name, Micrograph(pixels=coarse, pixel_size=2 * PIXEL_SIZE)
        )
    words = ("--data", easy, "--denoiser", folder.parent)
    code, rows, said = benchmark(*words)
    assert code == 0, said.err
    assert column(rows, "average_precision", str(folder.parent)) == [1, 1, 1]
    (folder / "m1.mrc").unlink()
    code, rows, said = benchmark(*words)
    assert (code, rows) == (1, [])
    assert "1 of 3 are missing, such as" in said.err
    assert "m1.mrc" in said.err


def test_one_bad_micrograph_does_not_stop_the_others(benchmark, easy, tmp_path):
    copy = shutil.copytree(easy, tmp_path / "10081")
    path = copy / "micrographs" / "m1.mrc"
    path.write_bytes(path.read_bytes()[:-1000])
    code, rows, said = benchmark("--data", copy, "--denoiser", "raw")
    assert code == 1
    assert column(rows, "micrograph") == ["m0", "m2"]
    assert "1 of 3 micrographs could not be judged" in said.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x,y\n1,2\n", "numbers in the columns Y-Coordinate, X-Coordinate, Diameter"),
        ("X-Coordinate,Y-Coordinate,Diameter\n1,2,a\n", "could not convert"),
        ("X-Coordinate,Y-Coordinate,Diameter\n1,2,0\n", "a Diameter above 0 px"),
    ],
)
def test_bad_table_is_told(benchmark, easy, tmp_path, text, sentence):
    copy = shutil.copytree(easy, tmp_path / "10081")
    (copy / "ground_truth/particle_coordinates/m1.csv").write_text(text)
    code, rows, said = benchmark("--data", copy, "--denoiser", "raw")
    assert (code, rows) == (1, [])
    assert "m1.csv should" in said.err
    assert sentence in said.err


def test_folder_of_another_layout_is_told(benchmark, tmp_path):
    code, _, said = benchmark("--data", tmp_path)
    assert code == 1
    assert "should be a data set of CryoPPP" in said.err


@pytest.mark.usefixtures("benchmark")
def test_record_is_a_table_that_other_programs_read(easy):
    words = ("--data", str(easy), "--denoiser", "band-pass", "--record", "figures.csv")
    assert run_command(import_module("cryoppp").main, words, name="cryoppp.py") == 0
    with Path("figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert column(rows, "average_precision") == ["1.0", "1.0", "1.0"]
    assert Path("figures_compared.csv").exists()
