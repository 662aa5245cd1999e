"""What a shell user sees of a run: a bar on a terminal, else a line a micrograph."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import click
from tqdm import tqdm

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.monitor import (
    MicrographResult,
    MicrographTask,
    number_of_micrographs,
)


class ShellMonitor:
    """Progress on stdout; warnings on stderr, each text once with its first file.

    A shell user stops a run with Ctrl-C, so this monitor never asks for it.

    Parameters
    ----------
    name_of : Callable
        What a micrograph is called; by default by the name of its file.
    """

    def __init__(
        self, name_of: Callable[[MicrographTask], str] = lambda task: task.source.name
    ) -> None:
        self._name_of = name_of
        self._began = time.monotonic()
        self._worked = 0
        self._bar: tqdm[NoReturn] | None = None
        self._warnings: Counter[str] = Counter()

    def on_start(self, description: str, *, total: int) -> None:
        """Say what is going to happen."""
        what = number_of_micrographs(total)
        click.echo(f"cryoscore {__version__}: {what}, {description}")
        self._began = time.monotonic()
        if sys.stdout.isatty():
            self._bar = tqdm(total=total, unit="micrograph", file=sys.stdout)

    def on_result(self, result: MicrographResult, *, done: int, total: int) -> None:
        """Move the bar, or write a line; tell what is new in the warnings."""
        self._worked += result.status != "skipped"
        name = self._name_of(result.task)
        if self._bar is not None:
            self._bar.update()
        else:
            left = self._time_left(total - done)
            click.echo(f"[{done}/{total}] {name} {_words(result)}{left}")
        for warning in result.warnings:
            self._warnings[warning] += 1
            if self._warnings[warning] == 1:
                self._tell(f"Warning: {name}: {warning}")

    def abort_requested(self) -> bool:
        """Whether to stop; never."""
        return False

    def close(self) -> None:
        """Leave the bar, and say how often warnings came that were told once."""
        if self._bar is not None:
            self._bar.close()
        for warning, count in self._warnings.items():
            if count > 1:
                click.echo(f"Warning: {count} micrographs: {warning}", err=True)

    def _tell(self, text: str) -> None:
        if self._bar is None:
            click.echo(text, err=True)
        else:
            self._bar.write(text, file=sys.stderr)

    def _time_left(self, left: int) -> str:
        """The rest, if it takes as long each as those that were not skipped."""
        if not left or not self._worked:
            return ""
        each = (time.monotonic() - self._began) / self._worked
        return f", ETA {duration(each * left)}"


def duration(seconds: float) -> str:
    """A time as a person says it, from seconds to hours."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def tell_results(
    results: Sequence[MicrographResult], *, seconds: float, skipped: str
) -> None:
    """Say how many were done, and which failed and why.

    Parameters
    ----------
    results : Sequence[MicrographResult]
        One for each micrograph of the run.
    seconds : float
        How long the run took, in s.
    skipped : str
        What is said of micrographs that were skipped, after "were".
    """
    counts = Counter(result.status for result in results)
    words = [
        f"Denoised {counts['denoised']} of {len(results)} in {duration(seconds)}",
        *([f"{were(counts['skipped'])} {skipped}"] if counts["skipped"] else []),
        *([f"{counts['failed']} FAILED"] if counts["failed"] else []),
    ]
    click.echo(f"{'; '.join(words)}.")
    for result in results:
        if result.status == "failed":
            click.echo(f"Failed: {result.message}", err=True)


def were(count: int) -> str:
    """How many micrographs something happened to, as the beginning of a sentence."""
    return f"{count} was" if count == 1 else f"{count} were"


def picking_advice(
    denoised: Path, raw: str = "the raw micrographs", *, binned: bool
) -> str:
    """What to do with the outputs.

    Parameters
    ----------
    denoised : Path
        Folder or table of the outputs.
    raw : str
        What they were made from.
    binned : bool
        Whether the outputs have a larger pixel size than what they were made from.
    """
    if binned:
        return (
            f"Pick particles on {denoised}, scale the coordinates to the raw pixel "
            f"size, and extract from {raw}."
        )
    return f"Pick particles on {denoised}, and extract them from {raw}."


def _words(result: MicrographResult) -> str:
    match result.status:
        case "denoised":
            return duration(result.seconds)
        case "skipped":
            return "was finished before"
        case "failed":
            return "FAILED"
