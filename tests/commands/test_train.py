"""`cryoscore train` goes from a recipe to a checkpoint that `denoise` can take."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.checkpoint import read_card
from cryoscore_plugin.cli import main
from cryoscore_plugin.density.shapes import random_shape

RECIPE = """\
name: small
description: For a test.
network: {channels: [4, 6], embedding: 4}
pool: {groups: 1, scenes_per_group: 2, scene_size: 64, views: 2}
steps: 2
filter_steps: 2
batch: 2
crop: 32
warmup: 1
checkpoint_every: 2
"""


def test_recipe_becomes_a_checkpoint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    atoms = tmp_path / "atoms"
    atoms.mkdir()
    shape = random_shape(np.random.default_rng(3))
    numbers = np.full(len(shape.potentials), 6, dtype=np.uint8)
    np.savez(atoms / "ball.npz", xyz=shape.positions_xyz, Z=numbers)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    run = tmp_path / "run"

    code = main(["train", str(recipe), "--models", str(atoms), "--output", str(run)])

    assert code == 0
    told = capfd.readouterr()
    assert "held-out risk" in told.err
    assert "cryoscore denoise --model" in told.out
    assert read_card(run / "small.safetensors").training["atomic_models"] == ["ball"]
    assert (run / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "Your model is" not in told.out

    for scenes in ("pool", "held_out"):  # Made once: it takes long.
        shutil.copytree(run / scenes, tmp_path / "on" / scenes)
    later = tmp_path / "later.yaml"
    later.write_text(f"{RECIPE}start: {run / 'small.safetensors'}\n")
    words = ["train", str(later), "--models", str(atoms), "--device", "cpu"]
    words += ["--threads", "1", "--tensorboard", "--output", str(tmp_path / "on")]
    assert main(words) == 0
    assert re.search(
        r"Your model is (worse|better) than \S+ by [\d.]+ %", capfd.readouterr().out
    )
    assert (tmp_path / "on" / "curve.csv").read_text().splitlines()[1].startswith("0,")
    (events,) = (tmp_path / "on" / "tensorboard").iterdir()
    assert b"correlation_20" in events.read_bytes()


def test_recipe_takes_its_settings_from_its_file_but_for_the_device(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    words = ["train", str(recipe), "--models", str(tmp_path), "--output", "run"]
    assert main([*words, "--steps", "3"]) == 2
    assert "Write them into the recipe" in capfd.readouterr().err
    assert main([*words, "--device", "17"]) == 1
    assert "device is '17'" in capfd.readouterr().err


def test_missing_recipe_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(tmp_path / "none.yaml"), "--models", str(tmp_path)]
    assert main([*words, "--output", str(tmp_path / "run")]) == 2
    assert "none.yaml" in capfd.readouterr().err


def test_wrong_recipe_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    words = ["train", str(recipe), "--models", str(tmp_path), "--output", "run"]
    for text, told in (("words", "holds a str"), ("stepz: 3", "stepz: Extra inputs")):
        recipe.write_text(text)
        assert main(words) == 2
        err = capfd.readouterr().err
        assert told in err
        assert err.count("\n") == 1
