"""Which dataset of a CryoSPARC project lists the micrographs to denoise.

A project has a folder for each job, such as `J42`, with `job.json`, which tells kind and
status, and the outputs as `.cs` files. What a user exported lies below `exports`. The
dataset wanted is that of the latest job that corrected motion, estimated the CTF or
curated exposures; a project that starts with micrographs has only that of their import.
A job that failed or was killed does not count. Exports count where no job does, and in a
folder that is nothing but an export.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from cryoscore_plugin.batch.projects import ProjectTable
from cryoscore_plugin.errors import InputError

_KINDS = re.compile(r"motion_correction|ctf|curate_exposures|import_micrographs")
"""In the type of a job whose output may be micrographs."""

_IMPORT = "import_micrographs"
"""Type of the job that counts only if nothing else does."""

_BROKEN = {"failed", "killed"}
"""Statuses of jobs that did not finish."""

_LEFT_OUT = re.compile(r"rejected|incomplete|failed|uncategorized")
"""In the name of an output that holds what the user does not want."""

_EXPORTS = (
    "*_exported.cs",
    "exports/groups/*/*_exported.cs",
    "exports/jobs/*/*/*_exported.cs",
)
"""Where exports lie: of an output, and of a job."""


def find_project_dataset(folder: Path) -> ProjectTable | None:
    """The latest dataset of micrographs of a CryoSPARC project; None if it is none.

    Parameters
    ----------
    folder : Path
        The folder that might be a CryoSPARC project, or an export.

    Raises
    ------
    InputError
        If it is a project without such a dataset.
    """
    jobs = [path.parent for path in folder.glob("J*/job.json")]
    exports = [path for pattern in _EXPORTS for path in folder.glob(pattern)]
    by_rank = {rank: job for job in jobs if (rank := _rank(job)) is not None}
    outputs = [sorted(by_rank[rank].glob("*.cs")) for rank in sorted(by_rank)[::-1]]
    outputs += [[path] for path in sorted(exports, key=_time, reverse=True)]
    for datasets in outputs:
        if (found := _largest(datasets)) is not None:
            return ProjectTable(kind="CryoSPARC project", table=found)
    if not jobs:
        return None
    msg = (
        f"{folder} is a CryoSPARC project, but no finished job that corrected motion, "
        "estimated the CTF, curated exposures or imported micrographs has a dataset of "
        "them. Run one, or give a .cs file with --in-mics."
    )
    raise InputError(msg)


def _rank(job: Path) -> tuple[bool, int] | None:
    """How late a job comes, imports first; None if its outputs are of no use."""
    number = re.fullmatch(r"J(\d+)", job.name)
    try:
        facts = json.loads((job / "job.json").read_text(encoding="utf-8"))
        # CryoSPARC 4 has one list of facts, CryoSPARC 5 a part of it in `spec`.
        kind = str(facts.get("job_type") or facts.get("spec", facts).get("type"))
        broken = facts.get("status") in _BROKEN
    except (OSError, ValueError, AttributeError):
        return None
    if number is None or broken or not _KINDS.search(kind):
        return None
    return kind != _IMPORT, int(number[1])


def _time(path: Path) -> float:
    return path.stat().st_mtime


def _largest(datasets: list[Path]) -> Path | None:
    """The dataset with most micrographs; what the job made before what it passed on."""
    # The client takes half a second, which other folders shall not cost.
    from cryosparc_jobs.cs_table import CsTable  # noqa: PLC0415

    counts: dict[Path, int] = {}
    for path in sorted(datasets, key=lambda path: "_passthrough_" in path.name):
        if not _LEFT_OUT.search(path.stem):
            with suppress(InputError):  # It holds something else.
                counts[path] = len(CsTable.read(path))
    return max(counts, key=lambda path: counts[path], default=None)
