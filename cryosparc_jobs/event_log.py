"""The event log of a job, where it tells its story.

The log is for people, and nothing depends on it: if a line cannot be written, that is
said once, and the job goes on.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from cryosparc_jobs.client import client_errors, reason

logger = logging.getLogger(__name__)

SHOWN = {4: 10.0, 5: 1.0}
"""Least time between two lines of progress in s: a new line each time in version 4,
and the same line in version 5."""


class EventLog:
    """The event log of one job.

    Parameters
    ----------
    handle : object
        The client's object for the job.
    is_v5 : bool
        Whether the client is of version 5 or later.
    """

    def __init__(self, handle: Any, *, is_v5: bool) -> None:  # noqa: ANN401  untyped client
        self._handle = handle
        self._is_v5 = is_v5
        self._progress_at = 0.0
        self._is_lost = False

    @property
    def is_live(self) -> bool:
        """Whether `progress` changes a line, and does not add one."""
        return self._is_v5

    def log(self, text: str, *, level: str = "text") -> None:
        """Write a line into the event log.

        Parameters
        ----------
        text : str
            The line.
        level : {"text", "warning", "error"}
            How it is shown.
        """
        if level == "warning" and not self._is_v5:
            # Version 4 shows all but text as an error, and marks the job with it.
            text, level = f"Warning: {text}", "text"
        self._tell(lambda: self._handle.log(text, level=level))

    def progress(self, text: str, *, last: bool = False) -> None:
        """Say how far the job is; not more often than people can read.

        Parameters
        ----------
        text : str
            The line. Version 5 shows it in the place of the last one.
        last : bool
            Whether this is the end, which is always shown.
        """
        now = time.monotonic()
        pause = SHOWN[5 if self._is_v5 else 4]
        if not last and now - self._progress_at < pause:
            return
        self._progress_at = now
        named = {"name": "progress"} if self._is_v5 else {}
        self._tell(lambda: self._handle.log(text, **named))

    def plot(self, figure: Path, text: str) -> None:
        """Show a picture in the event log.

        Parameters
        ----------
        figure : Path
            A PNG file.
        text : str
            What it shows.
        """
        # Given a path, the client would leave the file open.
        data = figure.read_bytes()
        self._tell(lambda: self._handle.log_plot(BytesIO(data), text, formats=["png"]))

    def show_on_card(self, figure: Path, outputs: Sequence[str]) -> None:
        """Show a picture on the card of the job and of its outputs, in version 5.

        Parameters
        ----------
        figure : Path
            A PNG file.
        outputs : Sequence[str]
            Names of outputs.
        """
        if not self._is_v5:
            return
        data = figure.read_bytes()
        self._tell(lambda: self._handle.set_tile_image(BytesIO(data)))
        for name in outputs:
            show = functools.partial(self._handle.set_output_image, name)
            self._tell(functools.partial(show, BytesIO(data)))

    def _tell(self, call: Callable[[], object]) -> None:
        try:
            call()
        except client_errors() as error:
            level = logging.DEBUG if self._is_lost else logging.WARNING
            self._is_lost = True
            logger.log(
                level,
                "A line for the event log of %s was lost: %s. The job goes on.",
                self._handle.uid,
                reason(error),
            )
