"""Finding the project, the exposures and the job that a user means."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from cryoscore_plugin.errors import InputError
from cryosparc_jobs.ancestry import JobRecord, record_of
from cryosparc_jobs.client import Connection, asking, client_errors, patiently
from cryosparc_jobs.external_job import ACTIVE, ExternalJob
from cryosparc_jobs.source import Source

logger = logging.getLogger(__name__)

_KINDS = {"exposure": "exposures", "volume": "a volume"}
"""What is wanted, in our words."""

_ADVICE = {
    "exposure": "Give the exposures of Patch Motion, Patch CTF or Curate.",
    "volume": "Give the volume of a reconstruction, a refinement or an import.",
}


class Project:
    """One project of a server.

    Parameters
    ----------
    connection : Connection
        The server.
    uid : str
        The project, such as `P3`.

    Raises
    ------
    InputError
        If there is no such project.
    """

    def __init__(self, connection: Connection, uid: str) -> None:
        advice = "Check its number, and that you have access to it."
        with asking(f"find the project {uid}", advice):
            self._handle = connection.cs.find_project(uid)
        self.uid = uid
        self._connection = connection

    def folder(self) -> Path:
        """Where the server has the project; need not exist on this machine.

        Raises
        ------
        InputError
            If the server does not say.
        """
        with asking(f"tell the folder of {self.uid}"):
            handle = self._handle
            found = handle.dir if self._connection.is_v5 else handle.dir()
        return Path(str(found))

    def create_job(self, workspace: str, title: str, description: str) -> ExternalJob:
        """Make an External job.

        Parameters
        ----------
        workspace : str
            The workspace, such as `W1`.
        title, description : str
            What its card shows.

        Raises
        ------
        InputError
            If there is no such workspace, or CryoSPARC refuses.
        """
        advice = "Check its number, and that you have access to it."
        with asking(f"find the workspace {workspace} of {self.uid}", advice):
            self._handle.find_workspace(workspace)
        with asking(f"make a job in {self.uid} {workspace}"):
            handle = self._handle.create_external_job(
                workspace, title=title, desc=description
            )
        return ExternalJob(self._connection, handle)

    def find_job(self, uid: str) -> ExternalJob:
        """Find an External job.

        Raises
        ------
        InputError
            If there is none of this number, or it is of another kind.
        """
        try:
            with asking(f"find the job {self.uid} {uid}", "Check its number."):
                handle = self._handle.find_external_job(uid)
        except InputError as error:
            if not isinstance(error.__cause__, TypeError):
                raise
            msg = (
                f"{uid} should be an External job, but is of another kind. Leave out "
                "--job to make a new one."
            )
            raise InputError(msg) from error
        return ExternalJob(self._connection, handle)

    def find_idle_job(self, uid: str) -> ExternalJob:
        """Find an External job that may be started.

        Raises
        ------
        InputError
            If it is running or completed, or there is none.
        """
        job = self.find_job(uid)
        status = job.status()
        if status in ACTIVE:
            msg = (
                f"{uid} should be at rest, but is {status}. Wait for it; if its "
                "program has died, type: cryoscore cryosparc reset "
                f"{self.uid} {uid}"
            )
            raise InputError(msg)
        if status == "completed":
            msg = (
                f"{uid} is completed already, and CryoSPARC adds nothing to such a job. "
                "Leave out --job to make a new one."
            )
            raise InputError(msg)
        return job

    def check_output(self, source: Source, kind: str, slot: str) -> None:
        """See that an output exists, and is what is wanted.

        Parameters
        ----------
        source : Source
            The output.
        kind : {"exposure", "volume"}
            What it should hold.
        slot : str
            The slot that it must have.

        Raises
        ------
        InputError
            If it is not there, holds something else, or lacks the slot.
        """
        with asking(f"find the job {self.uid} {source.job}", "Check its number."):
            handle = self._handle.find_job(source.job)
        outputs = self._outputs(handle)
        if source.output not in outputs:
            msg = (
                f"{source.job} should have the output {source.output}, but has "
                f"{', '.join(outputs) or 'none'}. Give one of these."
            )
            raise InputError(msg)
        found, slots = outputs[source.output]
        if found != kind or slot not in slots:
            msg = (
                f"{source} should be {_KINDS[kind]} with {slot}, but holds {found} "
                f"with {', '.join(slots) or 'nothing'}. {_ADVICE[kind]}"
            )
            raise InputError(msg)

    def record(self, uid: str) -> JobRecord:
        """Type and inputs of any job.

        Raises
        ------
        InputError
            If there is none of this number.
        """
        with asking(f"find the job {self.uid} {uid}", "Was it deleted?"):
            handle = patiently(lambda: self._handle.find_job(uid))
        return record_of(handle, is_v5=self._connection.is_v5)

    def numbers(self, output: Source, slot: str, field: str) -> set[int] | None:
        """Whole numbers in an output; None if it does not have them.

        Parameters
        ----------
        output : Source
            The output.
        slot : str
            The slot to load.
        field : str
            Name of the column, such as `uid` or `location/micrograph_uid`.
        """

        def load() -> Any:  # noqa: ANN401  Dataset
            handle = self._handle.find_job(output.job)
            return handle.load_output(output.output, slots=[slot])

        try:
            rows = patiently(load)
        except client_errors():
            logger.debug("No %s of %s", field, output, exc_info=True)
            return None
        if field not in rows.fields():
            return None
        return {int(value) for value in rows[field]} or None

    def active_jobs(self) -> list[str]:
        """External jobs of the project that are shown as running.

        Version 4 of the client has no documented way to list them: it gives none.

        Raises
        ------
        InputError
            If the server does not say.
        """
        if not self._connection.is_v5:
            return []
        find = self._connection.cs.find_jobs
        with asking(f"list the jobs of {self.uid}"):
            found = list(find(self.uid, type="snowflake", status=list(ACTIVE)))
        return [job.uid for job in found if job.status in ACTIVE]

    def is_growing(self, job: str) -> bool:
        """Whether a job may still add to its outputs.

        Raises
        ------
        InputError
            If the server does not say.
        """
        with asking(f"tell the status of {job}"):
            status: str = patiently(lambda: self._handle.find_job(job).status)
        return status not in {"completed", "failed", "killed"}

    def _outputs(self, handle: Any) -> dict[str, tuple[str, list[str]]]:  # noqa: ANN401
        """Kind and slots of each output of a job."""
        if self._connection.is_v5:
            return {
                name: (one.type, [result.name for result in one.results])
                for name, one in handle.outputs.items()
            }
        results = handle.doc["output_results"]
        return {
            group["name"]: (
                group["type"],
                [one["name"] for one in results if one["group_name"] == group["name"]],
            )
            for group in handle.doc["output_result_groups"]
        }
