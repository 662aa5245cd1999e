"""The report on a batch: a page for people, a CSV and a JSON file for programs.

All three are made from the ledger, so they tell of what all runs on the outputs did,
and can be made at any time.
"""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryoscore_plugin.batch.ledger import LedgerEntry, read_ledger
from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.batch_page import BatchPage, page_text
from cryoscore_plugin.report.choice import (
    MOST_PICTURES,
    UNLIKE_FROM,
    distances,
    furthest_numbers,
    spread_evenly,
)
from cryoscore_plugin.report.current import REPORT, ledger_mark
from cryoscore_plugin.report.previews import can_draw, preview_of


@dataclass(frozen=True, kw_only=True)
class ReportedMicrograph:
    """One row of a report.

    Attributes
    ----------
    entry : LedgerEntry
        What became of it.
    distance : float
        From the others, in robust standard deviations (`choice.distances`).
    differs_in : str
        The number that is so far from the others'; empty if it has none.
    """

    entry: LedgerEntry
    distance: float
    differs_in: str

    @property
    def unlike(self) -> bool:
        """Whether it is unlike the rest."""
        return self.distance > UNLIKE_FROM


def write_report(output: Path, *, pictures: int = MOST_PICTURES) -> Path:
    """Write the report on the outputs of a batch.

    Parameters
    ----------
    output : Path
        Folder of the outputs; the files go into it.
    pictures : int
        How many micrographs to picture at most: half of them the ones unlike the
        rest, the others spread over the session. Without Pillow there are none.

    Returns
    -------
    page : Path
        The HTML file.

    Raises
    ------
    InputError
        If there is no ledger, or a file cannot be written.
    """
    mark = ledger_mark(output)  # Before it is read: it may grow meanwhile.
    contents = read_ledger(output)
    entries = contents.latest()
    if not entries:
        msg = (
            f"{output} should be the folder of outputs of `cryoscore batch`, but has no "
            "ledger with micrographs in it. Give another folder."
        )
        raise InputError(msg)
    return write_files(output, entries, contents.runs, mark=mark, pictures=pictures)


def write_files(
    output: Path,
    entries: Sequence[LedgerEntry],
    runs: Sequence[Mapping[str, Any]],
    *,
    mark: str = "",
    pictures: int = MOST_PICTURES,
) -> Path:
    """Write the page, the CSV and the JSON file about these entries.

    Parameters
    ----------
    output : Path
        Folder of the outputs; the files go into it.
    entries : Sequence[LedgerEntry]
        One for each micrograph; at least one.
    runs : Sequence[Mapping[str, Any]]
        What was asked for, oldest first.
    mark : str
        Which state of a ledger they are from; empty where there is none.
    pictures : int
        As for `write_report`.

    Returns
    -------
    page : Path
        The HTML file.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    rows = _rows(entries)
    page = BatchPage(
        mark=mark,
        folder=str(output),
        run=runs[-1] if runs else {},
        summary=_summary(rows),
        rows=[_for_page(row) for row in rows],
        previews=_previews(rows, output, pictures) if can_draw() else {},
    )
    _write(output / f"{REPORT}.csv", _csv(rows))
    facts = {"summary": page.summary, "runs": runs, "micrographs": page.rows}
    _write(output / f"{REPORT}.json", json.dumps(facts, ensure_ascii=False, indent=1))
    _write(output / f"{REPORT}.html", page_text(page))
    return output / f"{REPORT}.html"


def _rows(entries: Sequence[LedgerEntry]) -> list[ReportedMicrograph]:
    qualities = [entry.quality for entry in entries]
    found, names = distances(qualities), furthest_numbers(qualities)
    return [
        ReportedMicrograph(
            entry=entry,
            distance=distance if entry.status == "denoised" else 0.0,
            differs_in=name,
        )
        for entry, distance, name in zip(entries, found, names, strict=True)
    ]


def _summary(rows: Sequence[ReportedMicrograph]) -> dict[str, Any]:
    done = [row.entry for row in rows if row.entry.status == "denoised"]
    seconds = [entry.seconds for entry in done if entry.seconds > 0]
    times = [row.entry.time for row in rows]
    return {
        "micrographs": len(rows),
        "denoised": len(done),
        "failed": len(rows) - len(done),
        "unlike_the_rest": sum(row.unlike for row in rows),
        "with_warnings": sum(bool(entry.warnings) for entry in done),
        "median_seconds": round(statistics.median(seconds), 4) if seconds else None,
        "first_time": min(times),
        "last_time": max(times),
    }


def _for_page(row: ReportedMicrograph) -> dict[str, Any]:
    entry = row.entry
    return {
        "name": entry.output,
        "source": entry.source,
        "status": entry.status,
        "unlike": row.unlike,
        "distance": round(row.distance, 3),
        "differs_in": row.differs_in,
        "seconds": entry.seconds,
        "quality": {name: float(f"{v:.6g}") for name, v in entry.quality.items()},
        "warnings": list(entry.warnings),
        "message": entry.message,
    }


def _previews(
    rows: Sequence[ReportedMicrograph], output: Path, count: int
) -> dict[str, Any]:
    """Pictures by name, those first that should be looked at first."""
    done = [row for row in rows if row.entry.status == "denoised"]
    unlike = sorted((row for row in done if row.unlike), key=lambda row: -row.distance)
    first = unlike[: count // 2]
    rest = [row for row in done if row not in first]
    spread = [rest[index] for index in spread_evenly(len(rest), count - len(first))]
    previews = {}
    for row in [*first, *spread]:
        try:
            previews[row.entry.output] = preview_of(row.entry, output)
        except MicrographError:
            continue  # Moved away since; the table still has it.
    return previews


def _csv(rows: Sequence[ReportedMicrograph]) -> str:
    numbers = sorted({name for row in rows for name in row.entry.quality})
    file = io.StringIO()
    plain = ("output", "source", "status", "seconds", "message", "sha256", "recipe")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*plain, "warnings", "distance", *numbers])
    for row in rows:
        values = asdict(row.entry)
        writer.writerow(
            [values[name] for name in plain]
            + [" ".join(row.entry.warnings), f"{row.distance:.3f}"]
            + [
                f"{row.entry.quality[n]:.6g}" if n in row.entry.quality else ""
                for n in numbers
            ]
        )
    return file.getvalue()


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as temporary:
            # The bytes of a name need not be UTF-8; JSON reads such a name back.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        msg = f"Cannot write {path}: {error.strerror or error}. Check space and rights."
        raise InputError(msg) from error
