"""What a program costs: seconds, processor seconds and memory, from start to end.

Each measurement is a process of its own, so that the import of libraries counts and
nothing is left over from the last one. The kernel's own account is read when the
process ends; children that it waited for are included.

A trap: a process starts as a copy of whoever starts it, and the largest memory
counts that copy, too. So a bare Python of some 10 MB starts the program and reads
the account. The tests hold that a large caller does not make a small program large.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = """
import json, os, sys, time
begin = time.monotonic()
try:
    process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
_, status, usage = os.wait4(process, 0)
with open(sys.argv[1], "w") as file:
    json.dump([time.monotonic() - begin, usage.ru_utime + usage.ru_stime,
               usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status)], file)
"""
"""Starts the program, waits for it and writes its account; imports next to nothing."""

COULD_NOT_START = 127
"""Exit code of a program that could not be started, as in a shell."""


@dataclass(frozen=True, kw_only=True)
class ResourceUse:
    """What one run of a program took.

    Attributes
    ----------
    seconds : float
        By the clock on the wall, in s.
    cpu_seconds : float
        Of all its threads and children, in the program and in the kernel, in s.
    peak_bytes : int
        Largest resident memory of the process, or of a child if that is larger.
    exit_code : int
        0 if all is well; negative for the signal that ended it.
    output : str
        What it wrote to stdout and stderr.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    exit_code: int
    output: str


def measure_command(
    command: Sequence[str], *, environment: Mapping[str, str]
) -> ResourceUse:
    """Run a program to its end, and say what it took.

    Parameters
    ----------
    command : Sequence[str]
        The program and its arguments; no shell is involved.
    environment : Mapping[str, str]
        Variables added to those of this process.

    Returns
    -------
    use : ResourceUse
        Also if the program fails: see `exit_code`.
    """
    with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
        account = Path(folder) / "account.json"
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(account)]
        with subprocess.Popen(  # noqa: S603  a list, and no shell
            [*launcher, *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate()
            except BaseException:
                # Ctrl-C: the program, in a session of its own, did not hear it.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if not account.exists():
            return ResourceUse(
                seconds=0.0,
                cpu_seconds=0.0,
                peak_bytes=0,
                exit_code=COULD_NOT_START,
                output=output,
            )
        seconds, cpu_seconds, peak_bytes, code = json.loads(account.read_text("utf-8"))
    return ResourceUse(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_bytes=peak_bytes,
        exit_code=code,
        output=output,
    )
