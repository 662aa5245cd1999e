"""What a real CryoSPARC does where we could only guess: run it, and send us the answer.

    python site_report.py P3 W1 J42:exposures --url http://cryoem:39000

Give an output with few micrographs, for example of Exposure Sets Tool: three External jobs
are made, and the micrographs are denoised. It prints what it found, and writes the same
to `cryoscore_site_report.json`: versions, words and numbers, and no names, paths or
accounts. Read it before you send it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cryoscore_plugin.errors import CryoScoreError
from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.client import Connection, client_errors, connect, reason
from cryosparc_jobs.denoise import run_denoise_job
from cryosparc_jobs.exposures import DENOISED, OUTPUT, RAW
from cryosparc_jobs.login import Login, login_options
from cryosparc_jobs.projects import Project
from cryosparc_jobs.request import Request
from cryosparc_jobs.source import Source

HALVES = "micrograph_blob_non_dw_AB"
BY_HAND = (
    "Does Blob Picker find particles with 'Pick on denoised micrographs' switched on?",
    "Does Extract From Micrographs take the raw micrographs of the same output?",
    "Kill a denoise job in the interface: does it stop, and stay killed?",
)


def attempt(act: Callable[[], object]) -> object:
    """What came of something, or why nothing did."""
    try:
        return act()
    except (CryoScoreError, *client_errors()) as error:
        return f"refused: {reason(error)}"


def denoise(
    connection: Connection, request: Request, settings: DenoiseSettings
) -> dict[str, object]:
    """Denoise, and look at what CryoSPARC made of the output."""
    project = Project(connection, request.project)
    before = set(connection.cs.list_files(request.project))
    found: dict[str, object] = {
        "denoise": attempt(
            lambda: len(run_denoise_job(connection, request, settings).files)
        )
    }
    new = sorted(set(connection.cs.list_files(request.project)) - before)
    uid = next((Path(name).name for name in new if Path(name).name[0] == "J"), None)
    if uid is None:
        return found
    found["status"] = attempt(project.find_job(uid).status)
    job = connection.cs.find_job(request.project, uid)
    rows = attempt(lambda: job.load_output(OUTPUT))
    if isinstance(rows, str):
        return {**found, "load output": rows}
    paths = rows[f"{DENOISED}/path"] if f"{DENOISED}/path" in rows.fields() else []
    folder = project.folder() / uid
    return {
        **found,
        "slots": sorted(rows.prefixes()),
        "rows": len(rows),
        "raw kept": all(uid not in str(path) for path in rows[f"{RAW}/path"]),
        "denoised are ours": all(str(path).startswith(uid) for path in paths),
        "folder seen": folder.is_dir(),
        "folder mode": oct(folder.stat().st_mode) if folder.is_dir() else None,
        "halves": _halves(rows),
    }


def _halves(rows: Any) -> object:  # noqa: ANN401  untyped client
    """How half-micrographs lie in their files, which nobody has told us."""
    names = [name for name in rows.fields() if name.startswith(f"{HALVES}/")]
    wanted = [n for n in names if n.rsplit("/", 1)[-1] in {"idx", "shape", "format"}]
    return {name: str(rows[name][0]) for name in wanted} if len(rows) else names


def statuses(connection: Connection, request: Request) -> dict[str, object]:
    """What a job that failed may do, and what clearing does to its files."""
    project = Project(connection, request.project)
    job = project.create_job(request.workspace, "cryoscore: status test", "")
    found: dict[str, object] = {"start empty": attempt(job.start)}
    found["fail"] = attempt(lambda: job.fail("A test."))
    found["start again"] = attempt(job.start)
    found["folder"] = attempt(lambda: job.files.mkdir("test"))
    found["upload"] = attempt(lambda: job.files.upload("test/file.txt", b"test"))
    found["fail again"] = attempt(lambda: job.fail("A test."))
    card = connection.cs.find_job(request.project, job.uid)
    found["clear"] = attempt(card.clear)
    found["status then"] = attempt(job.status)
    found["folder survives clear"] = attempt(lambda: "test" in card.list_files())
    other = project.create_job(request.workspace, "cryoscore: empty test", "")
    found["start another"] = attempt(other.start)
    found["complete without outputs"] = attempt(other.complete)
    return found


@click.command()
@click.argument("project")
@click.argument("workspace")
@click.argument("source")
@click.option("--model", default=DenoiseSettings().model, show_default=True)
@login_options
def main(
    *, project: str, workspace: str, source: str, model: str, login: Login
) -> None:
    """Ask a CryoSPARC site what we could only guess."""
    connection = connect(login)
    request = Request(
        project=project, workspace=workspace, source=Source.parsed(source)
    )
    report = {
        "cryosparc": connection.server_version,
        "cryosparc-tools": connection.client_version,
        "job": denoise(connection, request, DenoiseSettings(model=model)),
        "statuses": statuses(connection, request),
        "please answer": dict.fromkeys(BY_HAND, "?"),
    }
    text = json.dumps(report, indent=2, default=str)
    Path("cryoscore_site_report.json").write_text(f"{text}\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
