"""`cryoscore train`: make a checkpoint from a recipe."""

from __future__ import annotations

import logging
from pathlib import Path

import click


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of atomic models: PDB, mmCIF, or .npz with xyz and Z.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the run; a run that was stopped continues in it.",
)
def train(*, recipe: Path, models: Path, output: Path) -> None:
    """Train a model on simulated micrographs, as RECIPE (a YAML file) says."""
    from cryoscore_plugin.training.from_recipe import train_from_recipe  # noqa: PLC0415
    from cryoscore_plugin.training.recipe import Recipe  # noqa: PLC0415

    # A run takes hours: its progress is what a user wants to see.
    logging.getLogger("cryoscore_plugin.training").setLevel(logging.INFO)
    checkpoint = train_from_recipe(
        Recipe.from_yaml(recipe), models=models, output=output
    )
    click.echo(
        f"Wrote {checkpoint}. Use it with: cryoscore denoise --model {checkpoint}"
    )
