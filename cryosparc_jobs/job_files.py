"""Files that go through the server, because this machine does not see them.

The client makes a failed upload again with what is left of it, which is nothing, and
calls that a success. So each upload is read back and compared.
"""

from __future__ import annotations

from typing import Any

from cryosparc_jobs.client import asking, patiently


class JobFiles:
    """Files of one job and of its project, through the server.

    Parameters
    ----------
    cs : CryoSPARC
        The object of the client.
    handle : object
        The client's object for the job.
    """

    def __init__(self, cs: Any, handle: Any) -> None:  # noqa: ANN401  untyped client
        self._cs = cs
        self._handle = handle
        self._uid: str = handle.uid

    def mkdir(self, name: str) -> None:
        """Make a folder in the folder of the job, unless it is there.

        Raises
        ------
        InputError
            If CryoSPARC cannot.
        """
        with asking(f"make the folder {self._uid}/{name}", "Is its disk full?"):
            patiently(lambda: self._handle.mkdir(name, exist_ok=True))

    def upload(self, name: str, data: bytes) -> None:
        """Write a file into the folder of the job, and read it back to compare.

        Parameters
        ----------
        name : str
            Its name below the folder of the job.
        data : bytes
            All of it.

        Raises
        ------
        InputError
            If it did not arrive whole.
        """

        def attempt() -> None:
            self._handle.upload(name, data, overwrite=True)
            with self._handle.download(name) as file:
                arrived: bytes = file.read()
            if arrived != data:
                msg = f"{len(arrived)} of {len(data)} bytes, or others"
                raise OSError(msg)

        advice = "Make room on its disk, or run where the project folder can be seen."
        with asking(f"store {self._uid}/{name} whole", advice):
            patiently(attempt)

    def download_from_project(self, path: str) -> bytes:
        """Read a file of the project through the server; raises as the client does.

        Parameters
        ----------
        path : str
            Relative to the folder of the project.
        """
        with self._cs.download(self._handle.project_uid, path) as file:
            data: bytes = file.read()
        return data
