"""From files to files: denoise micrographs on all devices, and tell the monitor.

Each device has one micrograph in work, the next one being read, and the last one
being written, so that files and computing overlap while memory stays flat over a run
of any length. The first device computes in the calling thread, where Ctrl-C
arrives; every other has a thread of its own. A stack is read, denoised and written
image by image.

One bad micrograph does not stop the others. What concerns all of them does: a
device, a model or a setting that cannot be used, and a wish to stop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from cryoscore_plugin.batch.failures import failure_sentence, may_pass
from cryoscore_plugin.batch.measured import measured_in
from cryoscore_plugin.batch.monitor import (
    Gate,
    JobMonitor,
    MicrographResult,
    MicrographTask,
    stopped_as_asked,
)
from cryoscore_plugin.batch.steps import (
    Prepared,
    denoise_stack,
    prepare,
    restore,
    save,
)
from cryoscore_plugin.batch.uncertainty import files_of
from cryoscore_plugin.denoiser import Denoiser, load_denoisers
from cryoscore_plugin.errors import CheckpointError, ConfigError, DeviceError
from cryoscore_plugin.files import remove_leftovers
from cryoscore_plugin.mrc import read_labels
from cryoscore_plugin.settings import DenoiseSettings

logger = logging.getLogger(__name__)

CONCERNS_ALL = (CheckpointError, ConfigError, DeviceError)
"""Errors that would meet every micrograph, so that a run stops."""

Outcome = TypeVar("Outcome")


def denoise_micrographs(
    tasks: Sequence[MicrographTask],
    settings: DenoiseSettings,
    monitor: JobMonitor,
    *,
    gate: Gate | None = None,
    denoisers: Sequence[Denoiser] = (),
) -> list[MicrographResult]:
    """Denoise micrographs from files to files.

    An output that is finished (`batch.finished`) is skipped, so that the same call
    again goes on where a killed one stopped.

    Parameters
    ----------
    tasks : Sequence[MicrographTask]
        What to do.
    settings : DenoiseSettings
        How.
    monitor : JobMonitor
        Is told of each result, in the order of completion and never twice at a
        time; with several devices from other threads, too. May ask to stop.
    gate : Gate or None
        Says before each task whether it is ours; None takes all.
    denoisers : Sequence[Denoiser]
        One for each device, from `load_denoisers`; loaded now if there are none.

    Returns
    -------
    results : list[MicrographResult]
        One for each task that was taken, in the order of the tasks.

    Raises
    ------
    JobAbortedError
        If the monitor asked to stop. Finished outputs are kept.
    ConfigError, CheckpointError, DeviceError
        If a setting, the model or a device cannot be used.
    """
    remove_leftovers(files_of(tasks))
    denoisers = denoisers or load_denoisers(settings)
    monitor.on_start(_description(denoisers), total=len(tasks))
    run = _Run(tasks, settings, monitor, gate)
    first, *others = denoisers
    with ThreadPoolExecutor(max(1, len(others))) as threads:
        elsewhere = [threads.submit(_work, denoiser, run) for denoiser in others]
        _work(first, run)
        for work in elsewhere:
            work.result()
    return run.results()


def denoise_one(
    task: MicrographTask, settings: DenoiseSettings, denoiser: Denoiser
) -> MicrographResult:
    """Denoise one micrograph from file to file, step by step.

    Parameters
    ----------
    task : MicrographTask
        What to do.
    settings : DenoiseSettings
        How.
    denoiser : Denoiser
        Of the device to use.

    Raises
    ------
    ConfigError, CheckpointError, DeviceError
        If a setting, the model or the device cannot be used.
    """
    since = time.monotonic()
    finish = _denoised(_prepared(task, settings, denoiser), denoiser, settings)
    return replace(finish(), seconds=time.monotonic() - since)


def _description(denoisers: Sequence[Denoiser]) -> str:
    """Model and devices in words."""
    return "; ".join(dict.fromkeys(one.description for one in denoisers))


class _Run:
    """What the devices share: the tasks that wait, the results, and whether to stop."""

    def __init__(
        self,
        tasks: Sequence[MicrographTask],
        settings: DenoiseSettings,
        monitor: JobMonitor,
        gate: Gate | None,
    ) -> None:
        self.settings = settings
        self.stopped = False
        self._aborted = False
        self._monitor = monitor
        self._gate = gate
        self._tasks = tasks
        self._waiting = iter(tasks)
        self._done = 0
        self._results: dict[MicrographTask, MicrographResult] = {}
        self._lock = threading.RLock()

    def next_task(self) -> MicrographTask | None:
        """The next task; None if there is none, or the user asked to stop."""
        with self._lock:
            if not self.stopped and self._monitor.abort_requested():
                self.stopped = self._aborted = True
            for task in () if self.stopped else self._waiting:
                if self._gate is None or self._gate.take(task):
                    return task
            return None

    def report(self, result: MicrographResult, *, since: float) -> None:
        """Take a result, and tell the monitor."""
        timed = replace(result, seconds=time.monotonic() - since)
        with self._lock:
            self._results[result.task] = timed
            self._done += 1
            self._monitor.on_result(timed, done=self._done, total=len(self._tasks))

    def results(self) -> list[MicrographResult]:
        """All results in the order of the tasks, unless the user asked to stop."""
        if self._aborted:
            raise stopped_as_asked(self._done, len(self._tasks))
        return [self._results[task] for task in self._tasks if task in self._results]


def _work(denoiser: Denoiser, run: _Run) -> None:
    """Denoise on one device until no task is left or the run is stopped."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        try:
            coming = _read_ahead(denoiser, run, reader)
            while coming is not None:
                since = time.monotonic()
                outcome = coming.result()
                coming = _read_ahead(denoiser, run, reader)
                if run.stopped:
                    break
                save_it = _denoised(outcome, denoiser, run.settings)
                # At most one result waits for the disk.
                if writing is not None:
                    writing.result()
                writing = writer.submit(_finish, save_it, run, since=since)
            if writing is not None:
                writing.result()
        except BaseException:
            # The other devices shall not go on; Ctrl-C comes here, too.
            run.stopped = True
            raise


def _read_ahead(
    denoiser: Denoiser, run: _Run, reader: ThreadPoolExecutor
) -> Future[Prepared | MicrographResult] | None:
    """Begin to read the next micrograph, if there is one."""
    task = run.next_task()
    if task is None:
        return None
    return reader.submit(_prepared, task, run.settings, denoiser)


def _prepared(
    task: MicrographTask, settings: DenoiseSettings, denoiser: Denoiser
) -> Prepared | MicrographResult:
    """Read a micrograph, unless an earlier run has finished it."""

    def step() -> Prepared | MicrographResult:
        return prepare(task, settings, denoiser.fingerprint) or _skipped(task)

    return _attempt(task, step)


def _skipped(task: MicrographTask) -> MicrographResult:
    """The result of a micrograph that an earlier run has finished."""
    quality = measured_in(read_labels(task.output))
    return MicrographResult(task=task, status="skipped", quality=quality)


def _denoised(
    outcome: Prepared | MicrographResult,
    denoiser: Denoiser,
    settings: DenoiseSettings,
) -> Callable[[], MicrographResult]:
    """Compute; return what is left to do, which is to write."""
    if isinstance(outcome, MicrographResult):
        return lambda: outcome
    task, micrograph = outcome.task, outcome.micrograph
    if micrograph is None:
        result = _attempt(task, lambda: denoise_stack(outcome, denoiser, settings))
        return lambda: result
    restoration = _attempt(task, lambda: restore(outcome, micrograph, denoiser))
    if isinstance(restoration, MicrographResult):
        return lambda: restoration
    # Without the raw pixels, which writing does not need.
    rest = replace(outcome, micrograph=None, halves=None)
    return lambda: _attempt(task, lambda: save(rest, restoration, settings))


def _attempt(
    task: MicrographTask, step: Callable[[], Outcome]
) -> Outcome | MicrographResult:
    """Do one step; a fault of this micrograph alone becomes its result."""
    try:
        return step()
    except CONCERNS_ALL:
        raise
    except Exception as error:  # One must not stop the others.
        logger.debug("%s failed", task.source, exc_info=True)
        return MicrographResult(
            task=task,
            status="failed",
            message=failure_sentence(task, error),
            passing=may_pass(error),
        )


def _finish(
    save_it: Callable[[], MicrographResult], run: _Run, *, since: float
) -> None:
    """Write, and tell what became of it."""
    run.report(save_it(), since=since)
