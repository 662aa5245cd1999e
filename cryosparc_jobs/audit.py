"""The short audit at the end of a guided job: whether its result shows the data."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from cryoscore_plugin.cli.audit import audit_task
from cryoscore_plugin.errors import CryoScoreError
from cryosparc_jobs.outputs import Work


def audit(work: Work) -> None:
    """Audit the first micrograph of a guided job, and tell what was found.

    Parameters
    ----------
    work : Work
        The job; at least one micrograph was denoised. What is found wanting is put
        among the doubts of its record.
    """
    if work.settings.reference is None:
        return
    task = work.record.results[next(iter(work.record.files))].task
    try:
        with tempfile.TemporaryDirectory(prefix="cryoscore-") as name:
            outcome = audit_task(task, work.settings, Path(name))
            for file in sorted(Path(name).iterdir()):
                work.place.write(file.name, file.read_bytes())
            if (picture := Path(name) / "audit.png").exists():
                work.job.events.plot(picture, f"Audit of {task.source.name}")
    except (CryoScoreError, OSError) as error:
        words, passed = f"No audit: {error}", False
    else:
        words, passed = (
            f"Audit of {task.source.name}: {outcome.verdict}",
            outcome.passed,
        )
    work.job.events.log(words, level="text" if passed else "warning")
    click.echo(words, err=not passed)
    if not passed:
        work.record.doubts.append(words)
