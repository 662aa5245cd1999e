"""Training that a known particle guides: from the shell to the label of an output."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.batch.model import read_model_facts
from cryoscore_plugin.checkpoint import load_checkpoint
from cryoscore_plugin.cli.audit_subject import load_subject
from cryoscore_plugin.denoiser import load_denoisers
from cryoscore_plugin.guidance.card import ReferenceCard, guided_in_training
from cryoscore_plugin.guidance.reference import load_reference, save_reference
from cryoscore_plugin.guidance.view_making import view_of_ball
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_labels, read_micrograph, write_micrograph
from cryoscore_plugin.settings import DenoiseSettings

SHAPE = (72, 200)


@pytest.fixture
def references(tmp_path, monkeypatch) -> dict[str, str]:
    """In the current folder three micrographs in `mics`, and references by tier."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mics").mkdir()
    y, x = np.indices(SHAPE)
    for number in range(3):
        rng = np.random.default_rng(number)
        pixels = rng.normal(0, 1, SHAPE) - 2 * (np.hypot(y - 30, x - 40) < 12)
        write_micrograph(
            Path(f"mics/m{number}.mrc"),
            Micrograph(pixels=pixels.astype(np.float32), pixel_size=3.0),
        )
    views, hashes = view_of_ball(72.0, resolution=24.0), {}
    for tier, made_from in (("R1", []), ("R3", []), ("R4", ["m1"])):
        card = ReferenceCard(
            name="ball",
            tier=tier,
            kind="shape",
            pixel_size=views.pixel_size,
            resolution=24.0,
            made_from=made_from,
        )
        hashes[tier] = save_reference(Path(f"{tier}.safetensors"), views, card)[:12]
    return hashes


@pytest.fixture
def train(shell, references, tiny_checkpoint):  # noqa: ARG001  it sets the folder
    """A short run into a folder."""

    def run(folder: str, *words: object):
        fixed = ("--output", folder, "--start", tiny_checkpoint, "--steps", 2)
        return shell("train", "--in_mics", "mics", "--device", "cpu", *fixed, *words)

    return run


def weights(folder: str) -> np.ndarray:
    tensors = load_checkpoint(Path(folder) / "own.safetensors").tensors
    return np.concatenate([one.numpy().ravel() for one in tensors.values()])


GUIDED = ("--reference", "R1.safetensors", "--guidance", 0.5)


def test_guided_model_tells_so_in_every_output(shell, train, references):
    answer = train("run", *GUIDED)
    assert answer.code == 0, answer.err
    told = f"ball R1 {references['R1']}"
    assert f"guided with strength 0.5 to 24 Å by {told}" in answer.out
    card = load_checkpoint(Path("run/own.safetensors")).card
    assert card.training["guidance"]["reference"] == told
    assert card.training["guidance"]["strength"] == 0.5
    assert any("not independent of the reference" in one for one in card.limits)
    words = ("denoise", "--model", "run/own.safetensors", "--device", "cpu")
    audited = shell(*words, "mics/m0.mrc", "--output", "out")
    told_of_audit = audited.out + audited.err
    assert "Audit of mics/m0.mrc: At most" in told_of_audit
    summary, *rows = json.loads(Path("out/audit/audit.json").read_text())
    assert (audited.code == 0) == (summary["result"] == "passed")
    controls = ["noise", "phases", "halves", "leak"]
    assert [row["control"] for row in rows] == controls
    label = f"cryoscore guided in training, 0.5, by {told}"
    assert label in read_labels(Path("out/m0.mrc"))
    # A model that goes on learning without a reference has its history still.
    again = train("later", "--start", "run/own.safetensors")
    assert again.code == 0, again.err
    later = load_checkpoint(Path("later/own.safetensors")).card
    assert guided_in_training(later.training) == [f"0.5, by {told}"]


def test_model_guided_in_training_is_compared_with_the_one_before(
    train, tiny_checkpoint
):
    assert train("run", *GUIDED).code == 0
    assert train("later", "--start", "run/own.safetensors").code == 0
    tiny = read_model_facts(str(tiny_checkpoint)).fingerprint
    settings = DenoiseSettings(model="later/own.safetensors", device="cpu")
    subject = load_subject(settings)
    assert f"Compared with the model {tiny}, which was not." in subject.description
    diameter = load_reference(Path("R1.safetensors")).views.diameter
    assert subject.diameter == pytest.approx(diameter)
    assert subject.denoisers.cut is None
    raw = read_micrograph(Path("mics/m0.mrc"))
    before = settings.model_copy(update={"model": str(tiny_checkpoint)})
    [plain] = load_denoisers(before.model_copy(update={"write_binned": True}))
    found = subject.denoisers.unguided(raw).pixels
    assert found == pytest.approx(plain.denoise(raw).micrograph.pixels)
    assert (found != subject.denoisers.guided(raw).pixels).any()
    # A reference at hand comes on top of what was learnt.
    both = settings.model_copy(update={"reference": "R1.safetensors", "guidance": 0.5})
    assert load_subject(both).denoisers.cut is not None


def test_where_the_model_before_is_gone_a_packaged_one_is_taken(train, tiny_checkpoint):
    start = Path("start.safetensors")
    start.write_bytes(tiny_checkpoint.read_bytes())
    assert train("run", *GUIDED, "--start", start).code == 0
    start.unlink()
    words = load_subject(DenoiseSettings(model="run/own.safetensors")).description
    particle = read_model_facts("particle").fingerprint
    assert f"Compared with the model {particle}, which was not." in words


def test_every_setting_of_guidance_changes_the_model(train):
    shared = (*GUIDED, "--guidance-share", 0.9)
    runs = {
        "plain": (),
        "usual": shared,
        "strength": (*shared, "--guidance", 1),
        "share": (*shared, "--guidance-share", 1),
        "matching": (*shared, "--guidance-matching", "denoising"),
        "band": (*shared, "--guidance-resolution", 40),
        "empty": (*shared, "--guidance-empty", 0.6),
    }
    for folder, words in runs.items():
        answer = train(folder, *words)
        assert answer.code == 0, answer.err
    others = {name: weights(name) for name in runs if name != "usual"}
    assert all((found != weights("usual")).any() for found in others.values())


def test_crowded_micrographs_have_no_room_for_particles(train):
    rng = np.random.default_rng(1)
    y, x = np.indices(SHAPE)
    for number in range(3):
        pixels = rng.normal(0, 1, SHAPE)
        for left in (30, 87, 151):
            pixels -= 2 * (np.hypot(y - 36, x - left) < 12)
        write_micrograph(
            Path(f"mics/m{number}.mrc"),
            Micrograph(pixels=pixels.astype(np.float32), pixel_size=3.0),
        )
    answer = train("run", *GUIDED, "--guidance-matching", "denoising")
    assert answer.code == 1
    assert "the micrographs are too crowded to have one" in answer.err


def test_doubtful_reference_warns_and_does_not_guide_its_own(train):
    answer = train("r3", "--reference", "R3.safetensors", "--guidance", 0.5)
    assert "WARNING: the reference is from the same data set (R3)" in answer.out
    answer = train("r4", "--reference", "R4.safetensors", "--guidance", 0.5)
    assert answer.code == 0, answer.err
    assert "Left out: mics/m1.mrc: the reference ball was made from" in answer.out
    assert "Learning from 2 micrographs" in answer.out
    card = load_checkpoint(Path("r4/own.safetensors")).card
    assert any("R4" in one for one in card.limits)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--guidance", 0.5), 2, "Guidance needs both a reference and a guidance"),
        (("--reference", "R1.safetensors"), 2, "Guidance needs both"),
        ((*GUIDED, "--guidance-resolution", 9), 2, "no detail finer than 24 Å"),
        (("--reference", "no.safetensors", "--guidance", 1), 2, "Cannot read the ref"),
    ],
)
def test_wrong_guidance_is_told_in_a_sentence(train, words, code, sentence):
    answer = train("run", *words)
    assert answer.code == code
    assert sentence in answer.err
