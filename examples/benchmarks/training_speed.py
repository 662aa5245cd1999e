"""How fast scenes are simulated, and how fast a network learns from them.

    python training_speed.py ../training/particle.yaml --record speed.csv

Needs no data: particles are random shapes, whose views take as long as those of proteins.
With `--models DIR` they are the atomic models and maps in a folder.

*Scenes* are as large as the recipe says; each is simulated once and gives many crops. A
run simulates them in a process for each core. *Crops* are what the network sees: put
together, run forwards and backwards, and a step of the optimizer, with the network, batch
and size of the recipe. They are the difference of a long and a short run, so that the
start of a run and the look at held-out scenes do not count.

Per second by the clock, and per CPU-second, which other work on the computer changes less.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.training.from_recipe import read_models
from cryoscore_plugin.training.loop import train
from cryoscore_plugin.training.pool import load_pool, simulate_group
from cryoscore_plugin.training.recipe import Recipe


def spent() -> np.ndarray:
    """Seconds by the clock, and CPU-seconds of this process."""
    return np.array([time.monotonic(), time.process_time()])


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True))
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--threads", "counts", multiple=True, type=int, help="May be repeated.")
@click.option("--groups", default=3, help="Particles whose scenes are simulated.")
@click.option("--steps", default=20, help="By which the long run is longer.")
@record_option
def main(
    *,
    recipe: Path,
    models: Path | None,
    counts: tuple[int, ...],
    groups: int,
    steps: int,
    record: Path | None,
) -> None:
    """Measure scenes and crops per second, and print a table."""
    whole = Recipe.from_yaml(recipe)
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            write_scenes(whole, models, folder / "scenes.npz", groups=groups),
            *(
                learn(whole, folder, threads=threads, steps=steps)
                for threads in counts or (len(os.sched_getaffinity(0)),)
            ),
        ]
    print_table(rows)
    write_record(rows, record)


def speed_row(what: str, count: int, times: np.ndarray, *, threads: int) -> Row:
    """What was made, with how many threads, and how much of it in a second."""
    per_second, per_cpu_second = map(float, count / times)
    return {"what": what, "threads": threads} | {
        "per_second": per_second,
        "per_cpu_second": per_cpu_second,
    }


def write_scenes(
    recipe: Recipe, models: Path | None, path: Path, *, groups: int
) -> Row:
    """Simulate scenes in this process, keep them, and say how fast it went."""
    particles = [] if models is None else read_models(models, recipe.particles)
    all_shapes = {"procedural": 1.0, "assembled": 0.0}
    settings = recipe.pool.model_copy(update={} if particles else all_shapes)
    torch.set_num_threads(1)
    before = spent()
    made = [
        scene
        for seed in range(groups)
        for scene in simulate_group(particles, settings, np.random.default_rng(seed))
    ]
    times = spent() - before
    scenes, pixel_sizes = zip(*made, strict=True)
    np.savez(
        path,
        scenes=np.stack(scenes).astype(np.float16),
        pixel_sizes=np.array(pixel_sizes, dtype=np.float32),
    )
    return speed_row("scenes", len(made), times, threads=1)


def learn(recipe: Recipe, folder: Path, *, threads: int, steps: int) -> Row:
    """Learn from crops of the scenes, and say how fast it went."""
    pool = load_pool([folder / "scenes.npz"])
    torch.set_num_threads(threads)
    times = []
    # Without the time of the filter, which is fitted once.
    recipe = recipe.model_copy(update={"filter_steps": 1})
    for length in (2, 2, 2 + steps):  # The first run warms up.
        run = recipe.model_copy(update={"steps": length, "checkpoint_every": length})
        before = spent()
        train(run, pool, pool, output=folder / f"run {threads} {len(times)}")
        times.append(spent() - before)
    return speed_row(
        "crops", steps * recipe.batch, times[2] - times[1], threads=threads
    )


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
