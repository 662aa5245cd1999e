"""What goes into an External job: inputs, and what is connected to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from cryosparc_jobs.client import Connection, asking, patiently
from cryosparc_jobs.source import Source


class JobInputs:
    """The inputs of one job.

    Parameters
    ----------
    connection : Connection
        The server.
    handle : object
        The client's object for the job.
    """

    def __init__(self, connection: Connection, handle: Any) -> None:  # noqa: ANN401  untyped client
        self._connection = connection
        self._handle = handle
        self._uid: str = handle.uid

    def add(
        self,
        name: str,
        *,
        kind: Literal["exposure", "volume"],
        title: str,
        slots: Sequence[dict[str, Any]],
    ) -> None:
        """Add an input.

        Parameters
        ----------
        name, kind, title : str
            Its name, what it takes, and what is shown.
        slots : Sequence[dict]
            Each with `name`, `dtype` and `required`.

        Raises
        ------
        InputError
            If CryoSPARC refuses.
        """
        with asking(f"add the input {name} to {self._uid}"):
            self._handle.add_input(
                type=kind,
                name=name,
                min=1,
                max=1,
                slots=[self._connection.slot(slot) for slot in slots],
                title=title,
            )

    def connect(self, name: str, source: Source) -> None:
        """Connect an input to an output of another job.

        Parameters
        ----------
        name : str
            Name of the input.
        source : Source
            The other job, and its output.

        Raises
        ------
        InputError
            If CryoSPARC refuses.
        """
        with asking(f"connect {source}", f"Is it of the kind that {name} takes?"):
            self._handle.connect(name, source.job, source.output)

    def connections(self, name: str) -> list[Source] | None:
        """What is connected to an input; None if there is no such input."""
        if self._connection.is_v5:
            made = self._handle.inputs.get(name)
            found = None if made is None else made.connections
            if found is None:
                return None
            return [Source(job=one.job_uid, output=one.output) for one in found]
        for group in self._handle.doc["input_slot_groups"]:
            if group["name"] == name:
                return [
                    Source(job=one["job_uid"], output=one["group_name"])
                    for one in group["connections"]
                ]
        return None

    def load(self, name: str) -> Any:  # noqa: ANN401  Dataset of an untyped client
        """All slots of what is connected to an input, as the client's `Dataset`.

        Raises
        ------
        InputError
            If nothing is connected, or the server does not send it.
        """
        with asking(f"send what is connected to {self._uid}:{name}"):
            return patiently(lambda: self._handle.load_input(name))
