"""What of a project is done, what failed, and what is left to do.

An output is valid if

- the ledger has a line for it with the recipe of this run: version of the program,
  hash of the model, settings that change pixels, and the pixel size of the table, with
  guidance also its optics;
- its input, with its halves if they are wanted, is what it was: size and time stamp, or,
  if only the time stamp differs (a file was copied or touched), the same hash of the
  bytes;
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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.finished import is_finished, pixel_settings
from cryoscore_plugin.batch.halves import halves_of
from cryoscore_plugin.batch.ledger import LedgerContents, LedgerEntry
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.batch.uncertainty import has_uncertainty
from cryoscore_plugin.settings import DenoiseSettings


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides about an output but its micrograph.

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
        return _short_hash(facts)

    def files_of(self, task: MicrographTask) -> tuple[Path, ...]:
        """The files that an output is made of: the micrograph, and halves if wanted.

        Parameters
        ----------
        task : MicrographTask
            The task.
        """
        if not self.settings.halves:
            return (task.source,)
        return (task.source, *(half for half in halves_of(task) if half.exists()))


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
    own_key = recipe.key
    for task in tasks:
        # As text, because paths are slow and there may be a hundred thousand.
        name = output_name(task, output)
        key = key_with_optics(own_key, task, recipe.settings)
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
            files = recipe.files_of(task)
            _sort_one(task, files, entries, work, retry_failed=retry_failed)
    return work


def key_with_optics(key: str, task: MicrographTask, settings: DenoiseSettings) -> str:
    """The key of a recipe for one micrograph, whose optics count where guidance is on.

    Parameters
    ----------
    key : str
        Of the recipe.
    task : MicrographTask
        The micrograph.
    settings : DenoiseSettings
        Of the recipe.
    """
    if not settings.guidance or task.optics is None:
        return key
    return _short_hash([key, asdict(task.optics)])


def _short_hash(facts: object) -> str:
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


def stamp(*paths: Path) -> list[int] | None:
    """Size in bytes and time stamp in ns of each file; None if one is not there.

    Parameters
    ----------
    *paths : Path
        The files.
    """
    try:
        # os.stat takes a third of the time of Path.stat.
        states = [os.stat(path) for path in paths]  # noqa: PTH116
    except OSError:
        return None
    return [number for one in states for number in (one.st_size, one.st_mtime_ns)]


def hash_of(*paths: Path) -> str:
    """SHA-256 of the bytes of files, one after the other; empty if one cannot be read.

    Parameters
    ----------
    *paths : Path
        The files.
    """
    digest = hashlib.sha256()
    try:
        for path in paths:
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
    except OSError:
        return ""
    return digest.hexdigest()


def _sort_one(
    task: MicrographTask,
    files: tuple[Path, ...],
    entries: list[LedgerEntry],
    work: WorkList,
    *,
    retry_failed: bool,
) -> None:
    """Put a task into one of the lists, by its entries, the newest first."""
    now = stamp(*files)
    done = [entry for entry in entries if entry.status == "denoised"]
    for entry in done:
        if _is_same_output(task.output, entry) and _is_same_input(files, now, entry):
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
    files: tuple[Path, ...], now: list[int] | None, entry: LedgerEntry
) -> bool:
    if now is None or entry.input is None:
        return False
    if now == entry.input:
        return True
    same_sizes = now[::2] == entry.input[::2]
    return same_sizes and entry.sha256 != "" and hash_of(*files) == entry.sha256


def _is_whole(path: Path, entry: LedgerEntry, settings: DenoiseSettings) -> bool:
    """Whether an output, if there is one, has its uncertainty, if that is wanted."""
    return entry.status != "denoised" or has_uncertainty(path, entry.label, settings)


def _is_same_output(path: Path, entry: LedgerEntry) -> bool:
    now = stamp(path)
    if now is None:
        return False
    # The computer that wrote it and this one may see different time stamps.
    return now == entry.written or is_finished(path, entry.label)
