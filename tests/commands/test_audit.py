"""`cryoscore audit`, and the short audit at the end of guided denoising."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.guidance.reference import load_reference
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph, write_micrograph


@pytest.fixture
def scenes(tmp_path, monkeypatch, shell):
    """Micrographs with strong particles, and their reference `r.safetensors`."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ends = [[0, 0, 25], [0, 0, 25], [0, 12, -25]]
    xyz = np.concatenate([rng.normal(end, 8, (300, 3)) for end in ends])
    np.savez("dumbbell.npz", xyz=xyz, Z=np.full(900, 6))
    words = ("reference", "dumbbell.npz", "-o", "r.safetensors", "--views", "3")
    assert shell(*words).code == 0
    views = load_reference(Path("r.safetensors")).views
    Path("raw").mkdir()
    for name in ("a", "b"):
        pixels = rng.normal(0, 1, (96, 96))
        for y, x in ((4, 4), (50, 8), (20, 56), (60, 60)):
            view = rng.choice(len(views.pictures))
            side = views.pictures.shape[-1]
            pixels[y : y + side, x : x + side] -= 25 * views.pictures[view].numpy()
        image = Micrograph(
            pixels=(100 + 10 * pixels).astype(np.float32),
            pixel_size=views.pixel_size,
        )
        write_micrograph(Path("raw") / f"{name}.mrc", image)
    return Path("raw")


GUIDED = ("--reference", "r.safetensors", "--guidance", "0.4")


@pytest.fixture
def audit(shell, scenes, tiny_checkpoint):
    def run(*words):
        fixed = ("--model", tiny_checkpoint, "--output", "audit")
        return shell("audit", scenes, *fixed, *words)

    return run


def rows():
    return json.loads(Path("audit/audit.json").read_text())


def test_the_verdict_is_said_and_written_with_figures_and_pictures(audit):
    answer = audit(*GUIDED)
    assert answer.code == 0, answer.err
    assert "The guided images pass." in answer.out
    assert rows()[0]["verdict"] in answer.out
    controls = ["noise", "phases", "decoy", "halves", "leak", "cut"]
    assert [row["control"] for row in rows()[1:]] == 2 * controls
    assert len(Path("audit/audit.csv").read_text().splitlines()) == 13
    assert Path("audit/audit.png").read_bytes().startswith(b"\x89PNG")
    assert Path("audit/audit.pdf").read_bytes().startswith(b"%PDF")


def test_count_and_seed_change_what_is_drawn(audit):
    """Of an honest model the figures are zero with each seed; the pictures are not."""
    audit(*GUIDED, "--count", "1")
    assert {row["micrograph"] for row in rows()[1:]} == {"a.mrc"}
    first, same, other = Path("audit/audit.png").read_bytes(), [], []
    for seed, found in (("1", same), ("2", other)):
        audit(*GUIDED, "--count", "1", "--seed", seed)
        found.append(Path("audit/audit.png").read_bytes())
    assert same == [first]
    assert other != [first]


def test_halves_of_frames_are_taken_where_they_are(audit, scenes):
    whole = read_micrograph(scenes / "a.mrc")
    for name, first in (("a_EVN", 0), ("a_ODD", 16)):
        half = replace(whole, pixels=whole.pixels[first:, first:][:80, :80])
        write_micrograph(scenes / f"{name}.mrc", half)
    answer = audit(*GUIDED, "--count", "1")
    assert answer.code == 1
    assert "raw/a_EVN.mrc has 80 x 80 px, but raw/a.mrc has 96 x 96" in answer.err


def test_without_a_reference_there_is_nothing_to_audit(audit):
    answer = audit()
    assert answer.code == 2
    assert "An audit needs the --reference" in answer.err


def test_guided_denoising_ends_with_a_short_audit(shell, scenes, tiny_checkpoint):
    words = ("denoise", scenes, "--model", tiny_checkpoint, "--output", "out")
    answer = shell(*words, *GUIDED)
    assert answer.code == 0, answer.err
    assert "Audit of raw/a.mrc: At most" in answer.out
    assert Path("out/audit/audit.json").exists()
    # What was finished was audited when it was made.
    assert "Audit" not in shell(*words, *GUIDED).out
    assert "Audit" not in shell(*words, "--overwrite").out


def test_a_failed_audit_fails_the_command(shell, scenes, tiny_checkpoint, monkeypatch):
    from cryoscore_plugin.evaluation import audit_verdict as module

    monkeypatch.setattr(module, "LIMIT", -1.0)
    words = ("denoise", scenes / "a.mrc", "--model", tiny_checkpoint, "-o", "out")
    answer = shell(*words, *GUIDED)
    assert answer.code == 1
    assert "FAIL: do not use them" in answer.err
    assert Path("out/a.mrc").exists()


def test_halves_that_a_table_names_are_taken_from_a_run(shell, scenes, tiny_checkpoint):
    whole = read_micrograph(scenes / "a.mrc")
    for name, first in (("even", 0), ("odd", 16)):
        half = replace(whole, pixels=whole.pixels[first:, first:][:80, :80])
        write_micrograph(Path(f"{name}.mrc"), half)
    columns = (
        "_rlnMicrographName #1\n_rlnMicrographNameEven #2\n_rlnMicrographNameOdd #3"
    )
    Path("t.star").write_text(
        f"data_\n\nloop_\n{columns}\nraw/a.mrc even.mrc odd.mrc\n"
    )
    words = ("denoise", "t.star", "--model", tiny_checkpoint, "--output", "out")
    answer = shell(*words, *GUIDED)
    assert answer.code == 1
    assert "even.mrc has 80 x 80 px, but raw/a.mrc has 96 x 96" in answer.err
