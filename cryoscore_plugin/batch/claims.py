"""Who works on which micrograph, so that two runs do not both compute it.

A claim is a small file that only one process can create, on network file systems too.
It goes when the micrograph is done. A claim whose process is dead is void: on the same
computer the system is asked; of another computer, the ledger file is looked at, which
each process touches every few seconds. Ages are differences of time stamps that the
file server gave, so that the clocks of the computers do not matter.

Claims save time and are no lock: if two processes come to hold one (a computer slept,
say), both write the same bytes under names of their own and rename, and all is well.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from cryoscore_plugin.batch.ledger import LedgerFile
from cryoscore_plugin.files import is_running

BEAT = 15.0
"""How often a process shows that it lives, in s."""

LONGEST_SILENCE = 120.0
"""A process of another computer that was silent for longer is taken for dead, in s."""


class Claims:
    """The claims of this process: a context that gives them back at its end.

    Parameters
    ----------
    ledger : LedgerFile
        The ledger file of this process.
    """

    def __init__(self, ledger: LedgerFile) -> None:
        self._ledger = ledger
        self._folder = ledger.folder / "claims"
        self._folder.mkdir(exist_ok=True)
        me = {"host": ledger.host, "process": os.getpid(), "ledger": ledger.path.name}
        self._me = json.dumps(me).encode()
        self._held: set[Path] = set()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Claims:
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._heart.join()
        for path in list(self._held):
            self._remove(path)

    def take(self, name: str) -> bool:
        """Claim a micrograph; False if a living process has it.

        Parameters
        ----------
        name : str
            Its output, below the folder of outputs.

        Raises
        ------
        OSError
            If no file can be created.
        """
        path = self._path(name)
        if not (self._create(path) or (self._is_void(path) and self._create(path))):
            return False
        self._held.add(path)
        return True

    def give_back(self, name: str) -> None:
        """End a claim.

        Parameters
        ----------
        name : str
            As it was given to `take`.
        """
        self._remove(self._path(name))

    def _path(self, name: str) -> Path:
        # Not encode(): the bytes of a name need not be UTF-8.
        return self._folder / hashlib.sha256(os.fsencode(name)).hexdigest()[:24]

    def _create(self, path: Path) -> bool:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        try:
            os.write(file, self._me)
        finally:
            os.close(file)
        return True

    def _remove(self, path: Path) -> None:
        self._held.discard(path)
        with suppress(OSError):  # It may be gone, or its disk; it is void soon.
            path.unlink()

    def _is_void(self, path: Path) -> bool:
        """Whether the owner of a claim is dead; the claim is then removed."""
        try:
            owner = _owner(path.read_bytes())
            if path not in self._held and not self._is_dead(path, owner):
                return False
            path.unlink()
        except FileNotFoundError:
            pass  # Given back, or removed by another one, in this moment.
        return True

    def _is_dead(self, path: Path, owner: dict[str, Any] | None) -> bool:
        if owner is None:
            # Its process was killed before it wrote its name, or is at it.
            return self._silence(path) > LONGEST_SILENCE
        if owner["host"] == self._ledger.host:
            return not is_running(int(owner["process"]))
        return self._silence(self._ledger.folder / owner["ledger"]) > LONGEST_SILENCE

    def _silence(self, path: Path) -> float:
        """Time since a file was touched, by the clock of the file server, in s."""
        os.utime(self._ledger.path)
        try:
            return self._ledger.path.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return LONGEST_SILENCE + 1

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):
                os.utime(self._ledger.path)


def _owner(content: bytes) -> dict[str, Any] | None:
    try:
        owner = json.loads(content)
    except ValueError:
        return None
    return owner if isinstance(owner, dict) and "ledger" in owner else None
