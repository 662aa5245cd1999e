"""A job as RELION sees it: the marker files in its folder.

RELION starts a job and forgets it. It learns that the job has ended from an empty file
in the job's folder, and waits for ever if none appears; the exit status is thrown away.
So a job that is entered here leaves exactly one marker, however it ends: success,
failure, a wrong setting, a request to abort, SIGTERM, Ctrl-C or a bug. Only `kill -9`
and a power cut leave none.

The CCP-EM Pipeliner does watch its job. It writes and removes a request to abort
itself, looks at it every 5 s, and then sends SIGTERM. A job that ends by itself before
that has failed in its eyes; so ours stops working, and waits for the signal.
"""

from __future__ import annotations

import signal
import threading
import time
from enum import Enum
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from cryoscore_plugin.cli.exits import TerminatedError
from cryoscore_plugin.errors import InputError, JobAbortedError


class Marker(Enum):
    """Names of the files that say how a job has ended."""

    SUCCESS = "RELION_JOB_EXIT_SUCCESS"
    FAILURE = "RELION_JOB_EXIT_FAILURE"
    ABORTED = "RELION_JOB_EXIT_ABORTED"


RELION_ABORT = "RELION_JOB_ABORT_NOW"
PIPELINER_ABORT = "PIPELINER_JOB_ABORT_NOW"
"""Files that ask a job to stop: of RELION, and of the CCP-EM Pipeliner."""

_PATIENCE = 10.0
"""Longest wait for the Pipeliner's SIGTERM, in s: twice the time between its looks."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class RelionJob:
    """One run of a job: a context that leaves exactly one marker.

    Entering it makes the folder if need be and removes the markers of earlier runs.
    Leaving it without an error is a success.

    Parameters
    ----------
    folder : Path
        The folder given by `--o`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The Pipeliner's request is left: it removes its own, and one that came
            # while Python started is meant for this run.
            for name in (*(marker.value for marker in Marker), RELION_ABORT):
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            msg = (
                f"Cannot use the job folder {self.folder}: {error.strerror or error}. "
                "Give a folder in which you may write with --o."
            )
            raise InputError(msg) from error
        self._take_over_signals()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # From here on a signal would only prevent the marker.
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        leave_marker(self.folder, _marker_for(error))
        for number, before in self._handlers.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # as it was given

    def abort_requested(self) -> bool:
        """Whether RELION or the Pipeliner asks the job to stop."""
        if (self.folder / RELION_ABORT).exists():
            return True
        request = self.folder / PIPELINER_ABORT
        if not request.exists():
            return False
        _wait_for_sigterm(request)
        return True

    def _take_over_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python gives signals to the main thread only.
        for number in _STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
                self._handlers[number] = signal.signal(number, _stop)


def leave_marker(folder: Path, marker: Marker) -> None:
    """Write one marker and remove the others; the folder is made if need be.

    Parameters
    ----------
    folder : Path
        The folder given by `--o`.
    marker : Marker
        How the job has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for other in Marker:
        if other is not marker:
            (folder / other.value).unlink(missing_ok=True)
    (folder / marker.value).touch()


def _wait_for_sigterm(request: Path) -> None:
    """Wait for the signal that the Pipeliner sends, but not for ever."""
    end = time.monotonic() + _PATIENCE
    while request.exists() and time.monotonic() < end:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
            return  # It came while another thread waits here.
        time.sleep(0.05)


def _marker_for(error: BaseException | None) -> Marker:
    match error:
        case None:
            return Marker.SUCCESS
        case SystemExit(code=0 | None):
            return Marker.SUCCESS
        case JobAbortedError() | KeyboardInterrupt():
            return Marker.ABORTED
        case _:
            return Marker.FAILURE


def _stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Turn the first signal into an error; a second one must not stop the cleaning."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise TerminatedError
