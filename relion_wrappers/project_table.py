"""Which table of a RELION project lists the micrographs to denoise.

RELION keeps a list of its jobs in `default_pipeline.star`, in the project folder. The
table wanted is that of the latest job that corrected motion or estimated the CTF; a
project that starts with micrographs has only that of the import. A job that failed or
was aborted does not count; one that runs does, for RELION runs a job again and again
while data are collected, and its table is there from the first time on.

A folder without such a list may begin with a table, as `cryoscore simulate` makes one: then
what the table lists counts, and not what else is in the folder, such as the truth.
"""

from __future__ import annotations

import re
from pathlib import Path

from cryoscore_plugin.batch.projects import ProjectTable
from cryoscore_plugin.errors import InputError

PIPELINE = "default_pipeline.star"

TABLES = {
    "CtfFind": "micrographs_ctf.star",
    "MotionCorr": "corrected_micrographs.star",
    "Import": "micrographs.star",
}
"""Table of micrographs by kind of job; that of an import only if nothing else is."""

START = "micrographs.star"
"""A table in a folder from which a project may begin."""

_BROKEN = {"3", "4", "Failed", "Aborted"}
"""Statuses of jobs that did not finish: numbers in RELION 3.1, words since 4.0."""

_JOB = re.compile(r"^(\w+)/job(\d+)/?$")


def find_project_table(folder: Path) -> ProjectTable | None:
    """The latest table of micrographs of a RELION project, or that it begins with.

    Parameters
    ----------
    folder : Path
        The folder that might be a RELION project.

    Returns
    -------
    table : ProjectTable or None
        None if the folder is neither a project nor the beginning of one.

    Raises
    ------
    InputError
        If it is a project whose list of jobs cannot be read, or has no such table.
    """
    pipeline = folder / PIPELINE
    if not pipeline.is_file():
        start = folder / START
        return ProjectTable(kind="project", table=start) if start.is_file() else None
    jobs = [
        (kind != "Import", number, folder / name / TABLES[kind])
        for name, kind, number in _finished_jobs(pipeline)
        if (folder / name / TABLES[kind]).is_file()
    ]
    if not jobs:
        kinds = ", ".join(TABLES)
        msg = (
            f"{folder} is a RELION project, but has no table of micrographs of a "
            f"finished job of these kinds: {kinds}. Run one, or give a table with "
            "--in-mics."
        )
        raise InputError(msg)
    *_, table = max(jobs)
    return ProjectTable(kind="RELION project", table=table)


def _finished_jobs(pipeline: Path) -> list[tuple[str, str, int]]:
    """Name, kind and number of the jobs that may have a table."""
    # starfile brings pandas: half a second that `cryoscore --help` saves.
    from relion_wrappers.star_file import read_star  # noqa: PLC0415

    jobs = read_star(pipeline).blocks.get("pipeline_processes")
    if jobs is None:
        return []
    if isinstance(jobs, dict):  # One job, written without `loop_`.
        rows = [{name: str(value) for name, value in jobs.items()}]
    else:
        rows = [
            {str(name): str(value) for name, value in row.items()}
            for row in jobs.to_dict("records")
        ]
    found = []
    for row in rows:
        match = _JOB.match(row.get("rlnPipeLineProcessName", ""))
        if match and match[1] in TABLES and not _BROKEN & set(_statuses(row)):
            found.append((match[0], match[1], int(match[2])))
    return found


def _statuses(row: dict[str, str]) -> list[str]:
    return [value for name, value in row.items() if "ProcessStatus" in name]
