"""A job that a crash, a power cut or `kill -9` left running, brought to an end."""

from __future__ import annotations

from cryosparc_jobs.client import Connection
from cryosparc_jobs.external_job import ACTIVE
from cryosparc_jobs.projects import Project


def reset_job(connection: Connection, project: str, uid: str) -> str:
    """Mark a job as failed, if it is shown as running.

    Parameters
    ----------
    connection : Connection
        The server.
    project, uid : str
        The project and the job.

    Returns
    -------
    sentence : str
        What was done.

    Raises
    ------
    InputError
        If there is no such External job, or the server does not answer.
    """
    job = Project(connection, project).find_job(uid)
    status = job.status()
    if status not in ACTIVE:
        return f"{uid} is {status}; there is nothing to reset."
    job.fail("Its program ended without telling, so a user reset it.")
    return f"{uid} was {status}, and is {job.status()} now. Go on with --job {uid}."
