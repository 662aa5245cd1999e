"""The report of a job: one page, a CSV and a JSON file, in the folder of the job."""

from __future__ import annotations

from typing import Any

from cryoscore_plugin.errors import CryoScoreError
from cryoscore_plugin.report.job_report import write_job_report
from cryosparc_jobs.outputs import Work


def write_report(work: Work, facts: dict[str, Any]) -> None:
    """Write the report, and say where it is; where there is none, say why and go on.

    Parameters
    ----------
    work : Work
        The job; at least one micrograph was denoised.
    facts : dict[str, Any]
        What it was made with.
    """
    results = list(work.record.results.values())
    try:
        page = write_job_report(
            results[0].task.output.parent,
            results,
            work.settings,
            command=facts["command"],
            project=f"CryoSPARC {work.job.project_uid}, {facts['source']}",
        )
        for file in (page, page.with_suffix(".csv"), page.with_suffix(".json")):
            work.place.write(file.name, file.read_bytes())
            file.unlink()
    except (CryoScoreError, OSError) as error:
        work.job.events.log(f"No report: {error}", level="warning")
    else:
        work.job.events.log(
            f"All micrographs are in {work.job.uid}/{page.name}: open it in a browser."
        )
