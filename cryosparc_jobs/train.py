"""The train job: from the exposures of a job to a model that the denoise job takes.

It learns from the images of odd and even frames, where the exposures have them. The
model, the curve and the state lie in the folder of the job, so that a job which was
stopped goes on with `--job`, and ends with the same model. CryoSPARC has no output for a
model: the event log says how to use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryoscore_plugin.cli.own_training import (
    PICTURE,
    TrainingProgress,
    train_and_tell,
)
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.mrc import read_header
from cryoscore_plugin.report.event_file import EVENTS, PREFIX
from cryoscore_plugin.settings import TrainSettings
from cryoscore_plugin.training.from_micrographs import QUESTION, OwnModel
from cryoscore_plugin.training.monitor import Progress
from cryoscore_plugin.training.own_session import selected_sources
from cryoscore_plugin.training.run_state import CURVE
from cryoscore_plugin.training.sources import TrainingSource
from cryosparc_jobs.card import Card
from cryosparc_jobs.client import Connection
from cryosparc_jobs.exposures import INPUT, Exposure, read_exposures
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.lifecycle import KillWatch, running
from cryosparc_jobs.places import Place
from cryosparc_jobs.provenance import FILE, as_bytes
from cryosparc_jobs.request import Request
from cryosparc_jobs.start import Start, make_start, open_place

CARD = Card(
    command="train",
    title="Train a denoiser (cryoscore)",
    description=(
        "A model that goes on learning from these micrographs. It lies in the folder "
        "of the job; the event log says whether it is better, and how to use it."
    ),
)

LOOK = 5.0
"""Seconds between two looks whether the job was killed; a step may take less."""


class TrainingLog:
    """Tells the shell and the event log how a training goes, and hears of a kill.

    Parameters
    ----------
    job : ExternalJob
        The job that runs.
    """

    def __init__(self, job: ExternalJob) -> None:
        self._events = job.events
        self._watch = KillWatch(job, pause=LOOK)
        self._shell = TrainingProgress(self._watch.stopped)

    def on_message(self, text: str) -> None:
        """Write a sentence."""
        self._shell.on_message(text)
        self._events.log(text)

    def on_progress(self, progress: Progress) -> None:
        """Write where the run is; without a line that changes, at judgements only."""
        self._shell.on_progress(progress)
        is_judged = progress.risk is not None
        if self._events.is_live or is_judged:
            self._events.progress(self._shell.line, last=is_judged)

    def abort_requested(self) -> bool:
        """Whether the job was killed or cleared in CryoSPARC."""
        return self._shell.abort_requested()


def run_train_job(
    connection: Connection, request: Request, settings: TrainSettings
) -> OwnModel:
    """Train a model on the exposures of a job of CryoSPARC, as a job of CryoSPARC.

    Parameters
    ----------
    connection : Connection
        The server.
    request : Request
        Which exposures, and where to.
    settings : TrainSettings
        How to train.

    Raises
    ------
    CryoScoreError
        If something cannot be found or used, or the job was killed. The job is then
        not completed.
    """
    start = prepare_train_job(connection, request, settings)
    job = start.job
    with running(job):
        place = open_place(start)
        exposures = read_exposures(job.inputs.load(INPUT), str(request.source))
        log = TrainingLog(job)
        sources = _fetched(place, exposures, settings, log)
        model = train_and_tell(sources, settings, output=place.own(""), monitor=log)
        _finish(job, place, model, start.facts)
        log.on_message(_advice(request, model.checkpoint))
    place.clean(keep=model.checkpoint.name)
    return model


def prepare_train_job(
    connection: Connection, request: Request, settings: TrainSettings
) -> Start:
    """Check what can be checked, and make the job or find it.

    Parameters
    ----------
    connection, request, settings
        As for `run_train_job`.

    Raises
    ------
    CryoScoreError
        If something cannot be found or used.
    """
    return make_start(connection, request, settings, card=CARD, model=settings.start)


def _fetched(
    place: Place,
    exposures: Sequence[Exposure],
    settings: TrainSettings,
    log: TrainingLog,
) -> list[TrainingSource]:
    """The micrographs, with the files there of those that will be used."""
    by_source = {_source(place, one): one for one in exposures if not one.section}
    if skipped := len(exposures) - len(by_source):
        log.on_message(f"{skipped} images of stacks are left out.")
    chosen = selected_sources(list(by_source), settings.micrographs)
    for source in chosen:
        exposure = by_source[source]
        try:
            place.fetch(exposure.halves or exposure.path)
        except MicrographError as error:
            log.on_message(str(error))  # Training leaves out what it cannot read.
    if (doubt := _doubt_about_halves(chosen)) is None:
        return list(by_source)
    log.on_message(f"{doubt} Single images are used instead.")
    single = [replace(one, halves=None) for one in exposures]
    return _fetched(place, single, settings, log)


def _doubt_about_halves(sources: Sequence[TrainingSource]) -> str | None:
    """Why the halves cannot be used, by the first file that can be read; None if fine."""
    for source in sources:
        for path in source.halves:
            try:
                shape = read_header(path).shape
            except MicrographError:
                continue
            if shape[0] == 2:
                return None
            return (
                f"{path.name} should hold two images, of odd and even frames, but its "
                f"shape is {' x '.join(map(str, shape))}."
            )
    return None


def _source(place: Place, exposure: Exposure) -> TrainingSource:
    halves = exposure.halves
    return TrainingSource(
        path=place.raw(exposure.path),
        pixel_size=exposure.pixel_size,
        halves=() if halves is None else (place.raw(halves),),
        optics=exposure.optics,
    )


def _finish(
    job: ExternalJob, place: Place, model: OwnModel, facts: dict[str, Any]
) -> None:
    """Store what was made, and show the curve and the verdict."""
    picture = place.own(PICTURE)
    events = place.own(EVENTS).glob(f"{PREFIX}*")
    own = map(place.own, (CURVE, QUESTION, PICTURE))
    for file in (model.checkpoint, *own, *events):
        if file.exists():
            place.deliver(file)
    if picture.exists():
        job.events.plot(picture, "Risk on held-out micrographs, and loss in training")
        job.events.show_on_card(picture, [])
    job.events.log(model.verdict)
    ended = {
        "verdict": model.verdict,
        "gain": model.gain,
        "file": model.checkpoint.name,
    }
    place.write(FILE, as_bytes(facts | {"new model": ended}))


def _advice(request: Request, checkpoint: Path) -> str:
    where = f"{request.project} {request.workspace} {request.source}"
    return f"Use it: cryoscore cryosparc denoise {where} --model {checkpoint}"
