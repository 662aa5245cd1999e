"""From a recipe and a folder of particles to a checkpoint."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cryoscore_plugin import __version__
from cryoscore_plugin.checkpoint import (
    Checkpoint,
    ModelCard,
    load_checkpoint,
    save_checkpoint,
)
from cryoscore_plugin.density.atomic_model import AtomicModel, model_name
from cryoscore_plugin.density.particle import (
    NOTHING_MORE,
    ParticleSettings,
    read_particle,
)
from cryoscore_plugin.devices import choose_devices, use_exact_arithmetic
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.pretrained import find_checkpoint
from cryoscore_plugin.training.loop import train
from cryoscore_plugin.training.pool import build_pool
from cryoscore_plugin.training.processes import (
    first_goes_ahead,
    is_first,
    own_device,
)
from cryoscore_plugin.training.recipe import PoolSettings, Recipe
from cryoscore_plugin.training.run_state import STATE
from cryoscore_plugin.training.scenes import ScenePool, level_scenes
from cryoscore_plugin.training.widening import widened

WORKING_PIXEL_SIZE = 3.0
"""In Å/px; the pool's pixel sizes lie around it."""

SUFFIXES = (".npz", ".pdb", ".cif", ".pdb.gz", ".cif.gz", ".mrc", ".map", ".map.gz")


def train_from_recipe(
    recipe: Recipe, *, models: Path, output: Path, device: str = "cpu"
) -> Path:
    """Simulate, train, and write the checkpoint with its card.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    models : Path
        Folder of atomic models and density maps.
    output : Path
        Folder for pool, state, curve and checkpoint; a second call continues.
    device : str
        Where the network learns, as `devices.choose_devices` has it.

    Returns
    -------
    checkpoint : Path
        `output / <name>.safetensors`.

    Raises
    ------
    InputError
        If the folder holds no models, or not those that the recipe names.
    ConfigError
        If it starts from a checkpoint of which its network is no wider form.
    DeviceError
        If a device that was asked for is not there.
    """
    [place, *_] = choose_devices(own_device(device))
    use_exact_arithmetic()
    particles = read_models(models, recipe.particles)
    _refuse_missing(recipe, particles, models)
    seen = [model for model in particles if model.name not in recipe.held_out]
    held_out = [model for model in particles if model.name in recipe.held_out]
    pools = _pools(recipe, seen, held_out or seen, output)
    start = (
        None if recipe.start is None else load_checkpoint(find_checkpoint(recipe.start))
    )
    weights = train(
        recipe,
        *(level_scenes(pool, recipe.local_mean) for pool in pools),
        output=output,
        start=None if start is None else _first_weights(start, recipe),
        device=place,
    )
    path = output / f"{recipe.name}.safetensors"
    if is_first():
        # Half the size; the rounding is an eighth of what bfloat16 does to them anyway.
        halves = {name: weight.half() for name, weight in weights.items()}
        save_checkpoint(path, halves, model_card(recipe, seen, output / STATE, start))
    return path


def _first_weights(start: Checkpoint, recipe: Recipe) -> dict[str, Tensor]:
    """Weights of a checkpoint, for a network that may be wider than its own.

    Raises
    ------
    ConfigError
        If the network of the recipe is another one.
    """
    return widened(
        start.tensors,
        narrow=UNetSettings.model_validate(start.card.network),
        wide=recipe.network,
        seed=recipe.seed,
    )


def read_models(
    folder: Path, settings: Mapping[str, ParticleSettings]
) -> list[AtomicModel]:
    """All atomic models and density maps directly in a folder, by name.

    Parameters
    ----------
    folder : Path
        The folder.
    settings : Mapping[str, ParticleSettings]
        By name, what a file does not say.

    Raises
    ------
    InputError
        If there are none, or a file cannot be used.
    """
    files = sorted(x for x in folder.glob("*") if x.name.endswith(SUFFIXES))
    if not files:
        msg = (
            f"{folder} holds no atomic models. Expected files that end in "
            f"{', '.join(SUFFIXES)}."
        )
        raise InputError(msg)
    return [
        read_particle(file, settings.get(model_name(file), NOTHING_MORE))
        for file in files
    ]


def model_card(
    recipe: Recipe, seen: list[AtomicModel], state: Path, start: Checkpoint | None
) -> ModelCard:
    """What the network is, what it has seen, and how well it did."""
    best = torch.load(state, weights_only=True)["best"]
    return ModelCard(
        name=recipe.name,
        description=recipe.description,
        network=recipe.network.model_dump(mode="json"),
        working_pixel_size=WORKING_PIXEL_SIZE,
        background=recipe.background,
        local_mean=recipe.local_mean,
        training={
            "atomic_models": [model.name for model in seen],
            "recipe": recipe.model_dump(mode="json"),
            "best_step": best["step"],
            "started_from": None if start is None else started_from(start),
            "program": f"cryoscore {__version__}, torch {torch.__version__}",
            "hardware": platform.processor() or platform.machine(),
        },
        figures=json.loads(best["figures"]),
        limits=LIMITS,
    )


def started_from(start: Checkpoint) -> dict[str, object]:
    """Name and hash of a checkpoint, and its own history."""
    return {
        "name": start.card.name,
        "sha256": start.sha256,
        "training": start.card.training,
    }


LIMITS = [
    "Trained on simulated micrographs; no experimental image was used.",
    "For picking and looking. Extract particles from the raw micrographs.",
    "On single movie frames template pickers do better on raw images.",
    "Particles of 80 to 340 Å; use a larger working pixel size beyond.",
    "Filaments and membranes were not in the training.",
]


def _refuse_missing(
    recipe: Recipe, particles: Sequence[AtomicModel], folder: Path
) -> None:
    """Refuse a recipe that names particles which the folder does not have.

    Raises
    ------
    InputError
        If there are such.
    """
    named = {*recipe.held_out, *recipe.particles}
    missing = named - {model.name for model in particles}
    if missing:
        msg = (
            f"The recipe names {', '.join(sorted(missing))}, which {folder} does not "
            "have. Add the files, or take the names out of the recipe."
        )
        raise InputError(msg)


def _pools(
    recipe: Recipe, seen: list[AtomicModel], held_out: list[AtomicModel], output: Path
) -> tuple[ScenePool, ScenePool]:
    """Scenes to learn from, and scenes to judge by; one process makes them for all."""
    workers = len(os.sched_getaffinity(0))
    with first_goes_ahead():
        pool = build_pool(
            seen,
            recipe.pool,
            seed=recipe.seed,
            folder=output / "pool",
            workers=workers,
        )
        judging = _held_out_pool(held_out, recipe.pool, output=output, workers=workers)
    return pool, judging


def _held_out_pool(
    models: list[AtomicModel], settings: PoolSettings, *, output: Path, workers: int
) -> ScenePool:
    """A few scenes of each particle that training leaves out."""
    few = settings.model_copy(
        update={
            "groups": 2,
            "scenes_per_group": 3,
            "procedural": 0.0,
            "assembled": 0.0,
        }
    )
    pools = [
        build_pool(
            [model],
            few,
            seed=number,
            folder=output / "held_out" / model.name,
            workers=workers,
        )
        for number, model in enumerate(models)
    ]
    return ScenePool(
        clean=np.concatenate([pool.clean for pool in pools]),
        background=np.concatenate([pool.background for pool in pools]),
        pixel_sizes=np.concatenate([pool.pixel_sizes for pool in pools]),
    )
