"""What was done with which micrograph, in files that many processes can write.

The ledger is a folder, `cryoscore_ledger`, with one file for each process that ever
worked on the outputs. A line is one JSON object: `"kind": "run"` says what a process
was asked to do, `"kind": "micrograph"` what became of one micrograph. Lines are only
ever added, each with one write, and no two processes write into one file. So nothing
has to be locked, which network file systems do badly; a killed process or a full disk
leaves at most one line that is cut, and a cut line is passed over.

The ledger is a memory, not the truth: an output counts only if it is there and is the
one that the line describes (`batch.resume`). Who deletes the ledger loses what it
remembers of failures and contents, and no output.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from cryoscore_plugin.batch.projects import LEDGER_FOLDER
from cryoscore_plugin.errors import InputError

_FLUSH_EVERY = 5.0
"""In s: how long other computers may have to wait for our lines."""


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """What became of one micrograph.

    Attributes
    ----------
    output : str
        Its output, below the folder of outputs.
    source : str
        The input, from the root of the file system.
    status : {"denoised", "failed"}
        How it ended.
    recipe : str
        Key of program, model and settings (`batch.resume.Recipe`), with guidance also
        of the optics.
    pixel_size : float or None
        That of a table, in Å/px.
    input : list[int] or None
        Size in bytes and time stamp in ns of the input, and, if they were wanted, of
        its halves; None if it was not there.
    sha256 : str
        Hash of the bytes of all of them; empty if it is not known.
    label : str
        The fingerprint in the header of the output.
    written : list[int] or None
        Size and time stamp of the output.
    seconds : float
        Time spent on it.
    message : str
        Why it failed.
    passing : bool
        Whether that may pass by itself, such as a full disk.
    warnings : list[str]
        What the user should know.
    quality : dict[str, float]
        Numbers about it.
    time : float
        When the line was written, in s since 1970.
    """

    output: str
    source: str
    status: Literal["denoised", "failed"]
    recipe: str
    pixel_size: float | None = None
    input: list[int] | None = None
    sha256: str = ""
    label: str = ""
    written: list[int] | None = None
    seconds: float = 0.0
    message: str = ""
    passing: bool = False
    warnings: list[str] = field(default_factory=list)
    quality: dict[str, float] = field(default_factory=dict)
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True)
class LedgerContents:
    """All lines of a ledger.

    Attributes
    ----------
    runs : list[dict[str, Any]]
        What processes were asked to do, oldest first.
    entries : dict[str, list[LedgerEntry]]
        What became of each micrograph, by output, oldest first.
    """

    runs: list[dict[str, Any]]
    entries: dict[str, list[LedgerEntry]]

    def latest(self) -> list[LedgerEntry]:
        """The last entry of each output, in the order of the outputs' names."""
        return [self.entries[output][-1] for output in sorted(self.entries)]


class LedgerFile:
    """The file of this process, open for adding lines: a context.

    Parameters
    ----------
    output : Path
        Folder of the outputs; the ledger's own is made in it.

    Raises
    ------
    InputError
        If the file cannot be made.
    """

    def __init__(self, output: Path) -> None:
        self.folder = output / LEDGER_FOLDER
        self.host = socket.gethostname()
        name = f"{self.host}-{os.getpid()}-{time.time_ns():x}.jsonl"
        self.path = self.folder / name
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, flags, 0o666)
        except OSError as error:
            msg = (
                f"Cannot write {self.path}: {error.strerror or error}. Give another "
                "folder with --output, or make room."
            )
            raise InputError(msg) from error
        self._waiting: list[bytes] = []
        self._cut = False
        self._flushed = time.monotonic()

    def __enter__(self) -> LedgerFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write_waiting()
        os.close(self._file)

    @property
    def lost(self) -> int:
        """How many lines could not be written up to now, because the disk is full."""
        return len(self._waiting)

    def add(self, entry: LedgerEntry) -> None:
        """Add what became of a micrograph; a full disk is tried again with the next."""
        self._add({"kind": "micrograph"} | asdict(entry))

    def add_run(self, facts: Mapping[str, Any]) -> None:
        """Add what this process was asked to do.

        Parameters
        ----------
        facts : Mapping[str, Any]
            Plain values by name.
        """
        where = {"kind": "run", "host": self.host, "process": os.getpid()}
        self._add(where | {"time": time.time()} | dict(facts))

    def _add(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, default=str)
        self._waiting.append(text.encode("utf-8", errors="surrogateescape") + b"\n")
        self._write_waiting()

    def _write_waiting(self) -> None:
        while self._waiting:
            # What a full disk cut off must not be joined to the next line.
            line = (b"\n" if self._cut else b"") + self._waiting[0]
            try:
                self._cut = os.write(self._file, line) < len(line)
            except OSError:
                return
            if self._cut:
                return
            self._waiting.pop(0)
        if time.monotonic() - self._flushed > _FLUSH_EVERY:
            os.fsync(self._file)
            self._flushed = time.monotonic()


def read_ledger(output: Path) -> LedgerContents:
    """Read the lines of all processes; lines that are cut are passed over.

    Parameters
    ----------
    output : Path
        Folder of the outputs; need not exist.

    Raises
    ------
    InputError
        If a file of the ledger is there and cannot be read.
    """
    runs: list[dict[str, Any]] = []
    found: list[LedgerEntry] = []
    for path in sorted((output / LEDGER_FOLDER).glob("*.jsonl")):
        for line in _lines(path):
            kind = line.pop("kind", None)
            if kind == "run":
                runs.append(line)
            elif kind == "micrograph" and (entry := _entry(line)):
                found.append(entry)
    entries: dict[str, list[LedgerEntry]] = {}
    for entry in sorted(found, key=lambda one: one.time):
        entries.setdefault(entry.output, []).append(entry)
    runs.sort(key=lambda run: float(run.get("time", 0)))
    return LedgerContents(runs=runs, entries=entries)


def ledger_state(output: Path) -> list[tuple[str, int]]:
    """Names and sizes of the files, which change when any process adds a line.

    Parameters
    ----------
    output : Path
        Folder of the outputs; need not exist.
    """
    paths = sorted((output / LEDGER_FOLDER).glob("*.jsonl"))
    return [(path.name, path.stat().st_size) for path in paths]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror or error}. Check its rights."
        raise InputError(msg) from error
    for line in content.split(b"\n"):
        try:
            # As it was written: the bytes of a name need not be UTF-8.
            text = line.decode("utf-8", errors="surrogateescape")
            value = json.loads(text) if text else None
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _entry(line: dict[str, Any]) -> LedgerEntry | None:
    """The entry of a line; None if another version of the program wrote another."""
    try:
        return LedgerEntry(**line)
    except TypeError:
        return None
