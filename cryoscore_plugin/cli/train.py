"""`cryoscore train`: make a model, from a recipe or from the user's micrographs."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import click

from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.settings import AROUND_THE_RUN, TrainSettings


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option(
    "--in_mics",
    "in_mics",
    multiple=True,
    metavar="MICS",
    type=click.Path(path_type=Path),
    help="Micrographs to learn from: a table, a folder, a file, or a pattern in quotes. "
    "May be given several times.",
)
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="For a RECIPE: folder of atomic models (PDB, mmCIF, or .npz with xyz and Z) and "
    "density maps (MRC).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the run; a run that was stopped continues in it.",
)
@settings_options(TrainSettings)
def train(
    *,
    recipe: Path | None,
    in_mics: tuple[Path, ...],
    models: Path | None,
    output: Path,
    settings: TrainSettings,
) -> None:
    """Train a model.

    With --in_mics, a packaged model goes on learning from your own micrographs, without
    clean images: best from images of odd and even frames, which are found beside the
    micrographs or in the table. At the end it is said whether that helped.

    With RECIPE (a YAML file) and --models, a model learns from simulated micrographs.

    On several GPUs: torchrun --standalone --nproc-per-node=4 -m cryoscore_plugin train
    and the same words; but --start, which torchrun takes for its own, goes into a file
    for --settings.
    """
    if in_mics:
        _check_words(recipe, models)
        _train_on_own(in_mics, settings, output)
    elif recipe is None or models is None:
        msg = (
            "Something to learn from should be given: micrographs with --in_mics, or "
            "a RECIPE and atomic models with --models."
        )
        raise ConfigError(msg)
    else:
        _refuse_settings(settings)
        _train_from_recipe(recipe, models, output, settings)


def _refuse_settings(settings: TrainSettings) -> None:
    around = {*AROUND_THE_RUN}
    if settings.model_dump(exclude=around) != TrainSettings().model_dump(
        exclude=around
    ):
        *most, last = sorted(around)
        msg = (
            f"A recipe has all settings of its run in its file but {', '.join(most)} "
            f"and {last}, and others were given on the command line. Write them into "
            "the recipe."
        )
        raise ConfigError(msg)


def _check_words(recipe: Path | None, models: Path | None) -> None:
    if recipe is not None or models is not None:
        msg = (
            "Give either --in_mics, to learn from micrographs, or a RECIPE with "
            "--models, to learn from simulated ones; both were given. Put a pattern "
            "in quotes."
        )
        raise ConfigError(msg)


def _train_on_own(
    in_mics: tuple[Path, ...], settings: TrainSettings, output: Path
) -> None:
    from cryoscore_plugin.batch.halves import training_sources  # noqa: PLC0415
    from cryoscore_plugin.batch.inputs import find_micrographs  # noqa: PLC0415

    sources = training_sources(find_micrographs(in_mics, output=output))
    # The engine brings torch: two seconds that a wrong word in the command saves.
    from cryoscore_plugin.cli.own_training import (  # noqa: PLC0415
        TrainingProgress,
        train_and_tell,
    )

    with _together():
        model = train_and_tell(
            sources, settings, output=output, monitor=TrainingProgress()
        )
        click.echo(f"Use it with: cryoscore denoise --model {model.checkpoint}")


def _train_from_recipe(
    recipe: Path, models: Path, output: Path, settings: TrainSettings
) -> None:
    from cryoscore_plugin.cli.own_training import PICTURE, draw_curve  # noqa: PLC0415
    from cryoscore_plugin.devices import use_threads  # noqa: PLC0415
    from cryoscore_plugin.report.event_file import (  # noqa: PLC0415
        curve_in_tensorboard,
    )
    from cryoscore_plugin.training.curve import read_curve  # noqa: PLC0415
    from cryoscore_plugin.training.from_recipe import train_from_recipe  # noqa: PLC0415
    from cryoscore_plugin.training.recipe import Recipe  # noqa: PLC0415
    from cryoscore_plugin.training.run_state import CURVE  # noqa: PLC0415
    from cryoscore_plugin.training.verdict import simulated_verdict  # noqa: PLC0415

    # A run takes hours: its progress is what a user wants to see.
    logging.getLogger("cryoscore_plugin.training").setLevel(logging.INFO)
    whole = Recipe.from_yaml(recipe)
    use_threads(settings.threads)
    with _together() as first:
        wanted = first and settings.tensorboard
        with curve_in_tensorboard(output / CURVE, wanted=wanted):
            checkpoint = train_from_recipe(
                whole, models=models, output=output, device=settings.device
            )
        if not first:
            return
        click.echo(f"Wrote {checkpoint}.")
        draw_curve(output, output / PICTURE, start=whole.start)
        before, *rows = read_curve(output / CURVE)
        if whole.start is not None and before.step == 0:
            best = min(row.risk for row in rows)
            click.echo(simulated_verdict(before.risk, best, start=whole.start))
        click.echo(f"Use it with: cryoscore denoise --model {checkpoint}")


@contextmanager
def _together() -> Iterator[bool]:
    """Work with the other processes that `torchrun` started; the first one speaks.

    Yields
    ------
    first : bool
        Whether this is the first one.
    """
    from cryoscore_plugin.training.processes import (  # noqa: PLC0415  brings torch
        is_first,
        joined_processes,
    )

    with joined_processes():
        if is_first():
            yield True
            return
        logging.getLogger("cryoscore_plugin").setLevel(logging.ERROR)
        logging.getLogger("cryoscore_plugin.training").setLevel(logging.ERROR)
        with redirect_stdout(io.StringIO()):
            yield False
