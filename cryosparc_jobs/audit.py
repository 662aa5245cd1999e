"""The short audit at the end of a guided job: whether its result shows the data."""

from __future__ import annotations

import click

from cryoscore_plugin.cli.guided_end import AUDIT_FOLDER, audit_guided
from cryoscore_plugin.errors import CryoScoreError
from cryosparc_jobs.outputs import Work


def audit(work: Work) -> None:
    """Audit a micrograph of a guided job, and tell what was found.

    Parameters
    ----------
    work : Work
        The job; at least one micrograph was denoised. What is found wanting is put
        among the doubts of its record.
    """
    results = [work.record.results[uid] for uid in work.record.files]
    try:
        outcome = audit_guided(results, work.settings, work.place.own(""))
        if outcome is None:
            return
        for file in sorted(work.place.own(AUDIT_FOLDER).glob("[!.]*")):
            work.place.deliver(file)
            if file.suffix == ".png":
                work.job.events.plot(file, file.stem.replace("_", " "))
    except (CryoScoreError, OSError) as error:
        words, passed = f"No audit: {error}", False
    else:
        words, passed = outcome.verdict, outcome.passed
    work.job.events.log(words, level="text" if passed else "warning")
    click.echo(words, err=not passed)
    if not passed:
        work.record.doubts.append(words)
