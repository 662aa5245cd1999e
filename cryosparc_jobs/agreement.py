"""How well denoised halves agree with their other halves, where exposures have halves.

`--halves` measures all micrographs, and doubles the time. Without it a few of them are
measured when the others are done, which costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from cryoscore_plugin.batch.agreement import measured_agreement
from cryoscore_plugin.denoiser import load_denoisers
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.report.choice import spread_evenly
from cryosparc_jobs.outputs import Work

FIGURE = "half_correlation"
"""Name of the number, in reports."""


def tell_agreement(work: Work) -> None:
    """Measure a few micrographs, unless all were, and tell the event log.

    Parameters
    ----------
    work : Work
        The job; at least one micrograph was denoised. What is measured is put into its
        record.

    Raises
    ------
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    record = work.record
    if work.settings.halves:
        qualities = {uid: record.results[uid].quality for uid in record.files}
        record.agreement.update(
            {uid: one[FIGURE] for uid, one in qualities.items() if FIGURE in one}
        )
    else:
        _measure_some(work)
    if record.agreement:
        work.job.events.log(_in_words(record.agreement, len(record.files)))


def _measure_some(work: Work) -> None:
    record = work.record
    halved = [uid for uid in record.files if uid in record.halves]
    places = spread_evenly(len(halved), work.half_sample) if halved else []
    denoisers = load_denoisers(work.settings) if places else []
    for place in places:
        uid = halved[place]
        try:
            work.place.fetch(record.halves[uid])
            record.agreement[uid] = measured_agreement(
                record.results[uid].task, work.settings, denoisers[0]
            )
        except MicrographError as error:
            # The others lie as this one does.
            work.job.events.log(f"Halves are not used: {error}", level="warning")
            return


def _in_words(figures: Mapping[int, float], total: int) -> str:
    values = figures.values()
    words = (
        f"Halves: what becomes of the even frames agrees with the odd frames, as they "
        f"were recorded, to {fmean(values):.3f} on average ({min(values):.3f} to "
        f"{max(values):.3f}; Fourier ring correlation from 250 to 20 Å of "
        f"{len(figures)} of {total} micrographs)."
    )
    if len(figures) < total:
        words += " --halves measures all of them, and doubles the time."
    return words
