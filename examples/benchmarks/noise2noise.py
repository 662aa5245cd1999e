"""Train Noise2Noise, the baseline that knows no clean image, with our own network.

    python noise2noise.py ../training/particle.yaml --models FOLDER \
        --pool runs/particle/pool --steps 3000 --output runs/noise2noise

Network, scenes, doses, crops and optimiser are those of the recipe. The network begins
with random weights, and never sees what it should say: input and target are two
exposures of the same crop with independent noise. What is the same in both is signal to
it, structured background as well; a network that removes background cannot be learnt in
this way, which is the point of the comparison.

The target is noisier than the particles are strong, so an error is weighted by the noise
(`--floor`, in units of its variance) rather than by the signal that the dose promises.
The state with the smallest error against the *clean* held-out scenes is kept, as for the
model that it is compared with: a favour that nobody can do Noise2Noise on real data.

The checkpoint, noise2noise.safetensors in the output folder, is a denoiser like any
other: `--denoiser runs/noise2noise/noise2noise.safetensors`.

References
----------
Lehtinen et al. (2018), ICML, arXiv 1803.04189.
"""

from __future__ import annotations

import logging
from pathlib import Path

import click

from cryoscore_plugin.training.from_recipe import train_from_recipe
from cryoscore_plugin.training.recipe import Recipe

DESCRIPTION = (
    "Baseline for benchmarks: Noise2Noise, two noisy exposures of the same scenes. Noise "
    "removed; structured background kept."
)

NOISE_VARIANCE = 1.0
"""Of a full exposure, in the units that the network sees."""

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def noise2noise_recipe(recipe: Recipe, *, steps: int, floor: float) -> Recipe:
    """The same training, but from random weights and to noisy targets."""
    return recipe.model_copy(
        update={
            "name": "noise2noise",
            "description": DESCRIPTION,
            "background": "kept",
            "start": None,
            "mix": recipe.mix.model_copy(update={"target": "noisy"}),
            "steps": steps,
            "floor": floor,
        }
    )


def with_scenes_of(recipe: Recipe, pool: Path, *, output: Path) -> Recipe:
    """Learn from scenes that were simulated before: their folder is linked."""
    groups = len(list(pool.glob("group-*.npz")))
    if not groups:
        msg = f"{pool} should hold scenes, group-0000.npz and so on. Give the pool of a run."
        raise click.UsageError(msg)
    output.mkdir(parents=True, exist_ok=True)
    link = output / "pool"
    link.unlink(missing_ok=True)
    link.symlink_to(pool.resolve(), target_is_directory=True)
    few = recipe.pool.model_copy(update={"groups": groups})
    return recipe.model_copy(update={"pool": few})


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--models", type=FOLDER, required=True, help="Atomic models, maps.")
@click.option("--pool", type=FOLDER, help="Scenes of another run; else simulated.")
@click.option("--steps", type=click.IntRange(min=1), default=3000, show_default=True)
@click.option("--floor", type=float, default=NOISE_VARIANCE, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True)
@click.option("--device", default="cpu", show_default=True)
def main(  # noqa: PLR0913  one argument for each option
    *,
    recipe: Path,
    models: Path,
    pool: Path | None,
    steps: int,
    floor: float,
    output: Path,
    device: str,
) -> None:
    """Train Noise2Noise as RECIPE says; called again, go on where it was stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan = noise2noise_recipe(Recipe.from_yaml(recipe), steps=steps, floor=floor)
    if pool is not None:
        plan = with_scenes_of(plan, pool, output=output)
    path = train_from_recipe(plan, models=models, output=output, device=device)
    click.echo(f"Wrote {path}. Compare it with: --denoiser {path}")


if __name__ == "__main__":
    main()
