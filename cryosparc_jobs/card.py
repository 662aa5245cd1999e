"""The card of a job: a new one or one that the user names, with its inputs connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import click

from cryoscore_plugin.errors import InputError
from cryosparc_jobs.exposures import INPUT, INPUT_SLOTS
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.projects import Project
from cryosparc_jobs.request import Request
from cryosparc_jobs.source import Source

VOLUME_INPUT = "reference"
"""Name of the input of the volume that guides."""

VOLUME_SLOTS = ({"name": "map", "dtype": "volume_blob", "required": True},)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a new card shows.

    Attributes
    ----------
    command : str
        That of the job, after `cryoscore cryosparc`.
    title, description : str
        Of the job; the description may use Markdown.
    """

    command: str
    title: str
    description: str


def make_card(project: Project, request: Request, card: Card) -> ExternalJob:
    """Make the job or find it, and connect its inputs.

    Parameters
    ----------
    project : Project
        Where it is.
    request : Request
        Which job, and what goes in.
    card : Card
        What a new one shows.

    Returns
    -------
    job : ExternalJob
        Connected, and not running.

    Raises
    ------
    InputError
        If it is not there, is not at rest, has other inputs, or CryoSPARC refuses.
    """
    if request.job is None:
        job = project.create_job(request.workspace, card.title, card.description)
    else:
        job = project.find_idle_job(request.job)
    _connect(job, INPUT, "exposure", request.source)
    connected = job.inputs.connections(VOLUME_INPUT)
    if request.reference_volume is not None:
        _connect(job, VOLUME_INPUT, "volume", request.reference_volume)
    elif connected:
        msg = (
            f"{job.uid} was begun with --reference-volume {connected[0]}, but goes on "
            "without. Give the same, or leave out --job to make a new job."
        )
        raise InputError(msg)
    click.echo(f"This is {request.project} {job.uid}.")
    return job


def _connect(
    job: ExternalJob, name: str, kind: Literal["exposure", "volume"], source: Source
) -> None:
    """Connect an input, unless it is connected; refuse a job with another one."""
    connected = job.inputs.connections(name)
    if connected is None:
        title, slots = {
            "exposure": ("Micrographs", INPUT_SLOTS),
            "volume": ("Reference that guides", VOLUME_SLOTS),
        }[kind]
        job.inputs.add(name, kind=kind, title=title, slots=slots)
    if not connected:
        job.inputs.connect(name, source)
    elif connected != [source]:
        msg = (
            f"{job.uid}:{name} should be connected to {source}, but is to "
            f"{', '.join(map(str, connected))}. Give that as the source, or leave out "
            "--job to make a new job."
        )
        raise InputError(msg)
