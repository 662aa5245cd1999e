"""A batch: from a project folder to denoised micrographs, a ledger and a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryoscore_plugin.batch.halves import wholes_of
from cryoscore_plugin.batch.inputs import table_formats
from cryoscore_plugin.batch.ledger import ledger_state, read_ledger
from cryoscore_plugin.batch.model import ModelFacts
from cryoscore_plugin.batch.monitor import JobMonitor, MicrographResult, MicrographTask
from cryoscore_plugin.batch.plan import mirror_outputs
from cryoscore_plugin.batch.projects import FoundProject, find_project
from cryoscore_plugin.batch.resume import Recipe, WorkList, sort_tasks
from cryoscore_plugin.batch.run_facts import run_facts
from cryoscore_plugin.batch.selection import Selection
from cryoscore_plugin.batch.work import Assignment, Engine, work_on
from cryoscore_plugin.settings import DenoiseSettings

_MOST_LOOKS = 5
"""How often a table is written anew because other runs went on meanwhile."""


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """What the user asked for.

    Attributes
    ----------
    project : Path
        The project folder, or a table.
    output : Path
        Folder of the outputs.
    settings : DenoiseSettings
        How to denoise.
    model : ModelFacts
        The model of the settings.
    table : Path or None
        The table to use instead of the one that would be found.
    selection : Selection
        Which micrographs to take.
    retry_failed : bool
        Whether to try again what failed before.
    command : str
        The command as it would be typed again.
    """

    project: Path
    output: Path
    settings: DenoiseSettings
    model: ModelFacts
    table: Path | None = None
    selection: Selection = field(default_factory=Selection)
    retry_failed: bool = False
    command: str = ""

    @property
    def recipe(self) -> Recipe:
        """What decides about pixels."""
        return Recipe(model=self.model.fingerprint, settings=self.settings)


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """What there is to do.

    Attributes
    ----------
    project : FoundProject
        What was found.
    everything : list[MicrographTask]
        All micrographs of the project.
    chosen : list[MicrographTask]
        Those that the user wants from this run.
    """

    project: FoundProject
    everything: list[MicrographTask]
    chosen: list[MicrographTask]


def plan_batch(request: BatchRequest) -> BatchPlan:
    """Look at the project and give each micrograph its output.

    Parameters
    ----------
    request : BatchRequest
        What the user asked for.

    Raises
    ------
    InputError
        If there is nothing to do, or an input would be overwritten.
    """
    project = find_project(request.project, request.output, table=request.table)
    found = project.micrographs
    whole = wholes_of(found) if request.settings.halves else found
    everything = mirror_outputs(whole, request.output)
    return BatchPlan(
        project=project,
        everything=everything,
        chosen=request.selection.choose(everything, request.output),
    )


def sorted_tasks(request: BatchRequest, tasks: Sequence[MicrographTask]) -> WorkList:
    """What is done and what is left, without doing it.

    Parameters
    ----------
    request : BatchRequest
        What the user asked for.
    tasks : Sequence[MicrographTask]
        Of the plan.

    Raises
    ------
    InputError
        If the ledger cannot be read.
    """
    return sort_tasks(
        tasks,
        read_ledger(request.output),
        request.recipe,
        output=request.output,
        retry_failed=request.retry_failed,
    )


def run_batch(
    request: BatchRequest,
    plan: BatchPlan,
    monitor: JobMonitor,
    engine: Engine,
    *,
    on_sorted: Callable[[WorkList], None] = lambda _work: None,
) -> list[MicrographResult]:
    """Denoise what is not finished of the chosen micrographs.

    Parameters
    ----------
    request : BatchRequest
        What the user asked for.
    plan : BatchPlan
        What there is to do.
    monitor : JobMonitor
        Is told of each micrograph that is worked on.
    engine : Engine
        Does the work.
    on_sorted : Callable
        Is told what is done and what is left, before the work.

    Returns
    -------
    results : list[MicrographResult]
        One for each chosen micrograph.

    Raises
    ------
    CryoScoreError
        As `work_on` says.
    """
    facts = run_facts(
        request.settings,
        request.model,
        command=request.command,
        project=plan.project.description,
    )
    assignment = Assignment(
        recipe=request.recipe,
        output=request.output,
        retry_failed=request.retry_failed,
        facts=facts | {"micrographs": len(plan.everything)},
        on_sorted=on_sorted,
    )
    return work_on(plan.chosen, assignment, monitor, engine)


def write_tables(request: BatchRequest, plan: BatchPlan) -> list[Path]:
    """Write the tables of all micrographs of the project that are finished.

    Parameters
    ----------
    request : BatchRequest
        What the user asked for.
    plan : BatchPlan
        What there was to do.

    Returns
    -------
    tables : list[Path]
        Those that were written; none for binned outputs, whose picks need scaling, and
        for a project without a table.

    Raises
    ------
    InputError
        If a table cannot be written.
    """
    written: list[Path] = []
    for _ in range(_MOST_LOOKS if not request.settings.write_binned else 0):
        state = ledger_state(request.output)
        outputs = _finished_outputs(request, plan)
        written = _write(request, plan.project, outputs)
        # Else another run has finished more meanwhile, and perhaps wrote before us.
        if ledger_state(request.output) == state:
            break
    return written


def _finished_outputs(request: BatchRequest, plan: BatchPlan) -> dict[Path, Path]:
    work = sort_tasks(
        plan.everything,
        read_ledger(request.output),
        Recipe(
            model=request.model.fingerprint,
            settings=request.settings.model_copy(update={"overwrite": False}),
        ),
        output=request.output,
    )
    return {result.task.source: result.task.output for result in work.finished}


def _write(
    request: BatchRequest, project: FoundProject, outputs: Mapping[Path, Path]
) -> list[Path]:
    # Without a table nobody knows voltage and aberration, which RELION wants in one.
    if not outputs or project.table is None:
        return []
    suffix = project.table.suffix.lower()
    target = request.output / f"{project.table.stem}_denoised{suffix}"
    format_ = table_formats()[suffix]
    root = None if project.root == Path() else project.root
    format_.write_denoised(project.table, target, outputs, root=root)
    return [target]
