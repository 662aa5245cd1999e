"""How a job begins and ends, as CryoSPARC shows it.

A job ends completed only if all of it was done and it was still running then. An error,
Ctrl-C, SIGTERM and SIGHUP make it failed, with the reason. A job that was killed or
cleared in CryoSPARC keeps the status that it was given there.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cryoscore_plugin.cli.exits import TerminatedError
from cryoscore_plugin.errors import CryoScoreError, InputError, JobAbortedError
from cryosparc_jobs.client import client_errors, reason
from cryosparc_jobs.external_job import ACTIVE, ExternalJob

logger = logging.getLogger(__name__)

PATIENCE = 900.0
"""Longest time in s for which a server may not tell the status; the run then ends."""

_KEPT = "What is finished is kept."

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def running(job: ExternalJob) -> Iterator[None]:
    """Run a job: start it, and give it the status that its end deserves.

    Parameters
    ----------
    job : ExternalJob
        The job; not running yet.

    Raises
    ------
    InputError
        If CryoSPARC does not start or complete it.
    JobAbortedError
        If it was killed or cleared in CryoSPARC meanwhile.
    """
    started = False
    with _stop_signals():
        try:
            job.start()
            started = True
            yield
            _refuse_stopped(job)
            job.complete()
        except JobAbortedError:
            raise  # The status is that which somebody gave it in CryoSPARC.
        except BaseException as error:
            _ignore_signals()
            # A signal may come between the start and its answer.
            if started or isinstance(error, KeyboardInterrupt):
                _mark_failed(job, error)
            raise


class KillWatch:
    """Asks CryoSPARC whether a job was killed; a deaf server is borne for a while.

    Parameters
    ----------
    job : ExternalJob
        The job.
    pause : float
        Least time between two questions in s; in between, the last answer holds.
    """

    def __init__(self, job: ExternalJob, *, pause: float = 0.0) -> None:
        self._job = job
        self._pause = pause
        self._asked_at = -math.inf
        self._heard_at = time.monotonic()

    def stopped(self) -> bool:
        """Whether the job was killed or cleared.

        Raises
        ------
        InputError
            If the server has not said for a long time.
        """
        now = time.monotonic()
        if now - self._asked_at < self._pause:
            return False
        self._asked_at = now
        try:
            status = self._job.status_once()
        except client_errors() as error:
            silence = time.monotonic() - self._heard_at
            logger.debug("Status unknown", exc_info=True)
            if silence > PATIENCE:
                msg = (
                    f"CryoSPARC should tell the status of {self._job.uid}, but has not "
                    f"for {silence / 60:.0f} min: {reason(error)}. What is "
                    f"finished is kept; go on with --job {self._job.uid} when it is back."
                )
                raise InputError(msg) from error
            return False
        self._heard_at = time.monotonic()
        return status not in ACTIVE


def _refuse_stopped(job: ExternalJob) -> None:
    """Refuse to complete what was killed while the last files were written."""
    if (status := job.status()) not in ACTIVE:
        msg = (
            f"{job.uid} was running, but is {status} now, so it is left as it is. "
            f"What is finished is kept; go on with --job {job.uid}."
        )
        raise JobAbortedError(msg)


def _mark_failed(job: ExternalJob, error: BaseException) -> None:
    try:
        if job.status() in ACTIVE:
            job.fail(_in_words(error))
    except InputError as second:
        logger.warning(
            "%s is still shown as running, because CryoSPARC cannot be told: %s Later, "
            "type: cryoscore cryosparc reset %s %s",
            job.uid,
            second,
            job.project_uid,
            job.uid,
        )


def _in_words(error: BaseException) -> str:
    match error:
        case CryoScoreError():
            return str(error)
        case TerminatedError():
            return f"Stopped by a signal. {_KEPT}"
        case KeyboardInterrupt():
            return f"Stopped by Ctrl-C. {_KEPT}"
        case _:
            return "".join(traceback.format_exception(error))


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into errors, and give them back afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python gives signals to the main thread only.
        return
    before = {number: signal.getsignal(number) for number in (*_SIGNALS, signal.SIGINT)}
    for number in _SIGNALS:
        if before[number] is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """From here on a signal would only prevent the right status."""
    if threading.current_thread() is threading.main_thread():
        for number in (*_SIGNALS, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def _stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise TerminatedError
