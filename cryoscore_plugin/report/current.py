"""Whether the report on a batch is up to date; without what it takes to draw one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryoscore_plugin.batch.ledger import ledger_state

REPORT = "report"
"""Name of the files, without `.html`, `.csv` and `.json`."""

_HEAD = 4096
"""The mark stands among so many bytes at the beginning of the page."""


def ledger_mark(output: Path) -> str:
    """A word for the ledger as it is now; another one when it grows.

    Parameters
    ----------
    output : Path
        Folder of the outputs.
    """
    return hashlib.sha256(repr(ledger_state(output)).encode()).hexdigest()[:32]


def is_current(output: Path) -> bool:
    """Whether there is nothing new in the ledger since the report was made.

    Parameters
    ----------
    output : Path
        Folder of the outputs.
    """
    if not ledger_state(output):
        return True
    try:
        with (output / f"{REPORT}.html").open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return ledger_mark(output).encode() in head
