"""`cryoscore evaluate spike-in` and `spiked`, as a user types them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph, write_micrograph

SPIKE = ("evaluate", "spike-in", "raw", "--particle", "particle.npz", "-o", "spiked")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Two micrographs of noise, and a particle."""
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    rng = np.random.default_rng(1)
    for name in ("a", "b"):
        noise = rng.normal(50, 5, (500, 500)).astype(np.float32)
        write_micrograph(
            Path("raw") / f"{name}.mrc", Micrograph(pixels=noise, pixel_size=4.0)
        )
    shape = random_shape(np.random.default_rng(5))
    numbers = np.full(len(shape.potentials), 6, dtype=np.uint8)
    np.savez("particle.npz", xyz=shape.positions_xyz, Z=numbers)
    return shape.diameter


@pytest.mark.usefixtures("raw")
def test_defaults_add_particles_and_tell_where(shell):
    answer = shell(*SPIKE)
    assert answer.code == 0, answer.err
    assert "cryoscore evaluate spiked spiked" in answer.out
    places = table(Path("spiked/places.csv"))
    assert {row["micrograph"] for row in places} == {"a", "b"}
    assert {float(row["snr"]) for row in places} == {0, 0.01, 0.02, 0.05}
    for name in ("a", "b"):
        before = read_micrograph(Path("raw") / f"{name}.mrc")
        after = read_micrograph(Path("spiked/Micrographs") / f"{name}.mrc")
        assert after.pixel_size == before.pixel_size
        assert 0 < np.std(after.pixels - before.pixels) < 2
    assert set(places[0]) == {"micrograph", "x", "y", "snr", "rot", "tilt", "psi"} | {
        "view",
        "defocus",
    }


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    "words",
    [
        ("--count", 2),
        ("--snr", 0.3),
        ("--defocus", 3),
        ("--pixel-size", 5),
        ("--seed", 2),
    ],
)
def test_each_option_changes_what_is_added(shell, words):
    shell(*SPIKE)
    answer = shell(*SPIKE[:-1], "other", *words)
    assert answer.code == 0, answer.err
    first, second = (
        read_micrograph(Path(folder) / "Micrographs/a.mrc").pixels
        for folder in ("spiked", "other")
    )
    assert not np.array_equal(first, second)


@pytest.mark.usefixtures("raw")
def test_defocus_is_that_of_the_table(shell):
    labels = ["MicrographName", "MicrographPixelSize", "DefocusU", "DefocusV"]
    labels += ["DefocusAngle", "Voltage", "SphericalAberration", "AmplitudeContrast"]
    columns = "".join(f"_rln{label} #{i}\n" for i, label in enumerate(labels, 1))
    Path("mics.star").write_text(
        f"data_\n\nloop_\n{columns}raw/a.mrc 4 21000 20000 30 300 2.7 0.1\n"
    )
    answer = shell(*SPIKE[:2], "mics.star", *SPIKE[3:])
    assert answer.code == 0, answer.err
    # The mean of both axes of an astigmatic image.
    assert {row["defocus"] for row in table(Path("spiked/places.csv"))} == {"20500.0"}


def test_micrographs_of_one_name_are_told_apart(shell, raw):
    for day in ("day1", "day2"):
        Path("raw", day).mkdir()
    Path("raw/a.mrc").rename("raw/day1/m.mrc")
    Path("raw/b.mrc").rename("raw/day2/m.mrc")
    assert shell(*SPIKE).code == 0
    places = table(Path("spiked/places.csv"))
    assert {row["micrograph"] for row in places} == {"day1/m", "day2/m"}
    command = ("evaluate", "spiked", "spiked", "spiked/Micrographs")
    assert shell(*command, "--diameter", raw).code == 0


@pytest.fixture
def strong(raw, shell):
    """Particles that cannot be missed, raw and smoothed; the particle's diameter."""
    shell(*SPIKE, "--snr", 0.02, "--snr", 1, "--count", 8)
    Path("smooth").mkdir()
    for path in Path("spiked/Micrographs").glob("*.mrc"):
        image = read_micrograph(path)
        pixels = ndimage.gaussian_filter(image.pixels, 3)
        write_micrograph(
            Path("smooth") / path.name, Micrograph(pixels=pixels, pixel_size=4.0)
        )
    return raw


def test_strong_particles_are_found_and_decoys_are_not(shell, strong):
    command = ("evaluate", "spiked", "spiked", "spiked/Micrographs", "smooth")
    answer = shell(*command, "--diameter", strong, "--record", "recall.json")
    assert answer.code == 0, answer.err
    rows = json.loads(Path("recall.json").read_text())
    for kind, count in {"snr": 2, "defocus": 1, "view": 3}.items():
        told = [row["images"] for row in rows if row[kind] != "all"]
        assert told == ["spiked/Micrographs"] * count + ["smooth"] * count
    for row in rows:
        assert 0 <= row["chance"] < 0.4
        assert row["low"] <= row["recall"] <= row["high"]
        if row["snr"] == 1:
            assert row["recall"] > 0.8


@pytest.mark.parametrize("words", [("--others", 40), ("--max-distance", 150)])
def test_more_picks_and_wider_matches_find_more(shell, strong, words):
    def total(*more: object) -> int:
        answer = shell(
            *("evaluate", "spiked", "spiked", "spiked/Micrographs"),
            *("--diameter", strong, "--places", "fates.csv", *more),
        )
        assert answer.code == 0, answer.err
        return sum(int(row["found"]) for row in table(Path("fates.csv")))

    assert total() < total(*words)


def test_diameter_is_that_of_what_is_looked_for(shell, strong):
    def recall(diameter: float) -> str:
        return shell(
            "evaluate", "spiked", "spiked", "smooth", "--diameter", diameter
        ).out

    assert recall(strong) != recall(strong / 4)


PLANTED = {
    "honest": lambda view, defocus: True,  # noqa: ARG005
    "no_side_views": lambda view, defocus: view < 70,  # noqa: ARG005
    "near_focus": lambda view, defocus: defocus < 2.5e4,  # noqa: ARG005
}
"""Denoisers that keep some particles and lose the others, on purpose."""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Results of the planted denoisers: nine particles in each of three micrographs."""
    monkeypatch.chdir(tmp_path)
    y, x = np.indices((300, 300))
    lines = ["micrograph,x,y,snr,rot,tilt,psi,view,defocus"]
    pictures = {(d, m): np.zeros((300, 300)) for d in PLANTED for m in range(3)}
    for micrograph, number in np.ndindex(3, 9):
        defocus, view = 1e4 * (micrograph + 1), (10.0, 60.0, 85.0)[number % 3]
        py, px = 60 + 90 * (number // 3), 60 + 90 * (number % 3)
        ratio = (0.1, 0.2)[(micrograph + number // 3) % 2]
        lines += [f"m{micrograph},{px},{py},{ratio},0,{view},0,{view},{defocus}"]
        lines += [f"m{micrograph},{px - 45},{py - 45},0,0,0,0,0,{defocus}"]
        for name, keeps in PLANTED.items():
            if keeps(view, defocus):
                disc = np.hypot(y - py, x - px) < 12
                pictures[name, micrograph] -= disc
    Path("spiked").mkdir()
    Path("spiked/places.csv").write_text("\n".join(lines))
    for (name, micrograph), pixels in pictures.items():
        noise = np.random.default_rng(micrograph).normal(0, 0.01, pixels.shape)
        image = Micrograph(pixels=(pixels + noise).astype(np.float32), pixel_size=4.0)
        Path(name).mkdir(exist_ok=True)
        write_micrograph(Path(name) / f"m{micrograph}.mrc", image)
    return ("evaluate", "spiked", "spiked", *PLANTED, "--diameter", 96)


def test_lost_views_and_lost_defocus_are_shown(shell, planted):
    answer = shell(*planted, "--record", "recall.csv", "--plot", "recall.svg")
    assert answer.code == 0, answer.err
    recall = {
        (row["images"], row["defocus"], row["view"]): float(row["recall"])
        for row in table(Path("recall.csv"))
        if row["snr"] == "all"
    }
    for view in ("end", "oblique", "side"):
        assert recall["honest", "all", view] == 1
        lost = view == "side"
        # Picks of noise may meet a particle that was not kept.
        assert (recall["no_side_views", "all", view] < 0.3) == lost
        assert recall["near_focus", "all", view] == pytest.approx(2 / 3, abs=0.12)
    for defocus in ("1", "2", "3"):
        assert recall["honest", defocus, "all"] == 1
        assert (recall["near_focus", defocus, "all"] < 0.3) == (defocus == "3")
        assert recall["no_side_views", defocus, "all"] == pytest.approx(2 / 3, abs=0.12)
    [side] = [x for x in answer.out.splitlines() if "no_side" in x and " side " in x]
    assert float(side.split()[3]) < 0.3
    text = Path("recall.svg").read_text()
    words = ("Recall", "False discoveries", "Defocus (µm)", "side", "no_side_views")
    for word in words:
        assert f"<!-- {word} -->" in text


def test_what_is_unknown_is_null_in_json(shell, planted):
    """No decoy among the places: chance is unknown."""
    rows = Path("spiked/places.csv").read_text().splitlines()
    kept = [row for row in rows if ",0,0,0,0,0," not in row]
    Path("spiked/places.csv").write_text("\n".join(kept))
    answer = shell(*planted, "--record", "recall.json")
    assert answer.code == 0, answer.err
    rows = json.loads(Path("recall.json").read_text(), parse_constant=pytest.fail)
    assert {row["chance"] for row in rows} == {None}


def test_places_of_another_program_are_refused(shell, planted):
    Path("spiked/places.csv").write_text("micrograph,x,y\nm0,1,2\n")
    answer = shell(*planted)
    assert answer.code == 1
    assert "its places.csv cannot be read: 'snr'" in answer.err


@pytest.mark.usefixtures("raw")
def test_map_can_be_added_as_well(shell):
    density = np.zeros((24, 24, 24), dtype=np.float32)
    density[4:20, 6:18, 8:16] = 0.02
    with mrcfile.new("box.map") as file:
        file.set_data(density)
        file.voxel_size = 6.0
    command = ("evaluate", "spike-in", "raw", "--particle", "box.map", "-o", "spiked")
    answer = shell(*command, "--mass", 200)
    assert answer.code == 0, answer.err
    assert any(float(row["snr"]) > 0 for row in table(Path("spiked/places.csv")))


def test_folder_without_a_result_is_refused(shell, strong):
    Path("smooth/b.mrc").unlink()
    answer = shell("evaluate", "spiked", "spiked", "smooth", "--diameter", strong)
    assert answer.code == 1
    assert "smooth should hold b.mrc, but does not" in answer.err


@pytest.mark.usefixtures("raw")
def test_folder_that_was_not_spiked_is_refused(shell):
    answer = shell("evaluate", "spiked", "raw", "raw", "--diameter", 100)
    assert answer.code == 1
    assert (
        "raw should be a folder that `cryoscore evaluate spike-in` made" in answer.err
    )


@pytest.mark.usefixtures("raw")
def test_full_output_folder_is_refused(shell):
    answer = shell(*SPIKE[:-1], "raw")
    assert answer.code == 1
    assert "should be a new or empty folder" in answer.err
