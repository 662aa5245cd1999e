"""The outputs of a denoise job: exposures with denoised micrographs, and those that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.exposures import (
    DENOISED,
    INPUT,
    OUTPUT,
    PICKING_OUTPUT,
    RAW,
    REJECTED_OUTPUT,
    copy_slot,
    fill,
    of_uids,
)
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.monitor import Record
from cryosparc_jobs.places import Place


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What the steps of a job share.

    Attributes
    ----------
    job : ExternalJob
        The job.
    place : Place
        Where its files are.
    settings : DenoiseSettings
        How to denoise.
    record : Record
        What became of the micrographs so far.
    picking_output : bool
        Whether there is a second output, for pickers only.
    half_sample : int
        Of how many micrographs the halves are used, unless all are wanted.
    """

    job: ExternalJob
    place: Place
    settings: DenoiseSettings
    record: Record
    picking_output: bool
    half_sample: int


def save_outputs(work: Work, rows: Any) -> None:  # noqa: ANN401  Dataset
    """Save the exposures that were denoised, and those that failed.

    Parameters
    ----------
    work : Work
        The job.
    rows : Dataset
        Its input.

    Raises
    ------
    InputError
        If CryoSPARC refuses.
    """
    job, record = work.job, work.record
    if record.files:
        good = of_uids(rows, list(record.files))
        _save(job, OUTPUT, good, work)
        if work.picking_output:
            _save(job, PICKING_OUTPUT, good, work)
    # Rows of an earlier run would be taken for those of this one.
    if record.reasons or job.has_output(REJECTED_OUTPUT):
        bad = of_uids(rows, list(record.reasons))
        _add_output(job, REJECTED_OUTPUT, "Micrographs that could not be denoised", RAW)
        allocated = job.allocate(REJECTED_OUTPUT, bad)
        copy_slot(allocated, RAW, raw=bad)
        job.save(REJECTED_OUTPUT, allocated)


def add_outputs(work: Work) -> None:
    """Add the outputs of every denoise job.

    Parameters
    ----------
    work : Work
        The job.

    Raises
    ------
    InputError
        If CryoSPARC refuses.
    """
    _add_output(work.job, OUTPUT, "Micrographs, with denoised ones", DENOISED)
    if work.picking_output:
        title = "PICKING ONLY - do not extract"
        _add_output(work.job, PICKING_OUTPUT, title, RAW)


def _add_output(job: ExternalJob, name: str, title: str, slot: str) -> None:
    slots = [{"name": slot, "dtype": "micrograph_blob"}]
    job.add_output(name, title=title, slots=slots, passthrough=INPUT)


def _save(job: ExternalJob, name: str, raw: Any, work: Work) -> None:  # noqa: ANN401
    slot = DENOISED if name == OUTPUT else RAW
    allocated = job.allocate(name, raw)
    fill(allocated, slot, raw=raw, files=work.record.files)
    job.save(name, allocated)
