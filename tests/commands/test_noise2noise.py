"""The baseline Noise2Noise is trained from a recipe, and is a denoiser like any other."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cryoscore_plugin.checkpoint import load_checkpoint
from cryoscore_plugin.density.shapes import random_shape

RECIPE = """\
name: small
description: For a test.
start: particle
network: {channels: [4, 6], embedding: 4}
pool: {groups: 9, scenes_per_group: 2, scene_size: 64, views: 2}
steps: 100
batch: 2
crop: 32
warmup: 1
checkpoint_every: 2
"""


def write_scenes(folder: Path, *, groups: int) -> None:
    """A pool as a run of `cryoscore train` leaves it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for group in range(groups):
        scenes = rng.normal(0, 0.1, (2, 2, 64, 64)).astype(np.float16)
        path = folder / f"group-{group:04d}.npz"
        np.savez(path, scenes=scenes, pixel_sizes=np.full(2, 3.0, dtype=np.float32))


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Call the script on two scenes; gives what it wrote and the checkpoint."""
    scripts = Path(__file__).parents[2] / "examples" / "benchmarks"
    monkeypatch.syspath_prepend(scripts)
    module = import_module("noise2noise")
    shape = random_shape(np.random.default_rng(3))
    numbers = np.full(len(shape.potentials), 6, dtype=np.uint8)
    (tmp_path / "atoms").mkdir()
    np.savez(tmp_path / "atoms/ball.npz", xyz=shape.positions_xyz, Z=numbers)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    write_scenes(tmp_path / "scenes", groups=1)

    def run(output, *words):
        # Held out; simulated in a second or two if they are not there.
        write_scenes(tmp_path / output / "held_out" / "ball", groups=2)
        fixed = [tmp_path / "recipe.yaml", "--models", tmp_path / "atoms"]
        fixed += ["--output", tmp_path / output, *words]
        return CliRunner().invoke(module.main, [str(word) for word in fixed])

    return run


def test_noise2noise_is_trained_on_the_given_scenes(train, tmp_path, shell, raw):
    words = ["--pool", tmp_path / "scenes", "--steps", 3]
    done = train("run", *words)
    assert done.exception is None, done.output
    path = tmp_path / "run" / "noise2noise.safetensors"
    assert str(path) in done.output
    card = load_checkpoint(path).card
    assert (card.name, card.background) == ("noise2noise", "kept")
    recipe = card.training["recipe"]
    assert recipe["mix"]["target"] == "noisy"
    assert (recipe["steps"], recipe["pool"]["groups"]) == (3, 1)
    assert card.training["started_from"] is None
    # The scenes of the other run are read, not copied, and none was added.
    assert (tmp_path / "run/pool").resolve() == tmp_path / "scenes"
    assert len(list((tmp_path / "scenes").iterdir())) == 1
    answer = shell("denoise", "--model", path, raw / "a.mrc", "--output", "out")
    assert answer.code == 0, answer.err


def test_steps_and_floor_change_the_weights(train, tmp_path):
    tensors = []
    for name, words in {"a": (), "b": ("--floor", 0.01), "c": ("--steps", 4)}.items():
        done = train(name, "--pool", tmp_path / "scenes", "--steps", 2, *words)
        assert done.exception is None, done.output
        path = tmp_path / name / "noise2noise.safetensors"
        tensors.append(load_checkpoint(path).tensors)
    first, *others = tensors
    for other in others:
        assert any(not other[name].equal(value) for name, value in first.items())


def test_folder_without_scenes_is_refused(train, tmp_path):
    done = train("run", "--pool", tmp_path / "atoms")
    assert done.exit_code == 2
    assert "should hold scenes" in done.output
