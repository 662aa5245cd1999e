"""How fast scenes are simulated, and how fast a network learns from them.

    python training_speed.py ../training/particle.yaml --json speed.json

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

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch

from cryoscore_plugin.training.from_recipe import read_models
from cryoscore_plugin.training.loop import train
from cryoscore_plugin.training.pool import load_pool, simulate_group
from cryoscore_plugin.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What was made, with how many threads, how much of it, and in which time."""

    what: str
    threads: int
    per_second: float
    per_cpu_second: float


def spent() -> np.ndarray:
    """Seconds by the clock, and CPU-seconds of this process."""
    return np.array([time.monotonic(), time.process_time()])


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True))
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--threads", "counts", multiple=True, type=int, help="May be repeated.")
@click.option("--groups", default=3, help="Particles whose scenes are simulated.")
@click.option("--steps", default=20, help="By which the long run is longer.")
@click.option("--json", "record", type=click.Path(path_type=Path))
def main(
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
    for row in rows:
        click.echo(
            f"{row.what:<8}{row.threads:>3} threads {row.per_second:>9.2f} a second "
            f"{row.per_cpu_second:>9.2f} a CPU-second"
        )
    if record is not None:
        record.write_text(json.dumps([asdict(row) for row in rows], indent=2))


def write_scenes(
    recipe: Recipe, models: Path | None, path: Path, *, groups: int
) -> Speed:
    """Simulate scenes in this process, keep them, and say how fast it went."""
    particles = [] if models is None else read_models(models, recipe.particles)
    share = recipe.pool.procedural if particles else 1.0
    settings = recipe.pool.model_copy(update={"procedural": share})
    torch.set_num_threads(1)
    before = spent()
    made = [
        scene
        for seed in range(groups)
        for scene in simulate_group(particles, settings, np.random.default_rng(seed))
    ]
    seconds, cpu_seconds = spent() - before
    scenes, pixel_sizes = zip(*made, strict=True)
    np.savez(
        path,
        scenes=np.stack(scenes).astype(np.float16),
        pixel_sizes=np.array(pixel_sizes, dtype=np.float32),
    )
    return Speed(
        what="scenes",
        threads=1,
        per_second=len(made) / seconds,
        per_cpu_second=len(made) / cpu_seconds,
    )


def learn(recipe: Recipe, folder: Path, *, threads: int, steps: int) -> Speed:
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
    seconds, cpu_seconds = times[2] - times[1]
    crops = steps * recipe.batch
    return Speed(
        what="crops",
        threads=threads,
        per_second=crops / seconds,
        per_cpu_second=crops / cpu_seconds,
    )


if __name__ == "__main__":
    main()
