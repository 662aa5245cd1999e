"""Denoise micrographs as they appear, each once, and only when it is completely written.

A micrograph is complete if its file did not change between two looks and, where its
header promises a size, has that size. What never becomes complete is tried at the
end, so that it gets a sentence like any other micrograph that fails. Where its halves are
used, too, it is done again if they come later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.batch.halves import halves_of
from cryoscore_plugin.batch.inputs import PACKED_SUFFIXES
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.batch.resume import stamp
from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.mrc import is_tiff, read_header


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to look, and for how long.

    Attributes
    ----------
    interval : float
        Between two looks, in s.
    idle_limit : float or None
        Stop if nothing came for so long, in s; None never stops.
    """

    interval: float = 10.0
    idle_limit: float | None = None


class Arrivals:
    """Tells which micrographs have become complete since the last look.

    Parameters
    ----------
    with_halves : bool
        Whether a micrograph has changed when its halves have.
    """

    def __init__(self, *, with_halves: bool = False) -> None:
        self._with_halves = with_halves
        self._seen: dict[MicrographTask, list[int] | None] = {}
        self._given: dict[MicrographTask, list[int] | None] = {}

    def look(self, tasks: Sequence[MicrographTask]) -> list[MicrographTask]:
        """Micrographs that are complete now, and were not given before as they are.

        Parameters
        ----------
        tasks : Sequence[MicrographTask]
            All that are there now.
        """
        ready = []
        for task in tasks:
            now = stamp(task.source, *self._halves(task))
            if now is None or self._given.get(task) == now:
                continue
            settled = self._seen.get(task) == now
            self._seen[task] = now
            if settled and _is_whole(task, now[0]):
                self._given[task] = now
                ready.append(task)
        return ready

    def _halves(self, task: MicrographTask) -> list[Path]:
        """Halves that are used and there."""
        if not self._with_halves:
            return []
        return [path for path in halves_of(task) if path.exists()]

    def unfinished(self, tasks: Sequence[MicrographTask]) -> list[MicrographTask]:
        """Micrographs that were never given.

        Parameters
        ----------
        tasks : Sequence[MicrographTask]
            All that are there now.
        """
        return [task for task in tasks if task not in self._given]


def watch(
    find: Callable[[], Sequence[MicrographTask]],
    work: Callable[[Sequence[MicrographTask]], None],
    pace: Pace,
    *,
    tell: Callable[[str], None],
    with_halves: bool = False,
) -> None:
    """Look again and again, and work on what has become complete.

    Parameters
    ----------
    find : Callable
        The micrographs that are there now; an `InputError` means none yet.
    work : Callable
        Denoises some.
    pace : Pace
        How often, and for how long.
    tell : Callable
        Says to the user what is waited for, once for each reason.
    with_halves : bool
        Whether the halves of a micrograph are used as well.
    """
    arrivals = Arrivals(with_halves=with_halves)
    last = time.monotonic()
    reason = ""
    tasks: Sequence[MicrographTask] = ()
    while True:
        try:
            tasks = find()
        except InputError as error:
            if str(error) != reason:
                tell(f"Waiting: {error}")
            reason = str(error)
        ready = arrivals.look(tasks)
        if ready:
            work(ready)
            last = time.monotonic()
        elif pace.idle_limit is not None and time.monotonic() - last > pace.idle_limit:
            break
        time.sleep(pace.interval)
    if rest := arrivals.unfinished(tasks):
        work(rest)


def _is_whole(task: MicrographTask, size: int) -> bool:
    """Whether a file has the size that its header promises, where there is one."""
    if is_tiff(task.source) or task.source.suffix.lower() in PACKED_SUFFIXES:
        return True
    try:
        return read_header(task.source).file_size <= size
    except MicrographError:
        return False
