"""Make the card of a denoise or train job, and give its command to a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.settings import DenoiseSettings, TrainSettings
from cryosparc_jobs.checks import token_path
from cryosparc_jobs.client import Connection, connect
from cryosparc_jobs.denoise import prepare_job
from cryosparc_jobs.login import Login
from cryosparc_jobs.order import Order
from cryosparc_jobs.request import Request, denoise_options, job_options
from cryosparc_jobs.start import Start
from cryosparc_jobs.submit import (
    Place,
    Resources,
    command_line,
    rendered,
    submit,
    submit_template,
    variables,
)
from cryosparc_jobs.train import prepare_train_job


def submit_job(order: Order, login: Login, words: Sequence[str]) -> str:
    """Make the card of a job, write its script, and submit it.

    Parameters
    ----------
    order : Order
        What to ask the cluster for.
    login : Login
        Where CryoSPARC is, and who asks.
    words : Sequence[str]
        What follows `cryoscore cryosparc`; `denoise` may be left out.

    Returns
    -------
    sentence : str
        What was done.

    Raises
    ------
    CryoScoreError
        If the words, the template or the server cannot be used, or the cluster refuses.
    """
    verb, *rest = words if words[:1] and words[0] in _JOBS else ("denoise", *words)
    request, settings = _understood(verb, rest)
    send = (
        None
        if order.only_write
        else submit_template(order.template, order.submit_command)
    )
    connection = connect(login)
    _check_login_for_nodes(connection)
    start = _JOBS[verb].prepare(connection, request, settings)
    job = start.job
    more = () if request.job else ("--job", job.uid)
    command = ["cryosparc", verb, *rest, *more, "--url", login.url]
    place = Place(project=request.project, job=job.uid, folder=start.project.folder())
    script = _write(order, command_line(command), place)
    if send is None:
        return f"Wrote {script} for {request.project} {job.uid}. Submit it by hand."
    values = {"script_path_abs": str(script.absolute())}
    answer = submit(rendered(send, values, origin="The command that submits"))
    job.events.log(f"Submitted to the cluster: {answer or script.name}")
    return f"Submitted {script} for {request.project} {job.uid}. {answer}".strip()


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A command that a cluster may run: its words, and how its card is made."""

    options: Callable[[Any], Any]
    settings: type[BaseModel]
    prepare: Callable[..., Start]


_JOBS = {
    "denoise": _Job(
        options=denoise_options, settings=DenoiseSettings, prepare=prepare_job
    ),
    "train": _Job(
        options=job_options, settings=TrainSettings, prepare=prepare_train_job
    ),
}


def _understood(verb: str, words: Sequence[str]) -> tuple[Request, BaseModel]:
    """What the words of a command mean, before anything is made."""
    found: list[tuple[Request, BaseModel]] = []
    job = _JOBS[verb]

    @click.command(add_help_option=False)
    @job.options
    @settings_options(job.settings)
    def command(*, request: Request, settings: BaseModel) -> None:
        found.append((request, settings))

    try:
        command.main(
            list(words),
            standalone_mode=False,
            token_normalize_func=lambda token: token.replace("_", "-"),
        )
    except click.ClickException as error:
        msg = (
            f"What follows the two dashes should be the words of `cryoscore cryosparc "
            f"{verb}`, but: {error.format_message()} Options of the login stand before "
            "the dashes."
        )
        raise ConfigError(msg) from error
    return found[0]


def _check_login_for_nodes(connection: Connection) -> None:
    """See that a compute node can log in without a password.

    Raises
    ------
    InputError
        If no login is saved for this address.
    """
    if not connection.is_v5:
        return  # Version 4 knows passwords only; the README says what to do.
    url = connection.login.url
    try:
        saved = url in json.loads(token_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        saved = False
    if not saved:
        msg = (
            f"A saved login for {url} is wanted, because passwords are not given to a "
            "cluster, but there is none. Type: python -m cryosparc.tools login --url "
            f"{url}"
        )
        raise InputError(msg)


def _write(order: Order, command: str, place: Place) -> Path:
    resources = Resources(
        cpus=order.cpus, gpus=order.gpus, ram_gb=order.ram_gb, more=order.more
    )
    values = variables(command, place, resources)
    try:
        template = order.template.read_text(encoding="utf-8")
        text = rendered(template, values, origin=str(order.template))
        if command not in text:
            _refuse_template(order.template)
        order.script.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"Cannot write {order.script} from {order.template}: {error}."
        raise InputError(msg) from error
    return order.script


def _refuse_template(template: Path) -> None:
    msg = (
        f"{template} should hold {{{{ run_cmd }}}}, where the command goes, but does "
        "not. Give the cluster_script.sh of a lane of CryoSPARC."
    )
    raise ConfigError(msg)
