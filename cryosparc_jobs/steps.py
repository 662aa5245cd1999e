"""The steps of a denoise job that follow its start: denoise, and finish.

One run of `denoise` takes each of them once; `watch` denoises as long as new micrographs
come.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cryoscore_plugin.batch.agreement import require_halves
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.batch.run import denoise_micrographs
from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.errors import (
    ConfigError,
    CryoScoreError,
    MicrographError,
)
from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.agreement import tell_agreement
from cryosparc_jobs.audit import audit
from cryosparc_jobs.exposures import OUTPUT, PICKING_OUTPUT, REJECTED_OUTPUT, Exposure
from cryosparc_jobs.monitor import EventLogMonitor, Record
from cryosparc_jobs.outputs import Work
from cryosparc_jobs.plots import chosen, draw_before_and_after
from cryosparc_jobs.provenance import FILE, as_bytes
from cryosparc_jobs.report import write_report

_ADVICE = (
    'Next: connect {job}:{output} to a picker, switch on "Pick on denoised '
    'micrographs", and extract from the same output, which takes the raw micrographs.'
)
_PICKING_ADVICE = (
    " For a picker without that switch, connect {job}:{picking}; extract from "
    "{job}:{output} all the same."
)


def check_settings(settings: DenoiseSettings) -> None:
    """Refuse what CryoSPARC would misread.

    Parameters
    ----------
    settings : DenoiseSettings
        How to denoise.

    Raises
    ------
    ConfigError
        If outputs would be on another grid than the raw micrographs.
    """
    if settings.write_binned:
        msg = (
            "write_binned should be off in a CryoSPARC job, but is on: raw and denoised "
            "micrographs of one exposure must have one grid. Leave it out."
        )
        raise ConfigError(msg)


def denoise_exposures(
    work: Work, exposures: Sequence[Exposure], *, denoisers: Sequence[Denoiser] = ()
) -> None:
    """Denoise micrographs, and deliver each.

    Parameters
    ----------
    work : Work
        The job; its record is filled.
    exposures : Sequence[Exposure]
        The micrographs.
    denoisers : Sequence[Denoiser]
        From `load_denoisers`, to use them more than once; loaded if there are none.

    Raises
    ------
    CryoScoreError
        If what concerns all micrographs cannot be used, or the job was killed.
    """
    by_output = {work.place.own(one.denoised_name): one for one in exposures}
    if not by_output:
        return  # The engine would be loaded for nothing.
    tasks = [
        MicrographTask(
            source=work.place.raw(exposure.path),
            output=output,
            pixel_size=exposure.pixel_size,
            optics=exposure.optics,
            halves=_halves(work, exposure),
        )
        for output, exposure in by_output.items()
    ]
    require_halves(tasks, work.settings)
    monitor = EventLogMonitor(
        work.job,
        work.place,
        by_output,
        work.record,
        with_halves=work.settings.halves,
    )
    try:
        denoise_micrographs(
            tasks, work.settings, monitor, gate=monitor, denoisers=denoisers
        )
    finally:
        monitor.close()


def _halves(work: Work, exposure: Exposure) -> tuple[Path, ...]:
    """The file of the halves, if there is one; it is noted."""
    if exposure.halves is None:
        return ()
    work.record.halves[exposure.uid] = exposure.halves
    return (work.place.raw(exposure.halves),)


def finish(work: Work, facts: dict[str, Any]) -> None:
    """Show some micrographs, store what the job was made with, and sum it up.

    Parameters
    ----------
    work : Work
        The job.
    facts : dict[str, Any]
        What it was made with.

    Raises
    ------
    MicrographError
        If all micrographs failed, or some for a reason that may pass.
    InputError
        If the file with the facts cannot be stored.
    """
    record = work.record
    _refuse_unfinished(work)
    _show(work)
    tell_agreement(work)
    audit(work)
    ended = {
        "engine": record.description,
        "denoised": len(record.files),
        "failed": {str(uid): why for uid, why in record.reasons.items()},
        "half_correlation": {str(uid): r for uid, r in record.agreement.items()},
        "doubts": record.doubts,
        "seconds": {
            str(uid): round(one.seconds, 2) for uid, one in record.results.items()
        },
    }
    work.place.write(FILE, as_bytes(facts | ended))
    write_report(work, facts)
    summary = summary_of(record)
    work.job.events.log(f"{summary} What it was made with: {work.job.uid}/{FILE}")
    work.job.events.log(advice(work))
    click.echo(f"{summary}\n{advice(work)}")


def _refuse_unfinished(work: Work) -> None:
    """Refuse to call a job completed that another run could bring further.

    Raises
    ------
    MicrographError
        If there is nothing to show, or something left to try.
    """
    record = work.record
    total = len(record.files) + len(record.reasons)
    if not record.files:
        why = next(iter(record.reasons.values()), "There were none.")
        msg = f"All {total} micrographs should be denoised, but none was: {why}"
        raise MicrographError(msg)
    for uid in record.passing:
        msg = (
            f"All {total} micrographs should be denoised, but {len(record.passing)} "
            f"failed for a reason that may pass: {record.reasons[uid]} Then go on with "
            f"--job {work.job.uid}."
        )
        raise MicrographError(msg)


def summary_of(record: Record) -> str:
    """How many were done, as a sentence.

    Parameters
    ----------
    record : Record
        What became of them.
    """
    total = len(record.files) + len(record.reasons)
    counts = Counter(one.status for one in record.results.values())
    words = f"{len(record.files)} of {total} micrographs are denoised"
    if counts["skipped"]:
        words += f", {counts['skipped']} of them by an earlier run"
    if record.reasons:
        words += f"; {len(record.reasons)} failed, and are in {REJECTED_OUTPUT}"
    return f"{words}."


def advice(work: Work) -> str:
    """What to do next, in the words of CryoSPARC's interface.

    Parameters
    ----------
    work : Work
        The job.
    """
    names = {"job": work.job.uid, "output": OUTPUT, "picking": PICKING_OUTPUT}
    text = _ADVICE + (_PICKING_ADVICE if work.picking_output else "")
    return text.format(**names)


def _show(work: Work) -> None:
    """Pictures are for looking: where there are none, the job says why and goes on."""
    done = [work.record.results[uid] for uid in work.record.files]
    if not done:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
            for number, result in enumerate(chosen(done)):
                picture = Path(folder) / f"micrograph_{number}.png"
                draw_before_and_after(picture, result)
                name = result.task.source.name
                work.job.events.plot(picture, f"{name}: raw, denoised, power spectra")
                if number == 0:
                    work.job.events.show_on_card(picture, [OUTPUT])
    except (CryoScoreError, OSError) as error:
        work.job.events.log(f"No pictures: {error}", level="warning")
