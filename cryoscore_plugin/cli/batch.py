"""`cryoscore batch`: a project folder in, a folder of denoised micrographs out."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from cryoscore_plugin.batch.model import read_model_facts
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.batch.resume import WorkList, output_name
from cryoscore_plugin.batch.selection import Selection, Shard
from cryoscore_plugin.batch.session import (
    BatchPlan,
    BatchRequest,
    plan_batch,
    run_batch,
    sorted_tasks,
    write_tables,
)
from cryoscore_plugin.batch.watch import Pace, watch
from cryoscore_plugin.batch.work import Engine
from cryoscore_plugin.cli.batch_engine import chosen_engine
from cryoscore_plugin.cli.batch_options import Choices, batch_options
from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.guided_end import audit_guided, audit_passed, told
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.cli.progress import (
    ShellMonitor,
    picking_advice,
    tell_results,
    were,
)
from cryoscore_plugin.files import make_output_folder
from cryoscore_plugin.settings import DenoiseSettings

DEFAULT_OUTPUT = "cryoscore"
"""Name of the folder of outputs, in the project folder."""

_SHOWN = 5
"""How many lines of a plan a dry run shows."""


@click.command()
@batch_options
@settings_options(DenoiseSettings)
@verbose_option
@click.pass_context
def batch(
    context: click.Context, *, choices: Choices, settings: DenoiseSettings
) -> None:
    """Denoise the micrographs of a project.

    PROJECT is the folder of a RELION, CryoSPARC or Warp project, a folder with a
    micrographs.star, any folder of micrographs, or a table. The results go to one
    folder, by default `cryoscore` in the project, with the sub-folders of the project, a
    table to import, and a ledger. What is finished is not done again, whoever did it:
    the same command goes on where it was stopped, and runs on several computers at once
    share the work.

    Pick particles on the results, and extract them from the raw micrographs.
    """
    request = _request(context, choices, settings)
    if choices.dry_run:
        _show(request)
        return
    with chosen_engine(request, choices) as engine:
        work = _watch if choices.watch else _run_once
        failed = work(request, choices, engine)
    if failed:
        context.exit(FAILED)


def _request(
    context: click.Context, choices: Choices, settings: DenoiseSettings
) -> BatchRequest:
    inside = choices.project if choices.project.is_dir() else Path()
    return BatchRequest(
        project=choices.project,
        output=choices.output or inside / DEFAULT_OUTPUT,
        settings=settings,
        model=read_model_facts(settings.model),
        table=choices.in_mics,
        selection=Selection(
            include=choices.include,
            exclude=choices.exclude,
            shard=None if choices.shard is None else Shard.parse(choices.shard),
            limit=choices.limit,
        ),
        retry_failed=choices.retry_failed,
        command=command_again(context),
    )


def command_again(context: click.Context) -> str:
    """The command as the user would type it again.

    Parameters
    ----------
    context : click.Context
        Of the command that runs.
    """
    words = ["cryoscore", str(context.info_name)]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params.get(name)
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif value is False:
            words.append(parameter.secondary_opts[0])
        elif value is True:
            words.append(_longest(parameter.opts))
        else:
            for one in value if isinstance(value, tuple) else (value,):
                words += [_longest(parameter.opts), str(one)]
    return shlex.join(words)


def _longest(options: Sequence[str]) -> str:
    return max(options, key=len)


def _run_once(request: BatchRequest, choices: Choices, engine: Engine) -> bool:
    """Denoise what there is; return whether something failed."""
    began = time.monotonic()
    plan = plan_batch(request)
    click.echo(plan.project.description)
    make_output_folder(request.output)
    try:
        results = _work(request, plan, engine)
    except KeyboardInterrupt:
        click.echo("The same command goes on from here.", err=True)
        raise
    tables = write_tables(request, plan)
    if choices.report:
        _report(request)
    seconds = time.monotonic() - began
    tell_results(results, seconds=seconds, skipped="finished before or by another run")
    failed = [result for result in results if result.status == "failed"]
    if len(failed) < len(results):
        where = tables[0] if tables else request.output
        click.echo(picking_advice(where, binned=request.settings.write_binned))
    passed = audit_passed(results, request.settings, request.output)
    return bool(failed) or not passed


def _report(request: BatchRequest) -> None:
    """Write the report, if there is news for it."""
    from cryoscore_plugin.report.current import is_current  # noqa: PLC0415

    if is_current(request.output):
        return
    # The pictures bring torch: two seconds that a run without news saves.
    from cryoscore_plugin.report.batch_report import write_report  # noqa: PLC0415

    click.echo(f"Wrote {write_report(request.output)}.")


def _work(
    request: BatchRequest, plan: BatchPlan, engine: Engine
) -> list[MicrographResult]:
    # With its sub-folders: two days may have micrographs of one name.
    monitor = ShellMonitor(partial(output_name, output=request.output))
    try:
        return run_batch(request, plan, monitor, engine, on_sorted=_tell_sorted)
    finally:
        monitor.close()


def _watch(request: BatchRequest, choices: Choices, engine: Engine) -> bool:
    """Denoise what comes; return whether something failed."""
    make_output_folder(request.output)
    failures: dict[Path, str] = {}
    plans: list[BatchPlan] = []
    audits: list[bool] = []

    def find() -> list[MicrographTask]:
        plan = plan_batch(request)
        if not plans or plans[-1].project.table != plan.project.table:
            click.echo(plan.project.description)
        plans[:] = [plan]
        return plan.chosen

    def work(tasks: Sequence[MicrographTask]) -> None:
        plan = plans[-1]
        part = BatchPlan(
            project=plan.project, everything=plan.everything, chosen=list(tasks)
        )
        results = _work(request, part, engine)
        for result in results:
            failures.pop(result.task.source, None)
            if result.status == "failed":
                failures[result.task.source] = result.message
                click.echo(f"Failed: {result.message}", err=True)
        write_tables(request, plan)
        # Early, and once: who watches wants to know while there is time.
        if not audits:
            outcome = audit_guided(results, request.settings, request.output)
            audits.extend([told(outcome)] if outcome else [])

    idle = None if choices.idle_limit is None else 60 * choices.idle_limit
    pace = Pace(interval=choices.watch_interval, idle_limit=idle)
    try:
        with_halves = request.settings.halves
        watch(find, work, pace, tell=click.echo, with_halves=with_halves)
    finally:
        if choices.report and plans:
            _report(request)
    return bool(failures) or not all(audits)


def _tell_sorted(work: WorkList) -> None:
    parts = [f"{len(work.waiting)} to do"]
    if work.finished:
        parts.append(f"{were(len(work.finished))} finished before")
    if work.failed:
        parts.append(
            f"{len(work.failed)} failed before (--retry-failed tries them again)"
        )
    click.echo(", ".join(parts))


def _show(request: BatchRequest) -> None:
    """Say what would be done."""
    plan = plan_batch(request)
    click.echo(plan.project.description)
    work = sorted_tasks(request, plan.chosen)
    _tell_sorted(work)
    for task in work.waiting[:_SHOWN]:
        click.echo(f"  {task.source} -> {task.output}")
    if len(work.waiting) > _SHOWN:
        click.echo(f"  and {len(work.waiting) - _SHOWN} more")
    click.echo("Nothing was written: this was a dry run.")
