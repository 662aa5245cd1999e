"""An External job of CryoSPARC, in our words, for both versions of the client.

What CryoSPARC refuses is raised as one sentence.

Three habits of the client are avoided here and in `lifecycle`. Its `run()` completes a
job that was interrupted; its `stop()` completes one that was killed; and it keeps a
status until asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryoscore_plugin.errors import InputError
from cryosparc_jobs.client import Connection, asking, patiently
from cryosparc_jobs.event_log import EventLog
from cryosparc_jobs.job_files import JobFiles
from cryosparc_jobs.job_inputs import JobInputs

ACTIVE = ("running", "waiting")
"""The words for a job that may still save outputs."""

LONGEST = 1500
"""Characters of an error: version 5 sends it in an address, which proxies cut."""


class ExternalJob:
    """One External job.

    Parameters
    ----------
    connection : Connection
        The server.
    handle : object
        The client's object for this job.

    Attributes
    ----------
    uid, project_uid : str
        Numbers of the job and of its project.
    events : EventLog
        Where it tells what it does.
    inputs : JobInputs
        What goes in.
    files : JobFiles
        Files through the server.
    """

    def __init__(self, connection: Connection, handle: Any) -> None:  # noqa: ANN401  untyped client
        self.connection = connection
        self.uid: str = handle.uid
        self.project_uid: str = handle.project_uid
        self.events = EventLog(handle, is_v5=connection.is_v5)
        self.inputs = JobInputs(connection, handle)
        self.files = JobFiles(connection.cs, handle)
        self._handle = handle

    # What state it is in

    def status(self) -> str:
        """The status now, in CryoSPARC's word.

        Raises
        ------
        InputError
            If the server does not say.
        """
        with asking(f"tell the status of {self.uid}"):
            return patiently(self.status_once)

    def status_once(self) -> str:
        """The status now, asked once; raises what the client raises."""
        if self.connection.is_v5:
            api = self.connection.cs.api.jobs
            return str(api.get_status(self.project_uid, self.uid))
        return str(self._handle.refresh().status)

    def start(self) -> None:
        """Set the job running.

        Raises
        ------
        InputError
            If CryoSPARC refuses, for example because an input lacks a slot.
        """
        advice = (
            "Check in its card that the exposures are connected and have micrographs, "
            "or make a new job without --job."
        )
        with asking(f"start {self.uid}", advice):
            if self.status_once() in ACTIVE:
                return
            patiently(lambda: self._handle.start("running"))

    def complete(self) -> None:
        """Mark the job as completed; it should be running.

        Raises
        ------
        InputError
            If CryoSPARC does not say afterwards that it is completed.
        """
        with asking(f"mark {self.uid} as completed"):
            patiently(self._handle.stop)
        if (found := self.status()) != "completed":
            msg = (
                f"{self.uid} should be completed now, but is {found}. Its outputs are "
                "saved; look at its event log."
            )
            raise InputError(msg)

    def fail(self, sentence: str) -> None:
        """Mark the job as failed, with the reason in its event log.

        Parameters
        ----------
        sentence : str
            Why.

        Raises
        ------
        InputError
            If the server cannot be told.
        """
        words = sentence[-LONGEST:]
        with asking(f"mark {self.uid} as failed"):
            if self.connection.is_v5:
                patiently(lambda: self._handle.stop(error=words))
            else:
                self.events.log(words, level="error")
                patiently(lambda: self._handle.stop(error=True))

    # What comes out

    def add_output(
        self,
        name: str,
        *,
        title: str,
        slots: Sequence[dict[str, Any]],
        passthrough: str,
    ) -> None:
        """Add an output of exposures, unless the job has it already.

        Parameters
        ----------
        name, title : str
            Its name, and what is shown.
        slots : Sequence[dict]
            Its own slots, each with `name` and `dtype`.
        passthrough : str
            The input whose other slots go along.

        Raises
        ------
        InputError
            If CryoSPARC refuses.
        """
        with asking(f"add the output {name} to {self.uid}"):
            if self._has_output(name):
                return
            self._handle.add_output(
                type="exposure",
                name=name,
                slots=[self.connection.slot(slot) for slot in slots],
                passthrough=passthrough,
                title=title,
            )

    def has_output(self, name: str) -> bool:
        """Whether there is an output of this name.

        Raises
        ------
        InputError
            If the server does not say.
        """
        with asking(f"tell the outputs of {self.uid}"):
            return patiently(lambda: self._has_output(name))

    def _has_output(self, name: str) -> bool:
        if self.connection.is_v5:
            return name in self._handle.refresh().outputs
        groups = self._handle.refresh().doc["output_result_groups"]
        return any(group["name"] == name for group in groups)

    def allocate(self, name: str, rows: Any) -> Any:  # noqa: ANN401  Datasets
        """Empty rows for an output, with the fields and types the server wants.

        Parameters
        ----------
        name : str
            The output.
        rows : Dataset
            Rows whose uids are kept.

        Raises
        ------
        InputError
            If the server does not know the output.
        """
        with asking(f"tell the fields of {self.uid}:{name}"):
            return patiently(lambda: self._handle.alloc_output(name, rows))

    def save(self, name: str, rows: Any) -> None:  # noqa: ANN401  Dataset
        """Save an output.

        Parameters
        ----------
        name : str
            The output.
        rows : Dataset
            From `allocate`, with its fields filled.

        Raises
        ------
        InputError
            If CryoSPARC refuses, for example because the job was killed.
        """
        advice = f"Start the same command with --job {self.uid}: it goes on from here."
        with asking(f"save {self.uid}:{name}", advice):
            # After a lost connection the client sends the rest, which is nothing,
            # and that is refused: here a refusal need not be the last word.
            patiently(lambda: self._handle.save_output(name, rows), refusals=range(0))
