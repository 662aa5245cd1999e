"""What of a project is done, what failed, and what is left to do.

An output is valid if

- the ledger has a line for it with the recipe of this run: version of the program,
  hash of the model, settings that change pixels, and the pixel size of the table;
- its input is what it was: size and time stamp, or, if only the time stamp differs
  (the file was copied or touched), the same hash of its bytes;
- the file is there and is the one that was written: size and time stamp, or the
  fingerprint in its header; and so is its uncertainty, if that is wanted.

A micrograph that failed is left alone while recipe and input are the same, unless the
cause may have passed, such as a full disk, or the user asks for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.finished import is_finished, pixel_settings
from cryoscore_plugin.batch.ledger import LedgerContents, LedgerEntry
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.batch.uncertainty import has_uncertainty
from cryoscore_plugin.settings import DenoiseSettings


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides about the pixels of an output but its input.

    Attributes
    ----------
    model : str
        Name and hash of the model.
    settings : DenoiseSettings
        How micrographs are denoised.
    """

    model: str
    settings: DenoiseSettings

    @property
    def key(self) -> str:
        """A short hash of it."""
        facts = [__version__, self.model, pixel_settings(self.settings)]
        text = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class WorkList:
    """Tasks by what is to be done with them.

    Attributes
    ----------
    finished : list[MicrographResult]
        Valid outputs, with status "skipped".
    failed : list[MicrographResult]
        Those that failed before, and would fail again.
    waiting : list[MicrographTask]
        What is left to do.
    renewed : list[LedgerEntry]
        Lines to add, for inputs that have a new time stamp and the same bytes.
    """

    finished: list[MicrographResult] = field(default_factory=list)
    failed: list[MicrographResult] = field(default_factory=list)
    waiting: list[MicrographTask] = field(default_factory=list)
    renewed: list[LedgerEntry] = field(default_factory=list)


def sort_tasks(
    tasks: Iterable[MicrographTask],
    ledger: LedgerContents,
    recipe: Recipe,
    *,
    output: Path,
    retry_failed: bool = False,
) -> WorkList:
    """Find out what is left to do.

    Parameters
    ----------
    tasks : Iterable[MicrographTask]
        What was asked for.
    ledger : LedgerContents
        What was done.
    recipe : Recipe
        How it shall be done now.
    output : Path
        Folder of the outputs.
    retry_failed : bool
        Whether to try again what failed.
    """
    work = WorkList()
    key = recipe.key
    for task in tasks:
        # As text, because paths are slow and there may be a hundred thousand.
        name = output_name(task, output)
        entries = [
            entry
            for entry in reversed(ledger.entries.get(name, []))
            if entry.recipe == key
            and entry.pixel_size == task.pixel_size
            and _is_whole(task.output, entry, recipe.settings)
        ]
        if recipe.settings.overwrite or not entries:
            work.waiting.append(task)
        else:
            _sort_one(task, entries, work, retry_failed=retry_failed)
    return work


def output_name(task: MicrographTask, output: Path) -> str:
    """The name of an output in the ledger: its place below the folder of outputs.

    Parameters
    ----------
    task : MicrographTask
        The task.
    output : Path
        Folder of the outputs.
    """
    return str(task.output).removeprefix(f"{output}/")


def stamp(path: Path) -> list[int] | None:
    """Size in bytes and time stamp in ns of a file; None if it is not there.

    Parameters
    ----------
    path : Path
        The file.
    """
    try:
        state = os.stat(path)  # noqa: PTH116  a third of the time of Path.stat
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def hash_of(path: Path) -> str:
    """SHA-256 of the bytes of a file; empty if it cannot be read.

    Parameters
    ----------
    path : Path
        The file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _sort_one(
    task: MicrographTask,
    entries: list[LedgerEntry],
    work: WorkList,
    *,
    retry_failed: bool,
) -> None:
    """Put a task into one of the lists, by its entries, the newest first."""
    now = stamp(task.source)
    done = [entry for entry in entries if entry.status == "denoised"]
    for entry in done:
        if _is_same_output(task.output, entry) and _is_same_input(task, now, entry):
            if entry.input != now:
                work.renewed.append(replace(entry, input=now, time=time.time()))
            work.finished.append(
                MicrographResult(task=task, status="skipped", quality=entry.quality)
            )
            return
    newest = entries[0]
    lasting = newest.status == "failed" and not newest.passing
    if lasting and not retry_failed and newest.input == now:
        work.failed.append(
            MicrographResult(task=task, status="failed", message=newest.message)
        )
    else:
        work.waiting.append(task)


def _is_same_input(
    task: MicrographTask, now: list[int] | None, entry: LedgerEntry
) -> bool:
    if now is None or entry.input is None:
        return False
    if now == entry.input:
        return True
    same_size = now[0] == entry.input[0]
    return same_size and entry.sha256 != "" and hash_of(task.source) == entry.sha256


def _is_whole(path: Path, entry: LedgerEntry, settings: DenoiseSettings) -> bool:
    """Whether an output, if there is one, has its uncertainty, if that is wanted."""
    return entry.status != "denoised" or has_uncertainty(path, entry.label, settings)


def _is_same_output(path: Path, entry: LedgerEntry) -> bool:
    now = stamp(path)
    if now is None:
        return False
    # The computer that wrote it and this one may see different time stamps.
    return now == entry.written or is_finished(path, entry.label)
