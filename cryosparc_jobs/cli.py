"""`cryoscore cryosparc`: jobs of CryoSPARC, from the shell of a machine with a GPU.

CryoSPARC cannot start a program of others. So a user, or a cluster, starts these
commands, and they make an External job and behave like one of CryoSPARC's own.
"""

from __future__ import annotations

import click

from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.login import Login, login_options
from cryosparc_jobs.request import Request, request_options


@click.group()
def cryosparc() -> None:
    """Jobs in a CryoSPARC project: denoise, watch, submit, and help for both."""


@cryosparc.command()
@request_options
@login_options
@settings_options(DenoiseSettings)
@verbose_option
@click.pass_context
def denoise(
    context: click.Context, *, request: Request, login: Login, settings: DenoiseSettings
) -> None:
    """Denoise the exposures of a CryoSPARC job, as an External job.

    PROJECT and WORKSPACE are numbers such as P3 and W1, SOURCE is an output with
    micrographs such as J42:exposures. Pick on the output `micrographs` of the new job
    with "Pick on denoised micrographs" switched on, and extract from the same output.
    """
    # The engine brings torch, and the client half a second.
    from cryosparc_jobs.client import connect  # noqa: PLC0415
    from cryosparc_jobs.denoise import run_denoise_job  # noqa: PLC0415

    if run_denoise_job(connect(login), request, settings).reasons:
        context.exit(FAILED)


@cryosparc.command()
@click.argument("project")
@click.argument("job")
@login_options
@verbose_option
def reset(*, project: str, job: str, login: Login) -> None:
    """Mark an External job as failed that a crash left running.

    PROJECT and JOB are numbers such as P3 and J51. Afterwards the job can go on with
    `cryoscore cryosparc denoise ... --job J51`. Make sure that its program is dead.
    """
    from cryosparc_jobs.client import connect  # noqa: PLC0415  as above
    from cryosparc_jobs.reset import reset_job  # noqa: PLC0415

    click.echo(reset_job(connect(login), project, job))


@cryosparc.command()
@click.option("--project", metavar="P3", help="A project to look at, too.")
@login_options
@verbose_option
@click.pass_context
def doctor(context: click.Context, *, project: str | None, login: Login) -> None:
    """Say what stands between this machine and a job, and what to type next."""
    from cryosparc_jobs.doctor import diagnosis  # noqa: PLC0415  as above

    levels = []
    for level, sentence in diagnosis(login, project):
        click.echo(f"{level:8}{sentence}")
        levels.append(level)
    if "PROBLEM" in levels:
        context.exit(FAILED)
