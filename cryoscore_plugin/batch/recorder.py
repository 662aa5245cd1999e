"""Writes into the ledger what becomes of each micrograph, beside the work itself.

Looking at the output and hashing the input take a thread of their own, so that the
devices do not wait for them.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from cryoscore_plugin.batch.claims import Claims
from cryoscore_plugin.batch.finished import fingerprint_label
from cryoscore_plugin.batch.ledger import LedgerEntry, LedgerFile
from cryoscore_plugin.batch.monitor import JobMonitor, MicrographResult, MicrographTask
from cryoscore_plugin.batch.resume import (
    Recipe,
    hash_of,
    key_with_optics,
    output_name,
    stamp,
)
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.files import absolute
from cryoscore_plugin.mrc import read_labels

_MOST_WAITING = 16
"""Results that may wait for the ledger, before the work waits for it."""


class Recorder:
    """A gate and a monitor of a run, in front of the monitor of the user: a context.

    Parameters
    ----------
    ledger : LedgerFile
        Where to write; open for as long as this context.
    claims : Claims
        Which micrographs are ours.
    recipe : Recipe
        How micrographs are denoised.
    output : Path
        Folder of the outputs.
    monitor : JobMonitor
        Is told what this one is told.
    """

    def __init__(
        self,
        ledger: LedgerFile,
        claims: Claims,
        recipe: Recipe,
        *,
        output: Path,
        monitor: JobMonitor,
    ) -> None:
        self._ledger = ledger
        self._claims = claims
        self._recipe = recipe
        self._key = recipe.key
        self._output = output
        self._monitor = monitor
        self._inputs: dict[MicrographTask, list[int] | None] = {}
        self._thread = ThreadPoolExecutor(1)
        self._room = threading.BoundedSemaphore(_MOST_WAITING)
        self._last: Future[None] | None = None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
        if self._last is not None and error is None:
            self._last.result()

    def take(self, task: MicrographTask) -> bool:
        """Claim a micrograph, and note what its input is now."""
        if not self._claims.take(output_name(task, self._output)):
            return False
        self._inputs[task] = stamp(*self._recipe.files_of(task))
        return True

    def on_start(self, description: str, *, total: int) -> None:
        """Pass it on."""
        self._monitor.on_start(description, total=total)

    def on_result(self, result: MicrographResult, *, done: int, total: int) -> None:
        """Write a line soon, and pass it on."""
        self._room.acquire()
        self._last = self._thread.submit(self._record, result)
        self._monitor.on_result(result, done=done, total=total)

    def abort_requested(self) -> bool:
        """Whether the user asks to stop."""
        return self._monitor.abort_requested()

    def _record(self, result: MicrographResult) -> None:
        try:
            self._ledger.add(self._entry(result))
        finally:
            self._claims.give_back(output_name(result.task, self._output))
            self._room.release()

    def _entry(self, result: MicrographResult) -> LedgerEntry:
        task = result.task
        before = self._inputs.pop(task, None)
        failed = result.status == "failed"
        files = self._recipe.files_of(task)
        digest = hash_of(*files)
        # If one changed meanwhile, the hash may be that of other bytes.
        unchanged = before is not None and stamp(*files) == before
        return LedgerEntry(
            output=output_name(task, self._output),
            source=str(absolute(task.source)),
            status="failed" if failed else "denoised",
            recipe=key_with_optics(self._key, task, self._recipe.settings),
            pixel_size=task.pixel_size,
            input=before,
            sha256=digest if unchanged else "",
            label="" if failed else _label(task.output),
            written=None if failed else stamp(task.output),
            seconds=round(result.seconds, 4),
            message=result.message,
            passing=result.passing,
            warnings=list(result.warnings),
            quality={
                name: value
                for name, value in result.quality.items()
                if math.isfinite(value)
            },
        )


def _label(output: Path) -> str:
    """The fingerprint in the header of an output."""
    try:
        return fingerprint_label(read_labels(output))
    except MicrographError:
        return ""
