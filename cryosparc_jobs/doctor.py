"""`cryoscore cryosparc doctor`: what stands between this machine and a denoise job.

Unlike `cryoscore doctor`, it logs in and asks the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryoscore_plugin.cli.doctor import Line, check_gpus
from cryoscore_plugin.errors import CryoScoreError
from cryosparc_jobs.checks import installation_checks
from cryosparc_jobs.client import Connection, asking, connect
from cryosparc_jobs.login import Login
from cryosparc_jobs.projects import Project

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
"""Variables that the client obeys, also in capital letters."""


def diagnosis(login: Login, project: str | None) -> Iterator[Line]:
    """Look at everything that a denoise job needs.

    Parameters
    ----------
    login : Login
        Where the server is, and who asks.
    project : str or None
        A project to look at, too.

    Yields
    ------
    level, sentence
        One for each thing; "PROBLEM" where the user must act.
    """
    for is_well, sentence in installation_checks():
        yield "OK" if is_well else "PROBLEM", sentence
    yield from check_proxies(login, os.environ)
    yield from check_gpus()
    try:
        connection = connect(login)
    except CryoScoreError as error:
        yield "PROBLEM", str(error)
        return
    yield from _check_server(connection)
    if project is None:
        yield "note", "To look at a project as well, add --project P3."
        return
    try:
        yield from _check_project(connection, project)
    except CryoScoreError as error:
        yield "PROBLEM", str(error)


def check_proxies(login: Login, environment: Mapping[str, str]) -> Iterator[Line]:
    """Say whether a proxy stands between; its password is not shown.

    Parameters
    ----------
    login : Login
        Where the server is.
    environment : Mapping[str, str]
        Variables of the shell.
    """
    found = {
        name: value
        for name, value in environment.items()
        if name.lower() in PROXIES and value
    }
    spared = ",".join(environment.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    if not found:
        yield "OK", "No proxy is set."
    elif login.host in [word.strip() for word in spared.split(",")]:
        yield "OK", f"NO_PROXY lets {login.host} through without a proxy."
    else:
        names = ", ".join(
            f"{name} (to {urlsplit(value).hostname or 'unknown'})"
            for name, value in found.items()
        )
        yield (
            "note",
            (
                f"A proxy stands between: {names}. If {login.host} is in your own network, "
                f"type: export NO_PROXY={login.host}"
            ),
        )


def _check_server(connection: Connection) -> Iterator[Line]:
    login = connection.login
    yield "OK", f"Logged in at {login.url}; it is CryoSPARC {connection.server_version}"
    if doubt := connection.version_doubt():
        yield "PROBLEM", doubt


def _check_project(connection: Connection, uid: str) -> Iterator[Line]:
    project = Project(connection, uid)
    folder = project.folder()
    with asking(f"list the files of {uid}"):
        names = [Path(name) for name in connection.cs.list_files(uid)]
    if not folder.is_dir() or not all((folder / name).exists() for name in names):
        yield (
            "note",
            (
                f"The folder {folder} of {uid} is not seen here, so each micrograph goes "
                "through the server. Run where it is mounted under the same path."
            ),
        )
    else:
        yield "OK", f"The folder {folder} of {uid} is seen here."
        yield from check_permissions(folder)
    left = project.active_jobs()
    for job in left:
        yield (
            "note",
            (
                f"{job} is shown as running. If its program has died, type: cryoscore "
                f"cryosparc reset {uid} {job} --url {connection.login.url}"
            ),
        )
    yield (
        "OK",
        (
            f"Next, type: cryoscore cryosparc denoise {uid} W1 J42:exposures --url "
            f"{connection.login.url}, with your own workspace and job"
        ),
    )


def check_permissions(folder: Path) -> Iterator[Line]:
    """Say whether you and CryoSPARC can both write in a project.

    Parameters
    ----------
    folder : Path
        Its folder, which is there.
    """
    mode = folder.stat().st_mode
    if not os.access(folder, os.W_OK):
        yield (
            "note",
            (
                f"You may not write in {folder} (mode {mode & 0o7777:o}), so outputs go "
                "through the server. Ask for membership of its group."
            ),
        )
    elif not mode & 0o020:
        yield (
            "note",
            (
                f"The group may not write in {folder} (mode {mode & 0o7777:o}). If "
                "CryoSPARC runs under another account, type: chmod -R g+w, there"
            ),
        )
    else:
        yield "OK", f"You and your group may write in {folder}."
