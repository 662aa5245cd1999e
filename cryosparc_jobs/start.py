"""How each job begins once it runs: it tells what it will do, and finds its folder."""

from __future__ import annotations

from typing import Any

import click

from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.places import Place, default_scratch, find_place
from cryosparc_jobs.projects import Project
from cryosparc_jobs.provenance import opening_lines
from cryosparc_jobs.request import Request


def open_place(
    project: Project,
    job: ExternalJob,
    request: Request,
    facts: dict[str, Any],
    *,
    below: str = "",
) -> Place:
    """Tell the event log what is going to happen, and find out where files go.

    Parameters
    ----------
    project, job : Project, ExternalJob
        The job, which runs, and where it is.
    request : Request
        What the user asked for.
    facts : dict[str, Any]
        What the job is made with.
    below : str
        Name of a folder for the outputs, in that of the job.

    Raises
    ------
    InputError
        If CryoSPARC does not make a folder.
    """
    for line in opening_lines(facts):
        job.events.log(line)
    if doubt := job.connection.version_doubt():
        job.events.log(doubt, level="warning")
        click.echo(f"Warning: {doubt}", err=True)
    scratch = request.scratch or default_scratch(request.project, job.uid)
    place = find_place(project.folder(), job, scratch, below=below)
    job.events.log(f"Files go through {place.description}")
    return place
