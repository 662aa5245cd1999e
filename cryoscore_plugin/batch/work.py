"""Work on a project until each micrograph is done, by this process or by another one.

Two runs on one project, on one computer or on several, share the work: each takes
micrographs that nobody has (`batch.claims`), and at the end waits for those that others
are at, or takes them over if the others died.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from cryoscore_plugin.batch.claims import Claims
from cryoscore_plugin.batch.ledger import LedgerFile, read_ledger
from cryoscore_plugin.batch.monitor import (
    Gate,
    JobMonitor,
    MicrographResult,
    MicrographTask,
)
from cryoscore_plugin.batch.recorder import Recorder
from cryoscore_plugin.batch.resume import Recipe, WorkList, sort_tasks
from cryoscore_plugin.batch.uncertainty import files_of
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import remove_leftovers

PAUSE = 2.0
"""Between two looks at what other runs are at, in s."""


@runtime_checkable  # The shape checks of the tests look at arguments.
class Engine(Protocol):
    """Denoises tasks somewhere: in this process, or on a cluster."""

    def __call__(
        self, tasks: Sequence[MicrographTask], monitor: JobMonitor, gate: Gate
    ) -> list[MicrographResult]:
        """Results of the tasks that the gate let through."""
        ...


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a process is asked to do with the micrographs of a project.

    Attributes
    ----------
    recipe : Recipe
        How micrographs are denoised.
    output : Path
        Folder of the outputs.
    retry_failed : bool
        Whether to try again what failed before.
    facts : Mapping[str, Any]
        For the ledger: the command, the project, the model.
    on_sorted : Callable
        Is told what is done and what is left, before the work.
    """

    recipe: Recipe
    output: Path
    retry_failed: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    on_sorted: Callable[[WorkList], None] = lambda _work: None


def work_on(
    tasks: Sequence[MicrographTask],
    assignment: Assignment,
    monitor: JobMonitor,
    engine: Engine,
) -> list[MicrographResult]:
    """Denoise what is not finished, and write the ledger.

    Parameters
    ----------
    tasks : Sequence[MicrographTask]
        All that shall be done at the end.
    assignment : Assignment
        How, and where the ledger is.
    monitor : JobMonitor
        Is told of each micrograph that this process works on. May ask to stop.
    engine : Engine
        Does the work; not called if nothing is left.

    Returns
    -------
    results : list[MicrographResult]
        One for each task, in their order; "skipped" also what another run did.

    Raises
    ------
    InputError
        If the ledger cannot be written.
    JobAbortedError
        If the monitor asked to stop.
    ConfigError, CheckpointError, DeviceError
        If a setting, the model or a device cannot be used.
    """
    # Of finished ones as well: what was killed may have been another run's second try.
    remove_leftovers(files_of(tasks))
    work = _sorted(tasks, assignment, retry_failed=assignment.retry_failed)
    assignment.on_sorted(work)
    results = _by_task([*work.finished, *work.failed])
    if work.waiting or work.renewed:
        with LedgerFile(assignment.output) as ledger, Claims(ledger) as claims:
            ledger.add_run(assignment.facts)
            for entry in work.renewed:
                ledger.add(entry)
            recorder = Recorder(
                ledger,
                claims,
                assignment.recipe,
                output=assignment.output,
                monitor=monitor,
            )
            with recorder:
                results |= _share(work.waiting, assignment, recorder, engine)
        _refuse_lost_lines(ledger)
    return [results[task] for task in tasks if task in results]


def _share(
    waiting: Sequence[MicrographTask],
    assignment: Assignment,
    recorder: Recorder,
    engine: Engine,
) -> dict[MicrographTask, MicrographResult]:
    """Work until all is done by us or by others."""
    results: dict[MicrographTask, MicrographResult] = {}
    while waiting:
        done = _by_task(engine(waiting, recorder, recorder))
        results |= done
        elsewhere = [task for task in waiting if task not in done]
        if not elsewhere:
            break
        time.sleep(PAUSE)
        work = _sorted(elsewhere, assignment, retry_failed=False)
        results |= _by_task([*work.finished, *work.failed])
        waiting = work.waiting
    return results


def _sorted(
    tasks: Sequence[MicrographTask], assignment: Assignment, *, retry_failed: bool
) -> WorkList:
    return sort_tasks(
        tasks,
        read_ledger(assignment.output),
        assignment.recipe,
        output=assignment.output,
        retry_failed=retry_failed,
    )


def _by_task(
    results: Sequence[MicrographResult],
) -> dict[MicrographTask, MicrographResult]:
    return {result.task: result for result in results}


def _refuse_lost_lines(ledger: LedgerFile) -> None:
    if ledger.lost:
        msg = (
            f"{ledger.lost} lines of {ledger.path} could not be written, because the "
            "disk is full. Make room; the same command then goes on from here."
        )
        raise InputError(msg)
