"""What a finished denoise job says about itself, read back from its folder.

The CCP-EM Pipeliner asks for results and metadata when a user opens a job, which may
be long after it ran, and on another computer. So they come from what the job wrote:
its tables, and the header of an output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.mrc import read_labels
from relion_wrappers.micrographs_star import (
    DENOISED_TABLE,
    FAILED_TABLE,
    RAW_NAME,
    read_micrographs,
)
from relion_wrappers.quality_columns import QUALITY_COLUMNS

QUALITY_IN_WORDS = {
    "noise_level": "Noise level (grey values)",
    "signal_to_noise": "Power kept / removed, 250 to 20 Å",
    "residual_whiteness": "Whiteness of what was removed",
    "half_correlation": "Denoised even frames against odd ones, 250 to 20 Å",
}
"""What a user reads, by our name of the number."""


@dataclass(frozen=True, kw_only=True)
class JobResults:
    """What a denoise job has made.

    Attributes
    ----------
    raw, denoised : tuple[str, ...]
        Micrographs before and after, as RELION names them, in one order.
    qualities : tuple[dict[str, float], ...]
        Numbers of each by our name, as far as the table has them.
    failed : int
        How many micrographs failed.
    """

    raw: tuple[str, ...]
    denoised: tuple[str, ...]
    qualities: tuple[dict[str, float], ...]
    failed: int


def read_results(folder: Path) -> JobResults:
    """Read what a job has made; nothing, if it has written no table yet.

    Parameters
    ----------
    folder : Path
        Folder of the job; the current folder is the project.

    Raises
    ------
    InputError
        If a table is there and cannot be read.
    """
    failed = _rows(folder / FAILED_TABLE)
    if not (folder / DENOISED_TABLE).exists():
        return JobResults(raw=(), denoised=(), qualities=(), failed=failed)
    micrographs = read_micrographs(folder / DENOISED_TABLE)
    table = micrographs.table
    columns = {
        name: [_number(value) for value in table[label]]
        for name, label in QUALITY_COLUMNS.items()
        if label in table
    }
    return JobResults(
        raw=tuple(str(name) for name in table[RAW_NAME]),
        denoised=micrographs.names,
        qualities=tuple(
            {
                name: values[row]
                for name, values in columns.items()
                if math.isfinite(values[row])
            }
            for row in range(len(table))
        ),
        failed=failed,
    )


def metadata_of(results: JobResults) -> dict[str, int | float | str]:
    """Facts about a job for a metadata report.

    Parameters
    ----------
    results : JobResults
        What the job has made.

    Returns
    -------
    metadata : dict[str, int or float or str]
        Counts, the median of each number, and version and model as the first output
        names them.
    """
    metadata: dict[str, int | float | str] = {
        "MicrographsDenoised": len(results.denoised),
        "MicrographsFailed": results.failed,
    }
    for name in QUALITY_COLUMNS:
        if values := [one[name] for one in results.qualities if name in one]:
            words = "".join(part.capitalize() for part in name.split("_"))
            metadata[f"Median{words}"] = median(values)
    if described := _description(results.denoised[:1]):
        metadata["DenoisedBy"] = described
    return metadata


def _rows(table: Path) -> int:
    return len(read_micrographs(table).names) if table.exists() else 0


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError as error:
        msg = (
            f"A number is expected in the columns {', '.join(QUALITY_COLUMNS.values())}"
            f" of {DENOISED_TABLE}, but there is {text!r}. Run the job again."
        )
        raise InputError(msg) from error


def _description(outputs: Sequence[str]) -> str:
    """Version and model, from the first label of an output."""
    for output in outputs:
        # Moved or deleted since: the rest of the report is still worth having.
        with suppress(MicrographError):
            return next(iter(read_labels(Path(output))), "")
    return ""
