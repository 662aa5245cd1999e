"""The report on a job of another program: the page of a batch, from its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from cryoscore_plugin.batch.ledger import LedgerEntry
from cryoscore_plugin.batch.model import read_model_facts
from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.batch.resume import Recipe, output_name, stamp
from cryoscore_plugin.batch.run_facts import run_facts
from cryoscore_plugin.files import absolute
from cryoscore_plugin.report.batch_report import write_files
from cryoscore_plugin.settings import DenoiseSettings

PICTURES = 10
"""How many micrographs are pictured; each is read again, raw and denoised."""


def write_job_report(
    folder: Path,
    results: Sequence[MicrographResult],
    settings: DenoiseSettings,
    *,
    command: str,
    project: str,
) -> Path:
    """Write `report.html`, `report.csv` and `report.json` about a job.

    Parameters
    ----------
    folder : Path
        Folder of the job, in which the outputs are and the files go.
    results : Sequence[MicrographResult]
        What became of each micrograph; at least one.
    settings : DenoiseSettings
        How they were denoised.
    command : str
        The command as it would be typed again, in the current folder.
    project : str
        Where the micrographs are from, in words.

    Returns
    -------
    page : Path
        The HTML file.

    Raises
    ------
    InputError
        If a file cannot be written.
    CheckpointError
        If the model cannot be read any more.
    """
    model = read_model_facts(settings.model)
    recipe = Recipe(model=model.fingerprint, settings=settings)
    run = run_facts(settings, model, command=command, project=project)
    entries = [_entry(result, recipe.key, folder) for result in results]
    return write_files(folder, entries, [run], pictures=PICTURES)


def _entry(result: MicrographResult, recipe: str, folder: Path) -> LedgerEntry:
    """The line that a batch would have in its ledger."""
    task, failed = result.task, result.status == "failed"
    return LedgerEntry(
        output=output_name(task, folder),
        source=str(absolute(task.source)),
        status="failed" if failed else "denoised",
        recipe=recipe,
        pixel_size=task.pixel_size,
        input=stamp(task.source),
        written=None if failed else stamp(task.output),
        # To find that nothing is to be done takes no time worth telling.
        seconds=0.0 if result.status == "skipped" else round(result.seconds, 4),
        message=result.message,
        passing=result.passing,
        warnings=list(result.warnings),
        quality={
            name: value
            for name, value in result.quality.items()
            if math.isfinite(value)
        },
    )
