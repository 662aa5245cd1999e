"""The pool of scenes on disk: simulated once, by several processes, resumable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.files import replacing
from cryoscore_plugin.training.recipe import PoolSettings
from cryoscore_plugin.training.scenes import ScenePool, simulate_group

log = logging.getLogger(__name__)


def build_pool(
    models: Sequence[AtomicModel],
    settings: PoolSettings,
    *,
    seed: int,
    folder: Path,
    workers: int,
) -> ScenePool:
    """Simulate the scenes that are not yet in `folder`, and load them all.

    Parameters
    ----------
    models : Sequence[AtomicModel]
        Particles to choose from.
    settings : PoolSettings
        What to simulate.
    seed : int
        With the number of a group it decides everything about that group.
    folder : Path
        Where the groups are kept, a file each.
    workers : int
        Number of processes; it does not change the result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"group-{group:04d}.npz" for group in range(settings.groups)]
    missing = [group for group, path in enumerate(paths) if not path.exists()]
    if missing:
        _simulate(
            partial(_write_group, models, settings, seed, folder), missing, workers
        )
    return load_pool(paths)


def _simulate(make: Callable[[int], None], groups: list[int], workers: int) -> None:
    """Make groups of scenes in several processes, and say how it goes."""
    # Forking after torch has started threads can hang: spawn.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        futures = [executor.submit(make, group) for group in groups]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            if done % 20 == 0 or done == len(groups):
                log.info("simulated %d of %d groups of scenes", done, len(groups))


def load_pool(paths: Sequence[Path]) -> ScenePool:
    """Read groups of scenes into memory."""
    tables = [np.load(path) for path in paths]
    scenes = np.concatenate([table["scenes"] for table in tables])
    return ScenePool(
        clean=scenes[:, 0],
        background=scenes[:, 1],
        pixel_sizes=np.concatenate([table["pixel_sizes"] for table in tables]),
    )


def _write_group(
    models: Sequence[AtomicModel],
    settings: PoolSettings,
    seed: int,
    folder: Path,
    group: int,
) -> None:
    """Simulate one group and write it, complete or not at all."""
    rng = np.random.default_rng([seed, group])
    scenes, pixel_sizes = zip(*simulate_group(models, settings, rng), strict=True)
    path = folder / f"group-{group:04d}.npz"
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            scenes=np.stack(scenes).astype(np.float16),
            pixel_sizes=np.array(pixel_sizes, dtype=np.float32),
        )
