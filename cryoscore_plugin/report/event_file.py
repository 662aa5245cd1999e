"""The curve of a training run for tensorboard, while the run goes on.

The table of the run is the truth, and this a view of it: every few seconds the rows that
are new in the table are added to an event file. So whatever trains need not know of it,
and a run that goes on has one whole curve, however often it was stopped.
"""

from __future__ import annotations

import csv
import importlib
import logging
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

EVENTS = "tensorboard"
"""Folder of the event file, in the folder of a run."""

PREFIX = "events.out.tfevents."
"""How tensorboard's own writer begins the name of an event file."""

LOOK = 5.0
"""Seconds between two looks at the table; tensorboard itself looks every 30 s."""


@contextmanager
def curve_in_tensorboard(curve: Path, *, wanted: bool) -> Iterator[None]:
    """Follow the table of a run, as long as this lasts.

    Parameters
    ----------
    curve : Path
        The table; it need not be there yet. The event file goes beside it, into the
        folder `tensorboard`.
    wanted : bool
        If not, nothing is done.

    Raises
    ------
    ConfigError
        If tensorboard is not installed.
    """
    if not wanted:
        yield
        return
    _require_tensorboard()
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(curve, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _require_tensorboard() -> None:
    try:
        importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        msg = (
            f"tensorboard should be written for, but cannot be imported ({error}). "
            "Install it, pip install 'cryoscore[tensorboard]', or leave out the setting "
            "tensorboard: the curve is in curve.csv and curve.png, too."
        )
        raise ConfigError(msg) from error


def _follow(curve: Path, ended: threading.Event) -> None:
    """Write what is in the table, now and then, and once more at the end."""
    folder = curve.with_name(EVENTS)
    writer, last = None, -1
    try:
        while True:
            is_last_look = ended.wait(LOOK)
            for row in _rows_after(curve, last):
                writer = writer or _new_event_file(folder)
                last = int(row.pop("step"))
                _add(row, writer, last)
            if writer is not None:
                writer.flush()
            if is_last_look:
                break
        if writer is not None:
            writer.close()
    except OSError as error:
        log.warning("Nothing more is written for tensorboard: %s", error)


def _add(row: Mapping[str, str], writer: SummaryWriter, step: int) -> None:
    for name, value in row.items():
        if math.isfinite(float(value)):  # Before the first step there is no loss.
            writer.add_scalar(name, float(value), step)


def _new_event_file(folder: Path) -> SummaryWriter:
    """Begin anew: with a file of an earlier run, tensorboard would draw two curves."""
    from torch.utils.tensorboard import (  # noqa: PLC0415  an extra, asked for above
        SummaryWriter,
    )

    for old in folder.glob(f"{PREFIX}*"):
        old.unlink()
    return SummaryWriter(str(folder))


def _rows_after(curve: Path, step: int) -> list[dict[str, str]]:
    """Rows of later steps; a line that is not wholly written is left for later."""
    if not curve.exists():
        return []
    whole, _, _ = curve.read_text(encoding="utf-8").rpartition("\n")
    return [row for row in csv.DictReader(whole.split("\n")) if int(row["step"]) > step]
