"""Train on own micrographs, and tell the user: a line of status, a curve, a verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from cryoscore_plugin.cli.progress import duration
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.report.event_file import curve_in_tensorboard
from cryoscore_plugin.report.training_curve import write_curve_picture
from cryoscore_plugin.settings import TrainSettings
from cryoscore_plugin.training.from_micrographs import OwnModel, train_on_micrographs
from cryoscore_plugin.training.monitor import Progress, TrainingMonitor
from cryoscore_plugin.training.processes import is_first
from cryoscore_plugin.training.run_state import CURVE
from cryoscore_plugin.training.sources import TrainingSource

PICTURE = "curve.png"
"""Picture of the curve, in the folder of a run."""


class TrainingProgress:
    """A line that is written over on a terminal; else one for each judgement.

    Parameters
    ----------
    abort_requested : Callable[[], bool]
        Whether to stop. A shell user stops a run with Ctrl-C.

    Attributes
    ----------
    line : str
        Where the run is.
    """

    def __init__(self, abort_requested: Callable[[], bool] = lambda: False) -> None:
        self._abort_requested = abort_requested
        self._live = sys.stdout.isatty()
        self._risk = ""
        self.line = ""

    def on_message(self, text: str) -> None:
        """Write a sentence."""
        click.echo(text)

    def on_progress(self, progress: Progress) -> None:
        """Write where the run is, and how good its weights are."""
        if progress.risk is not None:
            self._risk = (
                f", risk on held-out micrographs {progress.risk:.4f} "
                f"({progress.start_risk:.4f} at the start)"
            )
        left = (progress.steps - progress.step) * progress.seconds_per_step
        self.line = (
            f"step {progress.step} of {progress.steps}: loss {progress.loss:.4f}"
            f"{self._risk}, {progress.seconds_per_step:.2f} s a step, "
            f"{duration(left)} left"
        )
        if self._live:
            # Blanks cover what a longer line has left.
            click.echo(f"\r{self.line:<110}", nl=progress.step == progress.steps)
        elif progress.risk is not None:
            click.echo(self.line)

    def abort_requested(self) -> bool:
        """Whether to stop."""
        return self._abort_requested()


def train_and_tell(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    *,
    output: Path,
    monitor: TrainingMonitor,
) -> OwnModel:
    """Train, draw the curve, and say whether to use the new model.

    Parameters
    ----------
    sources : Sequence[TrainingSource]
        The micrographs.
    settings : TrainSettings
        How.
    output : Path
        Folder of the run.
    monitor : TrainingMonitor
        Is told how it goes.

    Raises
    ------
    CryoScoreError
        As `train_on_micrographs`, and if tensorboard is missing. The curve is drawn all the same.
    """
    wanted = settings.tensorboard and is_first()
    try:
        with curve_in_tensorboard(output / CURVE, wanted=wanted):
            model = train_on_micrographs(
                sources, settings, output=output, monitor=monitor
            )
    except OSError as error:
        msg = (
            f"The run in {output} cannot be written: {error.strerror or error}. Make "
            "room there; the same command then goes on from its last state."
        )
        raise InputError(msg) from error
    finally:
        if is_first():
            draw_curve(output, output / PICTURE, start=settings.start)
    click.echo(f"Wrote {model.checkpoint}.")
    click.echo(model.verdict)
    return model


def draw_curve(output: Path, picture: Path, *, start: str | None) -> bool:
    """Draw the curve of a run; say why, if it cannot be drawn.

    Parameters
    ----------
    output : Path
        Folder of the run.
    picture : Path
        The picture to write.
    start : str or None
        The model that training started from, if its risk is the first row.

    Returns
    -------
    drawn : bool
        Whether there is a picture; without a curve there is none.
    """
    if not (output / CURVE).exists():
        return False
    try:
        write_curve_picture(picture, output / CURVE, start=start)
    except (ConfigError, OSError) as error:
        click.echo(f"No {picture.name}: {error}")
        return False
    return True
