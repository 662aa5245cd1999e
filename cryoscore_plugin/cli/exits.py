"""Errors to messages and exit codes, in one place.

| code | meaning |
| --- | --- |
| 0 | all is done |
| 1 | something failed: a micrograph, a file, a model, a GPU |
| 2 | the command or a setting is wrong; nothing was done |
| 130, 143 | stopped by Ctrl-C, or by SIGTERM; finished outputs are kept |

An error of ours is one sentence on stderr. Its traceback appears with `--verbose`
or with `CRYOSCORE_DEBUG=1`. Any other error is a bug of cryoscore: its traceback
goes to a file that can be sent to us.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

import click

from cryoscore_plugin.errors import ConfigError, CryoScoreError

Callback = TypeVar("Callback", bound=Callable[..., object])

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130
TERMINATED = 143

PACKAGES = ("cryoscore_plugin", "relion_wrappers", "cryosparc_jobs")
"""Whose log messages are shown."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived; handled like Ctrl-C, so that no temporary file is left."""


def run_command(
    command: click.Command, arguments: Sequence[str] | None = None, *, name: str
) -> int:
    """Run a command as a shell does, and say what went wrong.

    Parameters
    ----------
    command : click.Command
        The command, for example the group `cryoscore`.
    arguments : Sequence[str] or None
        The words after the program's name; None takes those of this process.
    name : str
        The program's name in help and messages.

    Returns
    -------
    exit_code : int
        See the table at the top of this module.
    """
    configure_logging(verbose=os.environ.get("CRYOSCORE_DEBUG", "0") != "0")
    # A site's locale may lack Å; that is no reason to fail.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        with _sigterm_raises():
            result = command.main(
                args=None if arguments is None else list(arguments),
                prog_name=name,
                standalone_mode=False,
            )
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  the last place that can tell
        return _tell(error)
    return result if isinstance(result, int) else 0


def configure_logging(*, verbose: bool) -> None:
    """Send warnings to stderr; with `verbose` also details and tracebacks."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LogFormatter())
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
        logger.propagate = False


def verbose_option(callback: Callback) -> Callback:
    """Add `--verbose`, which acts at once and is not passed on."""

    def switch(_context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001  as click calls it
        if value:
            configure_logging(verbose=True)

    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=switch,
        help="Show details, and the traceback of an error.",
    )(callback)


def is_verbose() -> bool:
    """Whether tracebacks are shown."""
    return logging.getLogger(PACKAGES[0]).isEnabledFor(logging.DEBUG)


class _LogFormatter(logging.Formatter):
    """`Warning: sentence`; what is no warning needs no prefix."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return text
        return f"{record.levelname.capitalize()}: {text}"


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, as Python does with Ctrl-C."""

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may set handlers.
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(error: BaseException) -> int:
    """Print what the user should know about an error; return the exit code."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else FAILED
        case click.Abort() | KeyboardInterrupt():
            return _tell_stopped(error)
        case BrokenPipeError():
            return _silence_stdout()
        case click.ClickException():
            error.show()
            return error.exit_code
        case CryoScoreError():
            click.echo(f"Error: {error}", err=True)
            _show_traceback(error)
            return WRONG_USE if isinstance(error, ConfigError) else FAILED
        case _:
            return _tell_bug(error)


def _tell_stopped(error: BaseException) -> int:
    # click turns KeyboardInterrupt into Abort, and keeps it as the cause.
    terminated = isinstance(error.__cause__ or error, TerminatedError)
    word = "SIGTERM" if terminated else "Ctrl-C"
    click.echo(f"Stopped by {word}. What was finished is kept.", err=True)
    return TERMINATED if terminated else INTERRUPTED


def _tell_bug(error: BaseException) -> int:
    descriptor, log = tempfile.mkstemp(prefix="cryoscore-error-", suffix=".log")
    # What went wrong may be a name that is no UTF-8.
    with os.fdopen(
        descriptor, "w", encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    click.echo(
        f"Error: unexpected {type(error).__name__}: {error}\nThis is a bug of "
        f"cryoscore. Please report it, and attach {Path(log)}.",
        err=True,
    )
    _show_traceback(error)
    return FAILED


def _show_traceback(error: BaseException) -> None:
    if is_verbose():
        click.echo("".join(traceback.format_exception(error)), err=True)


def _silence_stdout() -> int:
    """`cryoscore models list | head -1`: the reader has gone, which is no error."""
    # Else Python complains when it flushes stdout at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
