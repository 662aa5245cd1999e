"""The train job: from a table of micrographs to a model that the denoise job takes.

Halves are those that the table names, or that RELION's or another motion correction
left beside the micrographs. The model, the curve and the state lie in the folder of the
job, so that "Continue" is the same command once more, and goes on. RELION has no type
for a model; in its lists stands `logfile.pdf`, with the curve.
"""

from __future__ import annotations

from pathlib import Path

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.halves import training_sources
from cryoscore_plugin.batch.inputs import find_micrographs
from cryoscore_plugin.cli.own_training import (
    TrainingProgress,
    draw_curve,
    train_and_tell,
)
from cryoscore_plugin.settings import TrainSettings
from relion_wrappers.job import RelionJob
from relion_wrappers.logfile import logfile_can_be_drawn
from relion_wrappers.output_nodes import LOGFILE, announce_pages
from relion_wrappers.project import project_name


def train_on_table(job: RelionJob, in_mics: str, settings: TrainSettings) -> None:
    """Train a model on the micrographs of a table.

    Parameters
    ----------
    job : RelionJob
        The job that runs, in the project folder.
    in_mics : str
        The table, as RELION wrote it on the command line.
    settings : TrainSettings
        How to train.

    Raises
    ------
    CryoScoreError
        If the table or a setting cannot be used, or the user asked to stop.
    """
    click.echo(f"cryoscore {__version__}: training on {in_mics}")
    sources = training_sources(find_micrographs([Path(in_mics)], root=Path()))
    folder = project_name(job.folder)
    output = Path(folder)
    if logfile_can_be_drawn():
        # Early, because "Mark as finished" reads it too.
        announce_pages(job.folder, str(folder / LOGFILE))
    monitor = TrainingProgress(job.abort_requested)
    try:
        model = train_and_tell(sources, settings, output=output, monitor=monitor)
    finally:
        draw_curve(output, output / LOGFILE, start=settings.start)
    click.echo(
        f"In an External job with cryoscore-relion-denoise, give the parameter model "
        f"the value {model.checkpoint}"
    )
