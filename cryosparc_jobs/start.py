"""How each job begins: it is made, and once it runs it tells what it will do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from pydantic import BaseModel

from cryosparc_jobs.card import Card, make_card
from cryosparc_jobs.client import Connection
from cryosparc_jobs.exposures import RAW
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.places import Place, default_scratch, find_place
from cryosparc_jobs.projects import Project
from cryosparc_jobs.provenance import opening_lines, provenance
from cryosparc_jobs.request import Request


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A job that is connected and does not run yet.

    Attributes
    ----------
    request : Request
        What the user asked for.
    facts : dict[str, Any]
        What the job is made with.
    project : Project
        Where it is.
    job : ExternalJob
        The job.
    """

    request: Request
    facts: dict[str, Any]
    project: Project
    job: ExternalJob


def make_start(
    connection: Connection,
    request: Request,
    settings: BaseModel,
    *,
    card: Card,
    model: str,
    more: Callable[[Project], dict[str, Any]] = lambda _project: {},
) -> Start:
    """Check what can be checked, and make the job or find it.

    Parameters
    ----------
    connection : Connection
        The server.
    request : Request
        What the user asked for.
    settings : BaseModel
        Those of the command.
    card : Card
        What a new job shows.
    model : str
        The model that the job begins with.
    more : Callable
        Finds more facts in the project, before there is a job.

    Raises
    ------
    CryoScoreError
        If something cannot be found or used.
    """
    facts = provenance(connection, request.source, settings, model=model)
    project = Project(connection, request.project)
    project.check_output(request.source, "exposure", RAW)
    facts |= more(project)
    job = make_card(project, request, card)
    facts["command"] = request.command(card.command, job.uid, settings)
    return Start(request=request, facts=facts, project=project, job=job)


def open_place(start: Start, *, below: str = "") -> Place:
    """Tell the event log what is going to happen, and find out where files go.

    Parameters
    ----------
    start : Start
        The job, which runs now.
    below : str
        Name of a folder for the outputs, in that of the job.

    Raises
    ------
    InputError
        If CryoSPARC does not make a folder.
    """
    job, request = start.job, start.request
    for line in opening_lines(start.facts):
        job.events.log(line)
    if doubt := job.connection.version_doubt():
        job.events.log(doubt, level="warning")
        click.echo(f"Warning: {doubt}", err=True)
    scratch = request.scratch or default_scratch(request.project, job.uid)
    place = find_place(start.project.folder(), job, scratch, below=below)
    job.events.log(f"Files go through {place.description}")
    return place
