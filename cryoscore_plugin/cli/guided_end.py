"""The short audit at the end of a guided run: of one micrograph, in `audit/`.

Guided is also what a model denoises that a reference guided in its training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.cli.audit import PASSED, AuditOutcome, audit_task, is_guided
from cryoscore_plugin.settings import DenoiseSettings

AUDIT_FOLDER = "audit"
"""Where the figures go, below the folder of the outputs."""


def audit_passed(
    results: Sequence[MicrographResult], settings: DenoiseSettings, output: Path
) -> bool:
    """Audit a guided run and say what was found; true where nothing is to be audited.

    Parameters
    ----------
    results, settings, output
        As for `audit_guided`.

    Raises
    ------
    CryoScoreError
        As `audit_guided` says.
    """
    outcome = audit_guided(results, settings, output)
    return outcome is None or told(outcome)


def told(outcome: AuditOutcome) -> bool:
    """Say what an audit found; whether it passed."""
    click.echo(outcome.verdict, err=not outcome.passed)
    return outcome.passed


def audit_guided(
    results: Sequence[MicrographResult], settings: DenoiseSettings, output: Path
) -> AuditOutcome | None:
    """Audit the first micrograph that was guided now.

    Where nothing is new, the first of all is audited if the run before did not come to
    its audit, or failed it.

    Parameters
    ----------
    results : Sequence[MicrographResult]
        What became of each micrograph.
    settings : DenoiseSettings
        How they were denoised.
    output : Path
        Folder of the outputs.

    Returns
    -------
    outcome : AuditOutcome or None
        None where there is nothing to audit; its verdict names the micrograph.

    Raises
    ------
    CryoScoreError
        If the audit cannot be made or written.
    """
    if not is_guided(settings):
        return None
    done = [
        result
        for result in results
        if result.status != "failed" and result.task.output.suffix != ".mrcs"
    ]
    new = [result for result in done if result.status == "denoised"]
    folder = output / AUDIT_FOLDER
    if not new and _has_passed(folder / "audit.json"):
        return None
    for result in (new or done)[:1]:
        outcome = audit_task(result.task, settings, folder)
        words = f"Audit of {result.task.source}: {outcome.verdict}"
        return replace(outcome, verdict=words)
    return None


def _has_passed(record: Path) -> bool:
    """Whether an earlier audit found nothing beyond the limit."""
    try:
        [summary, *_] = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(summary.get("result") == PASSED)
