"""`cryoscore evaluate` tells, for files on disk, what the library computes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage, stats

from cryoscore_plugin.cli.evaluate import evaluate
from cryoscore_plugin.evaluation.fidelity import band_correlation, signal_to_error
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def picks(tmp_path, monkeypatch):
    """Of four picks three are right, and of four particles one is missed."""
    monkeypatch.chdir(tmp_path)
    rows = ["m1,10,10,9", "m1,90,90,8", "m1,31,30,7", "m1,50,52,6"]
    Path("picks.csv").write_text("\n".join(["micrograph,x,y,score", *rows]))
    true = ["m1,10,10", "m1,30,30", "m1,50,50", "m1,70,70", "m2,5,5"]
    Path("truth.csv").write_text("\n".join(["micrograph,x,y", *true]))
    return ("evaluate", "picks", "picks.csv", "--truth", "truth.csv", "--diameter", 16)


def test_picks_are_judged_micrograph_by_micrograph(shell, picks):
    answer = shell(*picks, "--record", "out.csv")
    assert answer.code == 0, answer.err
    first, second = table(Path("out.csv"))
    # Recall rises by a quarter at the first, third and fourth pick.
    expected = (1 + 2 / 3 + 3 / 4) / 4
    assert float(first["average_precision"]) == pytest.approx(expected)
    assert float(first["best_f1"]) == pytest.approx(6 / 8)
    # A micrograph without picks counts as missed.
    assert (second["micrograph"], float(second["average_precision"])) == ("m2", 0)
    assert answer.out.splitlines()[-1].split()[0] == "mean"


def test_plots_are_written_as_their_suffix_says(shell, picks):
    for name, start in {
        "a.png": b"\x89PNG",
        "a.pdf": b"%PDF",
        "a.svg": b"<?xml",
    }.items():
        assert shell(*picks, "--plot", name).code == 0
        assert Path(name).read_bytes().startswith(start)
    # The names of the micrographs and of the axes are in it.
    text = Path("a.svg").read_text()
    for word in ("m1", "m2", "Recall", "Precision"):
        assert f"<!-- {word} -->" in text
    answer = shell(*picks, "--plot", "a.doc")
    assert answer.code == 2
    assert "--plot should be a .png, .pdf, .svg file" in answer.err


def test_smaller_distance_matches_fewer(shell, picks):
    shell(*picks, "--max-distance", 0.5, "--record", "out.csv")
    assert float(table(Path("out.csv"))[0]["average_precision"]) == pytest.approx(1 / 4)


def test_diameter_sets_the_largest_distance(shell, picks):
    shell(*picks[:-1], 2, "--record", "out.csv")
    assert float(table(Path("out.csv"))[0]["average_precision"]) == pytest.approx(1 / 4)


def test_threshold_adds_f1_of_the_picks_above_it(shell, picks):
    shell(*picks, "--threshold", 7, "--record", "out.json")
    # Three picks, two of them right, of four particles.
    found = json.loads(Path("out.json").read_text())
    assert found[0]["f1"] == pytest.approx(4 / 7)
    assert "f1" not in shell(*picks).out.split()


def test_truth_of_other_micrographs_is_refused(shell, picks):
    Path("truth.csv").write_text("micrograph,x,y\nother,1,2\n")
    answer = shell(*picks)
    assert answer.code == 1
    assert "picks are of m1, but the truth is of other" in answer.err


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A clean image, two noisy halves of it, and an estimate from the first."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    truth = ndimage.gaussian_filter(rng.standard_normal((128, 128)), 4) * 10
    halves = [truth + rng.standard_normal((128, 128)) for _ in range(2)]
    pictures = {
        "truth": truth,
        "raw": halves[0],
        "half2": halves[1],
        "denoised": ndimage.gaussian_filter(halves[0], 2),
    }
    for name, pixels in pictures.items():
        Path(name).mkdir()
        pictures[name] = pixels.astype(np.float32)
        micrograph = Micrograph(pixels=pictures[name], pixel_size=3.0)
        write_micrograph(Path(name) / "m1.mrc", micrograph)
    return pictures


def test_denoised_image_is_compared_with_the_truth(shell, images):
    answer = shell(
        *("evaluate", "denoising", "denoised", "--truth", "truth"),
        *("--record", "out.csv"),
    )
    assert answer.code == 0, answer.err
    (row,) = table(Path("out.csv"))
    pair = images["denoised"], images["truth"]
    expected = band_correlation(*pair, pixel_size=3.0)
    assert float(row["correlation"]) == pytest.approx(expected)
    assert float(row["snr"]) == pytest.approx(signal_to_error(*pair, pixel_size=3.0))
    # Noise and truth are both weak beyond 20 Å, where the filter leaves nothing.
    assert float(row["correlation_250_50"]) > float(row["correlation_20_10"])


@pytest.mark.usefixtures("images")
def test_each_folder_is_told_with_its_name_dose_and_truth(shell):
    words = ("evaluate", "denoising", "denoised", "raw", "--record", "out.csv")
    named = ("--name", "ours", "--name", "none", "--dose", 2, "--dose", 20)
    answer = shell(*words, *named, "--truth", "truth", "--truth", "half2")
    assert answer.code == 0, answer.err
    for title in ("ours, 2 e/Å²:", "none, 20 e/Å²:", "250-50 Å"):
        assert title in answer.out
    first, second = table(Path("out.csv"))
    assert (first["images"], first["dose"]) == ("ours", "2.0")
    assert (second["images"], second["dose"]) == ("none", "20.0")
    # The second folder has a truth of its own, the noisy half.
    alone = shell("evaluate", "denoising", "raw", "--truth", "half2").out
    assert f"{float(second['correlation']):.4g}" in alone
    # Without names they are called as they were typed, and one truth is for both.
    shell(*words, "--truth", "truth")
    first, second = table(Path("out.csv"))
    assert (first["images"], second["images"]) == ("denoised", "raw")
    assert float(first["correlation"]) > float(second["correlation"])
    shell(*words, "--truth", "truth", "--dose", 5)
    assert {row["dose"] for row in table(Path("out.csv"))} == {"5.0"}


@pytest.mark.usefixtures("images")
def test_option_that_fits_no_folder_is_refused(shell):
    words = ("evaluate", "denoising", "denoised", "raw", "half2", "--truth", "truth")
    answer = shell(*words, "--dose", 1, "--dose", 2)
    assert answer.code == 2
    assert "--dose should be given once for all 3 folders" in answer.err


@pytest.mark.usefixtures("images")
def test_denoising_is_drawn_by_frequency_and_by_dose(shell):
    words = ("evaluate", "denoising", "denoised", "raw", "--plot", "out.svg")
    answer = shell(*words, "--truth", "truth", "--other-half", "half2", "--raw", "raw")
    assert answer.code == 0, answer.err
    drawn = Path("out.svg").read_text()
    labels = ["Correlation with the truth", "Slope of the truth on the image"]
    labels += ["FRC with the other half, raw", "Cross-half risk (blank image: 1)"]
    for label in (*labels, "Power taken away (mean: 1)", "denoised", "raw"):
        assert f"<!-- {label} -->" in drawn
    assert "e/Å²" not in drawn
    doses = ("--name", "ours", "--dose", 2, "--dose", 20)
    answer = shell(*words, "--truth", "truth", *doses)
    assert answer.code == 0, answer.err
    drawn = Path("out.svg").read_text()
    for label in ("Dose (e/Å²)", "ours, 2 e/Å²", "ours, 20 e/Å²", "ours"):
        assert f"<!-- {label} -->" in drawn
    assert "FRC" not in drawn


@pytest.mark.usefixtures("images")
def test_denoised_half_is_compared_with_the_other_half(shell):
    def risk(folder: str) -> float:
        shell(
            *("evaluate", "denoising", folder, "--other-half", "half2"),
            *("--record", "out.csv"),
        )
        return float(table(Path("out.csv"))[0]["cross_half_risk"])

    assert risk("denoised") < risk("raw")
    assert risk("truth") < risk("denoised")


@pytest.mark.usefixtures("images")
def test_residual_of_the_truth_is_white(shell):
    shell("evaluate", "denoising", "truth", "--raw", "raw", "--record", "out.csv")
    assert float(table(Path("out.csv"))[0]["residual_whiteness"]) > 0.95
    shell("evaluate", "denoising", "raw", "--raw", "truth", "--record", "b.csv")
    assert set(table(Path("b.csv"))[0]) == {"micrograph", "residual_whiteness"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Give --truth, --other-half or --raw"),
        (("--truth", "small"), "small/m1.mrc has 5 x 4 px"),
        (("--truth", "."), "m1.mrc does not exist"),
    ],
)
def test_denoising_without_a_fit_comparison_is_refused(shell, images, words, sentence):
    assert images
    Path("small").mkdir()
    small = Micrograph(pixels=np.ones((4, 5), np.float32), pixel_size=3.0)
    write_micrograph(Path("small/m1.mrc"), small)
    answer = shell("evaluate", "denoising", "denoised", *words)
    assert answer.code != 0
    assert sentence in answer.err


@pytest.fixture
def maps(tmp_path, monkeypatch):
    """Two half maps of 2 Å whose signal ends near 10 Å, and a mask."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    signal = ndimage.gaussian_filter(rng.standard_normal((32, 32, 32)), 1.5)
    volumes = {
        "a.mrc": signal / signal.std() + 0.3 * rng.standard_normal((32, 32, 32)),
        "b.mrc": signal / signal.std() + 0.3 * rng.standard_normal((32, 32, 32)),
        "mask.mrc": ndimage.gaussian_filter(np.pad(np.ones((16,) * 3), 8), 2),
        "other.mrc": np.ones((32, 32, 30)),
    }
    for name, volume in volumes.items():
        with mrcfile.new(name) as file:
            file.set_data(volume.astype(np.float32))
            file.voxel_size = 2.0
    return ("evaluate", "fsc", "a.mrc", "b.mrc")


def test_fsc_gives_curve_and_resolution(shell, maps):
    answer = shell(*maps, "--record", "fsc.csv")
    assert answer.code == 0, answer.err
    rows = table(Path("fsc.csv"))
    assert len(rows) == 17
    assert float(rows[1]["frequency"]) == pytest.approx(1 / 64)
    assert float(rows[1]["correlation"]) > 0.9
    coarse = shell(*maps, "--threshold", 0.5).out
    assert resolution(answer.out) < resolution(coarse)
    assert resolution(answer.out) != resolution(shell(*maps, "--mask", "mask.mrc").out)


def test_plot_of_fsc_tells_the_resolution_at_the_threshold(shell, maps):
    found = resolution(shell(*maps, "--threshold", 0.5, "--plot", "fsc.svg").out)
    text = Path("fsc.svg").read_text()
    assert f"<!-- {found:.2f} Å at 0.5 -->" in text
    assert "<!-- Fourier shell correlation -->" in text


def resolution(text: str) -> float:
    return float(text.split("Resolution ")[1].split(maxsplit=1)[0])


def test_fsc_of_images_is_refused(shell, tmp_path):
    image = Micrograph(pixels=np.ones((8, 8), np.float32), pixel_size=1.0)
    write_micrograph(tmp_path / "a.mrc", image)
    answer = shell("evaluate", "fsc", tmp_path / "a.mrc", tmp_path / "a.mrc")
    assert answer.code == 1
    assert "a.mrc should be a map, but is a single image" in answer.err


def test_fsc_of_unlike_maps_is_refused(shell, maps):
    answer = shell(*maps[:-1], "other.mrc")
    assert answer.code == 1
    assert "other.mrc has 32x32x30 voxels, but a.mrc has 32x32x32" in answer.err


def test_fsc_of_maps_with_another_sampling_is_refused(shell, maps):
    with mrcfile.open("b.mrc", mode="r+") as file:
        file.voxel_size = 2.1
    answer = shell(*maps)
    assert answer.code == 1
    assert "b.mrc has voxels of 2.1 Å, but a.mrc of 2 Å" in answer.err
    with mrcfile.open("b.mrc", mode="r+") as file:
        file.voxel_size = 2.001  # rounded by another program
    assert shell(*maps).code == 0


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Three methods on nine micrographs: the second is better, the third is not."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    raw = rng.uniform(0.3, 0.7, 9)
    methods = {
        "raw": raw,
        "good": raw + 0.1 + rng.normal(0, 0.01, 9),
        "same": raw + rng.normal(0, 0.01, 9),
    }
    for name, values in methods.items():
        rows = [f"m{i},{value},{-value}" for i, value in enumerate(values)]
        content = "\n".join(["micrograph,average_precision,loss", *rows])
        Path(f"{name}.csv").write_text(content)
    return methods


def test_methods_are_compared_in_pairs(shell, records):
    answer = shell(
        *("evaluate", "compare", "raw.csv", "good.csv", "same.csv"),
        *("--record", "out.csv"),
    )
    assert answer.code == 0, answer.err
    good, same = table(Path("out.csv"))
    assert float(good["low"]) < 0.1 < float(good["high"])
    expected = stats.wilcoxon(records["raw"], records["good"]).pvalue
    assert float(good["p"]) == pytest.approx(expected)
    assert float(good["p_holm"]) == pytest.approx(2 * expected)
    assert float(same["p_holm"]) > 0.05


def test_other_figure_and_other_seed_give_other_numbers(shell, records):
    assert records
    words = ("evaluate", "compare", "raw.csv", "good.csv")
    first = shell(*words).out
    assert shell(*words).out == first
    assert shell(*words, "--figure", "loss").out != first
    assert shell(*words, "--seed", 5).out != first


def test_differences_are_drawn_with_shift_and_probability(shell, records):
    assert records
    words = ("evaluate", "compare", "raw.csv", "good.csv", "same.csv")
    for name, start in {"a.png": b"\x89PNG", "a.pdf": b"%PDF"}.items():
        assert shell(*words, "--plot", name).code == 0
        assert Path(name).read_bytes().startswith(start)
    shell(*words, "--plot", "a.svg", "--record", "out.csv")
    drawn = Path("a.svg").read_text()
    chances = [f"p = {float(row['p_holm']):.2g}" for row in table(Path("out.csv"))]
    label = "average precision: difference to raw"
    for word in ("good", "same", label, *chances):
        assert f"<!-- {word} -->" in drawn


def test_comparison_of_micrographs_told_twice_is_refused(shell, records):
    assert records
    rows = Path("good.csv").read_text().splitlines()
    Path("good.csv").write_text("\n".join([*rows, rows[-1]]))
    answer = shell("evaluate", "compare", "raw.csv", "good.csv")
    assert answer.code == 1
    assert "should list each micrograph once, but has 10 lines about 9" in answer.err


def test_comparison_of_other_micrographs_is_refused(shell, records):
    assert records
    Path("good.csv").write_text("micrograph,average_precision\nm1,0.5\nm77,1\n")
    answer = shell("evaluate", "compare", "raw.csv", "good.csv")
    assert "should list the same micrographs" in answer.err
    Path("good.csv").write_text("micrograph,f1\nm1,0.5\n")
    answer = shell("evaluate", "compare", "raw.csv", "good.csv")
    assert "column 'average_precision', but has micrograph, f1" in answer.err
    Path("good.csv").write_text("micrograph,average_precision\nm1,high\n")
    answer = shell("evaluate", "compare", "raw.csv", "good.csv")
    assert "with numbers in the column average_precision" in answer.err


def test_record_of_unknown_kind_is_refused_before_the_work(shell, records):
    assert records
    answer = shell("evaluate", "compare", "raw.csv", "same.csv", "--record", "x.pdf")
    assert answer.code == 2
    assert ".csv or .json file" in answer.err


@pytest.mark.parametrize("name", sorted(set(evaluate.commands) - {"spike-in"}))
def test_every_judgement_is_told_in_files_and_drawn(name):
    """`spike-in` judges nothing: it makes what `spiked` judges."""
    options = {word for one in evaluate.commands[name].params for word in one.opts}
    assert {"--record", "--plot"} <= options
