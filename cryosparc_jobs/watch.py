"""A job that goes on as long as new micrographs come, for a session that grows.

New exposures of the source are denoised as they come, and the outputs are saved anew each
time, so that what is there can be looked at. The job ends when the source has ended, or
nothing has come for a while.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import click

from cryoscore_plugin.denoiser import load_denoisers
from cryoscore_plugin.errors import InputError, JobAbortedError
from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.client import Connection
from cryosparc_jobs.denoise import begin, prepare_job
from cryosparc_jobs.exposures import INPUT, Exposure, read_exposures
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.lifecycle import KillWatch, running
from cryosparc_jobs.monitor import Record
from cryosparc_jobs.outputs import Work, save_outputs
from cryosparc_jobs.projects import Project
from cryosparc_jobs.request import Request
from cryosparc_jobs.steps import denoise_exposures, finish

LOOK = 5.0
"""Seconds between two looks whether the job was killed, while it waits."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How to wait for new micrographs.

    Attributes
    ----------
    every : float
        Seconds between two looks for new ones.
    idle : float or None
        Minutes without new ones after which the job ends; None waits for the end of
        the source.
    """

    every: float
    idle: float | None = None


def run_watch_job(
    connection: Connection, request: Request, settings: DenoiseSettings, pace: Pace
) -> Record:
    """Denoise the exposures of a job of CryoSPARC while it makes more of them.

    Parameters
    ----------
    connection : Connection
        The server.
    request : Request
        Which exposures, and where to.
    settings : DenoiseSettings
        How to denoise.
    pace : Pace
        How to wait.

    Returns
    -------
    record : Record
        What became of each micrograph.

    Raises
    ------
    CryoScoreError
        If something cannot be found or used, the job was killed, or all micrographs
        failed. The job is then not completed.
    """
    start = prepare_job(connection, request, settings)
    with running(start.job):
        work = begin(start, settings)
        _follow(work, start.project, request, pace)
        finish(work, start.facts)
    work.place.clean()
    return work.record


def _follow(work: Work, project: Project, request: Request, pace: Pace) -> None:
    """Denoise what comes, until nothing more can come."""
    denoisers = load_denoisers(work.settings)
    came_at = time.monotonic()
    while True:
        # Asked first: what comes between the two is found the next time.
        growing = project.is_growing(request.source.job)
        rows = _rows(work.job, growing=growing)
        new = [] if rows is None else _new(work.record, rows, str(request.source))
        if new:
            denoise_exposures(work, new, denoisers=denoisers)
            save_outputs(work, rows)
            came_at = time.monotonic()
        waited = time.monotonic() - came_at
        if not growing or (pace.idle is not None and waited > 60 * pace.idle):
            return
        done = len(work.record.files)
        words = f"{done} are denoised; waiting for new micrographs."
        work.job.events.progress(words)
        if new:
            click.echo(words)
        _wait(work.job, pace.every)


def _rows(job: ExternalJob, *, growing: bool) -> Any:  # noqa: ANN401  Dataset, or None
    """What is connected; None while the source has nothing yet."""
    try:
        return job.inputs.load(INPUT)
    except InputError:
        if growing:
            return None
        raise


def _new(record: Record, rows: Any, origin: str) -> list[Exposure]:  # noqa: ANN401
    """Exposures that were not tried yet, or may succeed now."""
    tried = {*record.files, *record.reasons} - record.passing
    found = read_exposures(rows, origin)
    return [exposure for exposure in found if exposure.uid not in tried]


def _wait(job: ExternalJob, seconds: float) -> None:
    """Wait, but not longer than until somebody kills the job.

    Raises
    ------
    JobAbortedError
        If somebody does.
    """
    watch, end = KillWatch(job), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if watch.stopped():
            msg = (
                f"{job.uid} was stopped in CryoSPARC while it waited for micrographs. "
                f"What is finished is kept; go on with --job {job.uid}."
            )
            raise JobAbortedError(msg)
        time.sleep(min(left, LOOK))
