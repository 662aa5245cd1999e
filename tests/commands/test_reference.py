"""`cryoscore reference`, and `cryoscore denoise` guided by what it made."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from cryoscore_plugin.cli import audit
from cryoscore_plugin.guidance.reference import load_reference
from cryoscore_plugin.mrc import read_labels, read_micrograph

OUT = Path("out")


@pytest.fixture(autouse=True)
def _no_audit(monkeypatch):
    """Leave the audit to its own tests; micrographs of noise would fail it."""
    passed = audit.AuditOutcome(verdict="Not asked.", passed=True, rows=[])
    monkeypatch.setattr(audit, "run_audit", lambda *_args: passed)


@pytest.fixture
def atoms(tmp_path, monkeypatch):
    """A table of atoms: a lopsided dumb-bell."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ends = [[0, 0, 25], [0, 0, 25], [0, 12, -25]]
    xyz = np.concatenate([rng.normal(end, 8, (300, 3)) for end in ends])
    np.savez(tmp_path / "dumbbell.npz", xyz=xyz, Z=np.full(900, 6))
    return Path("dumbbell.npz")


@pytest.fixture
def density(tmp_path, monkeypatch):
    """A map with one bright corner, 4 Å a voxel."""
    monkeypatch.chdir(tmp_path)
    z, y, x = np.mgrid[:32, :32, :32]
    ball = np.exp(-((z - 12) ** 2 + (y - 16) ** 2 + (x - 20) ** 2) / 30)
    with mrcfile.new(tmp_path / "ball.mrc") as file:
        file.set_data(ball.astype(np.float32))
        file.voxel_size = 4.0
    return Path("ball.mrc")


@pytest.fixture
def averages(tmp_path, monkeypatch):
    """Two class averages, 4 Å/px."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:32, :32] - 16
    bars = [np.exp(-(y**2) / 60 - x**2 / 8), np.exp(-(y**2) / 20 - x**2 / 20)]
    with mrcfile.new(tmp_path / "averages.mrcs") as file:
        file.set_data(np.stack(bars).astype(np.float32))
        file.set_image_stack()
        file.voxel_size = 4.0
    return Path("averages.mrcs")


@pytest.fixture
def reference(shell):
    """`cryoscore reference` with few views, into `r.safetensors`."""

    def run(*words):
        return shell("reference", "--views", "3", *words, "-o", "r.safetensors")

    return run


def made():
    return load_reference(Path("r.safetensors"))


def test_defaults_make_a_reference_of_an_atomic_model(shell, atoms):
    answer = shell("reference", atoms, "--output", "r.safetensors")
    assert answer.code == 0
    assert answer.err == ""
    card = made().card
    assert (card.name, card.tier, card.kind) == ("dumbbell", "R2", "atomic model")
    assert len(made().views.pictures) == 200
    assert list(card.sources) == ["dumbbell.npz"]
    assert f"tier R2, 200 views of {made().views.diameter:.0f} Å" in answer.out


def test_a_map_becomes_views_at_another_pixel_size(density, reference):
    assert reference(density).code == 0
    usual = made()
    assert (usual.card.kind, usual.card.tier) == ("map", "R2")
    assert usual.views.pixel_size == pytest.approx(7, rel=0.1)
    assert reference(density, "--pixel-size", "5").code == 0
    assert made().views.diameter > 1.15 * usual.views.diameter


def test_invert_turns_the_contrast(density, reference):
    reference(density)
    usual = made().views.pictures
    assert reference(density, "--invert").code == 0
    torch.testing.assert_close(made().views.pictures, -usual)


def test_resolution_decides_how_fine_the_views_are(atoms, reference):
    reference(atoms)
    fine = made().views.pixel_size
    assert reference(atoms, "--resolution", "40").code == 0
    assert made().views.pixel_size == pytest.approx(2 * fine, rel=0.1)
    assert made().card.resolution == 40


def test_views_and_name_are_as_given(atoms, shell):
    words = ("reference", atoms, "-o", "r.safetensors")
    assert shell(*words, "--views", "5", "--name", "bell").code == 0
    assert len(made().views.pictures) == 5
    assert made().card.name == "bell"


def test_a_long_name_of_a_file_is_cut(atoms, reference):
    atoms.rename("a dumb-bell of three lobes.npz")
    assert reference("a dumb-bell of three lobes.npz").code == 0
    assert made().card.name == "a-dumb-bell-of-three"


def test_averages_are_turned_and_said_to_be_from_the_same_micrographs(
    averages, reference, raw
):
    answer = reference(averages)
    assert answer.code == 2
    assert "--made-from" in answer.err
    assert not Path("r.safetensors").exists()
    assert reference(averages, "--made-from", raw / "a.mrc").code == 0
    assert made().card.made_from == ["a"]
    answer = reference(averages, "--tier", "R2", "--views", "8")
    assert answer.code == 0
    first, turned = made().views.pictures[:2]
    assert len(made().views.pictures) == 8
    assert not torch.allclose(first, turned, atol=0.05 * float(first.max()))


def test_classes_without_particles_are_left_out(averages, reference):
    images = mrcfile.read(averages)
    mrcfile.write("some.mrcs", np.stack([images[0], 0 * images[0], images[1]]))
    words = ("--tier", "R2", "--views", "3", "--pixel-size", "4")
    assert reference("some.mrcs", *words).code == 0
    assert len(made().views.pictures) == 2


def test_particles_name_the_micrographs_that_they_are_of(
    averages, reference, raw, denoise
):
    names = ["000001@Extract/job005/raw/a.mrcs"] * 2 + ["000001@Extract/job005/b.mrcs"]
    particles = {
        "rlnImageName": names,
        "rlnMicrographName": ["raw/a.mrc"] * 2 + ["b.mrc"],
    }
    particles |= {"rlnCoordinateX": [10, 20, 30], "rlnCoordinateY": [10, 20, 30]}
    starfile.write({"particles": pd.DataFrame(particles)}, "run_data.star")
    assert reference(averages, "--made-from", "run_data.star").code == 0
    assert made().card.made_from == ["a", "b"]
    answer = denoise(raw, "--reference", "r.safetensors", "--guidance", "0.5")
    assert [path.name for path in OUT.glob("*.mrc")] == ["c.mrc"]
    assert answer.err.count("was made from this micrograph") == 2


def test_a_table_of_neither_is_refused_in_a_sentence(averages, reference):
    starfile.write({"other": pd.DataFrame({"rlnNothing": [1, 2]})}, "other.star")
    answer = reference(averages, "--made-from", "other.star")
    assert answer.code == 1
    assert "other.star should list the micrographs" in answer.err


def test_dark_protein_is_warned_about(density, averages, reference):
    for file, words in ((density, ()), (averages, ("--tier", "R2"))):
        assert "darker" not in reference(file, *words).err
        answer = reference(file, *words, "--invert")
        assert answer.code == 0
        assert f"in {file} the particle looks darker" in answer.err
        assert "leave out --invert" in answer.err


def test_tier_three_is_made_with_a_warning(density, reference):
    answer = reference(density, "--tier", "R3")
    assert answer.code == 0
    assert "Warning: the reference is from the same data set (R3)" in answer.err


def test_without_a_file_a_ball_of_the_diameter_is_made(
    reference, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert reference("--diameter", "120").code == 0
    assert (made().card.kind, made().card.tier) == ("shape", "R1")
    assert made().views.diameter == pytest.approx(120, rel=0.15)
    answer = reference("--diameter", "120", "--tier", "R2")
    assert answer.code == 2
    assert "A generic shape is of tier R1" in answer.err


def test_what_is_no_reference_is_refused_in_a_sentence(atoms, raw, reference):
    for words, said in (
        ((), "found neither"),
        ((atoms, "--diameter", "90"), "found both"),
        (("none.npz",), "none.npz"),
        ((raw / "a.mrc",), "A map should be a cube"),
        ((atoms, "--name", "two words"), "This reference cannot be made: name"),
    ):
        answer = reference(*words)
        assert answer.code != 0
        assert said in answer.err
        assert "bug" not in answer.err
        assert not Path("r.safetensors").exists()


@pytest.fixture
def guided(raw, atoms, reference, denoise):
    """`cryoscore denoise` of one micrograph, guided by the atoms."""
    assert reference(atoms).code == 0
    fixed = (raw / "a.mrc", "--reference", "r.safetensors", "--guidance")
    return lambda strength, *words: denoise(*fixed, strength, *words)


def pixels():
    return read_micrograph(OUT / "a.mrc").pixels


def test_strength_and_reference_change_the_output_and_are_written_into_it(
    raw, denoise, guided, atoms, reference
):
    denoise(raw / "a.mrc")
    plain = pixels()
    answer = guided("0.4")
    assert answer.code == 0
    words = f"dumbbell R2 {made().sha256[:12]}"
    assert f"guided with strength 0.4 to 20 Å by {words}" in answer.out
    label = f"cryoscore guided, strength 0.4, by {words}"
    assert label in read_labels(OUT / "a.mrc")
    weak = pixels()
    assert not np.allclose(weak, plain, atol=1e-3 * plain.std())
    guided("0.8")
    # Linear in strength, to rounding of the grey scale.
    np.testing.assert_allclose(pixels() - plain, 2 * (weak - plain), atol=1e-3)

    assert "finished before" in guided("0.8").out
    reference(atoms, "--resolution", "24")
    assert "finished before" not in guided("0.8").out
    assert label not in read_labels(OUT / "a.mrc")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--guidance-resolution", "35"), ("--guidance-empty", "0.5")],
)
def test_band_and_empty_component_change_the_output(guided, option, value):
    guided("1")
    usual = pixels()
    assert guided("1", option, value).code == 0
    assert not np.array_equal(pixels(), usual)


def test_guidance_from_a_settings_file_is_the_same(guided, denoise, raw):
    guided("0.5")
    usual = pixels()
    Path("s.yaml").write_text("reference: r.safetensors\nguidance: 0.5\n")
    assert "finished before" in denoise(raw / "a.mrc", "--settings", "s.yaml").out
    assert denoise(raw / "a.mrc", "--settings", "s.yaml", "--overwrite").code == 0
    np.testing.assert_array_equal(pixels(), usual)


def test_defocus_of_the_table_is_used(guided, denoise):
    guided("1")
    usual = pixels()
    Path("m.star").write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n"
        "_rlnSphericalAberration #3\n_rlnAmplitudeContrast #4\n"
        "_rlnMicrographPixelSize #5\n1 300 2.7 0.1 3.0\n\n"
        "data_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnOpticsGroup #2\n"
        "_rlnDefocusU #3\n_rlnDefocusV #4\n_rlnDefocusAngle #5\n"
        "raw/a.mrc 1 30000 30000 0\n"
    )
    words = ("--reference", "r.safetensors", "--guidance", "1", "--overwrite")
    assert denoise("m.star", *words).code == 0
    assert not np.allclose(pixels(), usual, atol=1e-4 * usual.std())


def test_half_a_guidance_is_refused(denoise, raw, reference, atoms):
    assert reference(atoms).code == 0
    both = ("--reference", "r.safetensors", "--guidance", "1")
    for words, said in (
        (("--guidance", "0.5"), "reference is None and guidance is 0.5"),
        (("--reference", "r.safetensors"), "guidance is 0."),
        (("--reference", "no", "--guidance", "1"), "Cannot read the reference no"),
        (("--reference", raw / "a.mrc", "--guidance", "1"), "is none, was changed"),
        ((*both, "--guidance-resolution", "9"), "holds no detail finer than 20 Å"),
    ):
        answer = denoise(raw / "a.mrc", *words)
        assert answer.code == 2
        assert said in answer.err
    assert not (OUT / "a.mrc").exists()


def test_a_changed_reference_is_refused(guided):
    content = bytearray(Path("r.safetensors").read_bytes())
    content[-2] ^= 1
    Path("r.safetensors").write_bytes(content)
    answer = guided("0.5")
    assert answer.code == 2
    assert "was changed" in answer.err


def test_a_micrograph_that_the_reference_was_made_from_is_not_guided(
    raw, atoms, reference, denoise
):
    made_from = ("--tier", "R4", "--made-from", raw / "a.mrc")
    assert "evidence" in reference(atoms, *made_from).err
    answer = denoise(raw, "--reference", "r.safetensors", "--guidance", "0.5")
    assert answer.code == 1
    assert "WARNING: the reference is from other micrographs" in answer.out
    assert "was made from this micrograph, and would find itself" in answer.err
    assert sorted(path.name for path in OUT.glob("*.mrc")) == ["b.mrc", "c.mrc"]
