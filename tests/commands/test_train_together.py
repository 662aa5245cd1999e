"""Processes that `torchrun` starts train as one does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cryoscore_plugin.checkpoint import load_checkpoint
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.training import processes
from cryoscore_plugin.training.curve import read_curve
from cryoscore_plugin.training.recipe import Recipe
from cryoscore_plugin.training.run_state import start_run

TORCHRUN = Path(sys.executable).with_name("torchrun")
RECIPE = """\
name: own
description: For a test.
network: {channels: [4, 6], embedding: 4}
pool: {groups: 1, scenes_per_group: 2, scene_size: 64, views: 2}
steps: 3
filter_steps: 2
batch: 3
crop: 32
warmup: 1
checkpoint_every: 3
"""


@pytest.fixture
def words(request, tmp_path, monkeypatch, tiny_checkpoint) -> list[str]:
    """Words of a short run, on micrographs or from a recipe."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    if request.param == "recipe":
        Path("recipe.yaml").write_text(RECIPE)
        shape = random_shape(rng)
        numbers = np.full(len(shape.potentials), 6, dtype=np.uint8)
        Path("atoms").mkdir()
        np.savez("atoms/ball.npz", xyz=shape.positions_xyz, Z=numbers)
        return ["recipe.yaml", "--models", "atoms"]
    for name in ("a", "b"):
        pixels = rng.normal(0, 1, (72, 72)).astype(np.float32)
        write_micrograph(
            Path(f"mics/{name}.mrc"), Micrograph(pixels=pixels, pixel_size=3.0)
        )
    # Not as options: torchrun would take `--start` for one of its own.
    Path("settings.yaml").write_text(
        f"start: {tiny_checkpoint}\nsteps: 5\ndevice: cpu\n"
    )
    return ["--in_mics", "mics", "--settings", "settings.yaml"]


@pytest.fixture(autouse=True)
def _folder_of_micrographs(tmp_path: Path) -> None:
    (tmp_path / "mics").mkdir()


@pytest.mark.parametrize("words", ["micrographs", "recipe"], indirect=True)
def test_two_processes_make_the_model_that_one_makes(shell, words) -> None:
    """The same batch in two parts: three crops go as two and one."""
    answer = shell("train", "--output", "one", *words)
    assert answer.code == 0, answer.err
    for scenes in ("pool", "held_out"):  # Made once: it takes long.
        if Path("one", scenes).exists():
            shutil.copytree(Path("one", scenes), Path("two", scenes))
    together = [str(TORCHRUN), "--standalone", "--nproc-per-node=2"]
    command = [*together, "-m", "cryoscore_plugin", "train", "--output", "two", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("Wrote two/own.safetensors") == 1
    begin = beginning(words)
    first, second = (
        {
            name: tensor - begin[name]
            for name, tensor in load_checkpoint(
                Path(run, "own.safetensors")
            ).tensors.items()
        }
        for run in ("one", "two")
    )
    # Sums in another order, in a recipe of bfloat16: rounding, which Adam makes larger
    # where a gradient is small. Of two unlike runs the way would differ by its length.
    away = norm({name: second[name] - way for name, way in first.items()})
    assert away < 0.1 * norm(first)
    losses = [read_curve(Path(run, "curve.csv"))[-1].loss for run in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


def beginning(words: list[str]) -> dict[str, torch.Tensor]:
    """Weights before the first step."""
    if words[0] == "recipe.yaml":
        recipe = Recipe.from_yaml(Path("recipe.yaml"))
        return start_run(recipe, None).model.state_dict()
    start = yaml.safe_load(Path("settings.yaml").read_text())["start"]
    return load_checkpoint(Path(start)).tensors


def norm(tensors: dict[str, torch.Tensor]) -> float:
    return float(torch.cat([one.flatten() for one in tensors.values()]).norm())


def test_one_process_alone_does_all() -> None:
    assert processes.share_of(3) == processes.Share(part=slice(None), fraction=1.0)
    assert processes.own_device("0,1") == "0,1"
    assert processes.is_first()
    with processes.joined_processes():
        assert processes.count() == 1


@pytest.fixture
def third_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_together", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")


@pytest.mark.usefixtures("third_of_four")
def test_shares_of_a_batch_add_up_to_it() -> None:
    share = processes.share_of(7)
    assert list(range(7))[share.part] == [2, 6]
    assert share.fraction == 2 / 7
    assert not processes.is_first()
    with pytest.raises(ConfigError, match=r"at most 3 processes.*but 4 were started"):
        processes.share_of(3)


@pytest.mark.usefixtures("third_of_four")
def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes.own_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert processes.own_device("auto") == "2"
    assert processes.own_device("4,5,6,7") == "6"
    with pytest.raises(ConfigError, match="2 GPUs for 4 processes"):
        processes.own_device("0,1")
