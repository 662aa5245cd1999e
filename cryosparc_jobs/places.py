"""Where the files of a job are: in the project directory, or behind the server.

Where this machine sees the project directory, files are read and written there; a folder
of the same name on another disk is not enough, so the server is asked to make one and we
look whether it appears. Where it does not, micrographs go through the server: one by one
into a folder of ours, and back with each byte compared.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.files import replacing
from cryosparc_jobs.client import client_errors, patiently, reason
from cryosparc_jobs.external_job import ExternalJob

_LONG_AGO = 1_000_000_000
"""Time stamp of a file that was fetched, in s: fetched again, it is the same file."""


@runtime_checkable  # The shape checks of the tests look at arguments.
class Place(Protocol):
    """Where micrographs are read and written."""

    description: str

    def raw(self, path: PurePosixPath) -> Path:
        """Where a file of the project is, or will be once it is fetched."""
        ...

    def fetch(self, path: PurePosixPath) -> None:
        """See that this file is there; raises `MicrographError` if it cannot be."""
        ...

    def own(self, name: str) -> Path:
        """Where a file in the folder of the job is, or is to be written first."""
        ...

    def deliver(self, file: Path) -> None:
        """See that CryoSPARC has such a file; raises `MicrographError` if it cannot."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a small file into the folder of the job."""
        ...

    def clean(self, *, keep: str = "") -> None:
        """Remove what is not needed any more; a file of this name stays."""
        ...


class ProjectFolder:
    """The project directory, seen from here.

    Parameters
    ----------
    project : Path
        Its folder.
    job : ExternalJob
        The job.
    scratch : Path
        Folder for micrographs that only the server can reach.
    """

    def __init__(self, project: Path, job: ExternalJob, scratch: Path) -> None:
        self.description = f"the project directory {project}, directly"
        self._project = project
        self._folder = project / job.uid
        self._through_server = ThroughServer(job, scratch)

    def raw(self, path: PurePosixPath) -> Path:
        """The file in the project, or one that only the server can reach."""
        file = self._project / path
        return file if file.exists() else self._through_server.raw(path)

    def fetch(self, path: PurePosixPath) -> None:
        """Ask the server, if a link leads to where this machine does not see."""
        file = self._project / path
        if file.exists():
            return
        try:
            self._through_server.fetch(path)
        except MicrographError as error:
            target = f" (a link to {os.readlink(file)})" if file.is_symlink() else ""  # noqa: PTH115  text, as it stands
            msg = (
                f"{path}{target} should be in the project, but cannot be "
                f"reached from this machine, and the server does not send it: "
                f"{reason(error.__cause__ or error)}. Mount the disk that it is on, or "
                "import copies."
            )
            raise MicrographError(msg) from error

    def own(self, name: str) -> Path:
        """A file in the folder of the job."""
        return self._folder / name

    def deliver(self, file: Path) -> None:
        """Give a file to the group that the project belongs to."""
        try:
            give_to_group(file, self._folder)
        except OSError as error:
            msg = (
                f"{file} should be readable for CryoSPARC, but cannot be given to its "
                f"group: {error.strerror}. Check the owner of the folder."
            )
            raise MicrographError(msg) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a small file into the folder of the job."""
        path = self._folder / name
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(data)
                give_to_group(temporary, self._folder)
        except OSError as error:
            msg = f"{path} cannot be written: {error.strerror}. Make room on its disk."
            raise InputError(msg) from error

    def clean(self, *, keep: str = "") -> None:
        """Remove what was fetched from the server."""
        self._through_server.clean(keep=keep)


class ThroughServer:
    """Files go through the server, because the project directory is not here.

    Parameters
    ----------
    job : ExternalJob
        The job.
    scratch : Path
        Folder for inputs and outputs; what is in it need not be done again.
    """

    def __init__(self, job: ExternalJob, scratch: Path) -> None:
        self.description = f"the server, with {scratch} in between"
        self._job = job
        self._scratch = scratch
        self._made = {scratch}

    def raw(self, path: PurePosixPath) -> Path:
        """A file in our own folder, with the folders of the project."""
        # A path of the server must not lead out of it.
        parts = [one for one in path.parts if one not in {"/", ".."}]
        return self._scratch.joinpath("raw", *parts)

    def fetch(self, path: PurePosixPath) -> None:
        """Ask the server for the file, unless an earlier run did."""
        file = self.raw(path)
        if file.exists():
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            data = patiently(lambda: self._job.files.download_from_project(str(path)))
            with replacing(file) as temporary:
                temporary.write_bytes(data)
                os.utime(temporary, (_LONG_AGO, _LONG_AGO))
        except client_errors() as error:
            msg = (
                f"{path} should be fetched from CryoSPARC, but was not: "
                f"{reason(error)}. Run where the project directory can be seen."
            )
            raise MicrographError(msg) from error

    def own(self, name: str) -> Path:
        """A file in our own folder, until it is uploaded."""
        return self._scratch / name

    def deliver(self, file: Path) -> None:
        """Upload a file, unless an earlier run did."""
        done = file.with_name(f".{file.name}.uploaded")
        state = str(file.stat().st_mtime_ns)
        if done.exists() and done.read_text(encoding="ascii") == state:
            return
        try:
            name = file.relative_to(self._scratch).as_posix()
            self._make_folder(file.parent)
            self._job.files.upload(name, file.read_bytes())
        except InputError as error:
            raise MicrographError(str(error)) from error
        done.write_text(state, encoding="ascii")

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of ours in the job as well, once."""
        if folder not in self._made:
            self._job.files.mkdir(folder.relative_to(self._scratch).as_posix())
            self._made.add(folder)

    def write(self, name: str, data: bytes) -> None:
        """Upload a small file."""
        self._job.files.upload(name, data)

    def clean(self, *, keep: str = "") -> None:
        """Remove our folder, or all in it but a file that is of use here."""
        if not (self._scratch / keep).is_file():
            shutil.rmtree(self._scratch, ignore_errors=True)
            return
        for one in self._scratch.iterdir():
            if one.is_dir():
                shutil.rmtree(one, ignore_errors=True)
            elif one.name != keep:
                one.unlink()


def find_place(
    project: Path, job: ExternalJob, scratch: Path, *, below: str = ""
) -> Place:
    """Find out how files get to the job, and make a folder for its outputs.

    Parameters
    ----------
    project : Path
        Folder of the project, as the server names it.
    job : ExternalJob
        The job.
    scratch : Path
        Folder for files that go through the server.
    below : str
        Name of the folder to make in that of the job, unless outputs lie there.

    Raises
    ------
    InputError
        If the server cannot make a folder.
    """
    if below:
        job.files.mkdir(below)
    if _is_seen(project / job.uid / below, job, below):
        return ProjectFolder(project, job, scratch)
    return ThroughServer(job, scratch)


def default_scratch(project: str, job: str) -> Path:
    """Folder of the user's cache for files that go through the server.

    Parameters
    ----------
    project, job : str
        Numbers of both.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "").strip() or Path.home() / ".cache"
    return Path(cache) / "cryoscore" / "cryosparc" / f"{project}-{job}"


def give_to_group(file: Path, like: Path) -> None:
    """Give a file the group and the permissions that a folder has.

    Parameters
    ----------
    file : Path
        The file.
    like : Path
        The folder.

    Raises
    ------
    OSError
        If the permissions cannot be set.
    """
    state = like.stat()
    # Only a member of the group may give a file to it.
    with suppress(PermissionError):
        os.chown(file, -1, state.st_gid)
    file.chmod(stat.S_IMODE(state.st_mode) & 0o666)


def _is_seen(folder: Path, job: ExternalJob, below: str) -> bool:
    """Whether a folder that the server makes appears here, and can be written in."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    name = f".seen-{secrets.token_hex(8)}"
    job.files.mkdir(f"{below}/{name}" if below else name)
    if not (folder / name).is_dir():
        return False
    with suppress(OSError):
        (folder / name).rmdir()
    return True
