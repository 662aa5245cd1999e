"""The seam between a run and whoever started it.

A run tells its monitor what became of each micrograph and asks whether to go on.
RELION answers from a marker file, the shell from Ctrl-C and a progress line,
tests from a list. A run knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from cryoscore_plugin.errors import JobAbortedError
from cryoscore_plugin.optics import Optics


@dataclass(frozen=True, kw_only=True)
class MicrographTask:
    """One micrograph to denoise.

    Attributes
    ----------
    source : Path
        The file to read.
    output : Path
        The file to write.
    pixel_size : float or None
        Pixel size in Å/px according to a table, which counts more than the
        header; None where no table says.
    optics : Optics or None
        How it was taken, where a table says; only guidance uses it.
    halves : tuple[Path, ...]
        Images of its even and odd frames, where a table names them: two files, or one
        that holds both. Else they are looked for beside it.
    """

    source: Path
    output: Path
    pixel_size: float | None = None
    optics: Optics | None = None
    halves: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MicrographResult:
    """What became of one micrograph.

    Attributes
    ----------
    task : MicrographTask
        What was to be done.
    status : {"denoised", "skipped", "failed"}
        "skipped" means that a finished output was already there.
    seconds : float
        Time spent on it, in s.
    message : str
        Why it failed, in one sentence for the user; empty if it did not.
    passing : bool
        Whether it failed for a reason that may pass by itself, such as a full disk.
    warnings : tuple[str, ...]
        What the user should know although it did not fail.
    quality : dict[str, float]
        Numbers about this micrograph by name, such as `noise_level`. A skipped
        micrograph has those of the run that denoised it, a skipped stack has none.
    """

    task: MicrographTask
    status: Literal["denoised", "skipped", "failed"]
    seconds: float = 0.0
    message: str = ""
    passing: bool = False
    warnings: tuple[str, ...] = ()
    quality: dict[str, float] = field(default_factory=dict)


def number_of_micrographs(count: int) -> str:
    """A number in words, such as "1 micrograph"."""
    return "1 micrograph" if count == 1 else f"{count} micrographs"


def with_name(name: object, message: str) -> str:
    """Why a micrograph failed, with its name before it, unless the message has it.

    Parameters
    ----------
    name : object
        Of the micrograph.
    message : str
        Why it failed.
    """
    return message if str(name) in message else f"{name}: {message}"


@runtime_checkable  # The shape checks of the tests look at arguments.
class JobMonitor(Protocol):
    """Whoever started the job: is told of each result, and may ask to stop."""

    def on_start(self, description: str, *, total: int) -> None:
        """Called once before the first micrograph, with device and model in words."""

    def on_result(self, result: MicrographResult, *, done: int, total: int) -> None:
        """Called after each micrograph, denoised or not."""

    def abort_requested(self) -> bool:
        """Asked before each micrograph."""
        ...


@runtime_checkable  # As above.
class Gate(Protocol):
    """Asked before each micrograph whether this process is to work on it."""

    def take(self, task: MicrographTask) -> bool:
        """Whether to work on it; a result is reported for each that was taken."""
        ...


def stopped_as_asked(done: int, total: int) -> JobAbortedError:
    """The error with which a run ends that was asked to stop.

    Parameters
    ----------
    done, total : int
        Number of results, and of tasks.
    """
    return JobAbortedError(
        f"Stopped as asked after {done} of {total} micrographs. Finished outputs are "
        "kept; the same command goes on from there."
    )
