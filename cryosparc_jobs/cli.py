"""`cryoscore cryosparc`: jobs of CryoSPARC, from the shell of a machine with a GPU.

CryoSPARC cannot start a program of others. So a user, or a cluster, starts these
commands, and they make an External job and behave like one of CryoSPARC's own.
"""

from __future__ import annotations

import click

from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.settings import DenoiseSettings, TrainSettings
from cryosparc_jobs.login import Login, login_options
from cryosparc_jobs.order import Order, submit_options
from cryosparc_jobs.request import Request, denoise_options, job_options


@click.group()
def cryosparc() -> None:
    """Jobs in a CryoSPARC project: denoise, watch, train, submit, and help for them."""


@cryosparc.command()
@denoise_options
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

    if not run_denoise_job(connect(login), request, settings).is_sound:
        context.exit(FAILED)


@cryosparc.command()
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Seconds between two looks for new micrographs.",
)
@click.option(
    "--idle",
    type=click.FloatRange(min=0.0),
    help="Minutes without new micrographs after which the job ends. Default: wait "
    "until the source has ended.",
)
@denoise_options
@login_options
@settings_options(DenoiseSettings)
@verbose_option
@click.pass_context
def watch(
    context: click.Context,
    *,
    request: Request,
    login: Login,
    settings: DenoiseSettings,
    every: float,
    idle: float | None,
) -> None:
    """Denoise exposures while a session makes more of them.

    As `denoise`, but the job goes on: new exposures of SOURCE are denoised as they
    come, and added to its outputs.
    """
    from cryosparc_jobs.client import connect  # noqa: PLC0415  as above
    from cryosparc_jobs.watch import Pace, run_watch_job  # noqa: PLC0415

    pace = Pace(every=every, idle=idle)
    if not run_watch_job(connect(login), request, settings, pace).is_sound:
        context.exit(FAILED)


@cryosparc.command()
@job_options
@login_options
@settings_options(TrainSettings)
@verbose_option
def train(*, request: Request, login: Login, settings: TrainSettings) -> None:
    """Train a model on the exposures of a CryoSPARC job, as an External job.

    A packaged model goes on learning from the micrographs of SOURCE, without clean
    images: best from accepted exposures with halves, which Patch Motion writes with
    "Output denoiser training data". The model lies in the folder of the job; its event
    log says whether that helped, and how to use it.
    """
    from cryosparc_jobs.client import connect  # noqa: PLC0415  as above
    from cryosparc_jobs.train import run_train_job  # noqa: PLC0415

    run_train_job(connect(login), request, settings)


@cryosparc.command(context_settings={"ignore_unknown_options": True})
@submit_options
@login_options
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@verbose_option
def submit(*, order: Order, login: Login, words: tuple[str, ...]) -> None:
    """Run `denoise` or `train` on a cluster, with the site's own TEMPLATE.

    TEMPLATE is the cluster_script.sh of a lane of CryoSPARC; COMMAND are the words that
    follow `cryoscore cryosparc`, after two dashes, and `denoise` may be left out. The
    job's card is made at once. Lanes cannot run External jobs: CryoSPARC will not show
    it as queued.
    """
    from cryosparc_jobs.submission import submit_job  # noqa: PLC0415  as above

    click.echo(submit_job(order, login, words))


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
