"""The ledger: what is read is what was written, whatever happened in between."""

from __future__ import annotations

import errno
import json
import os

import pytest

from cryoscore_plugin.batch.ledger import LedgerEntry, LedgerFile, read_ledger
from cryoscore_plugin.errors import InputError


def entry(name="a.mrc", **values):
    fixed = {"output": name, "source": f"/raw/{name}", "status": "denoised"}
    return LedgerEntry(**fixed | {"recipe": "r", "quality": {"noise": 1.5}} | values)


def test_what_is_read_is_what_was_written(tmp_path):
    first, second = entry(input=[1, 2], written=[3, 4]), entry("b.mrc", time=5.0)
    with LedgerFile(tmp_path) as ledger:
        ledger.add_run({"command": "cryoscore batch é"})
        ledger.add(first)
        ledger.add(second)
    contents = read_ledger(tmp_path)
    assert contents.entries == {"a.mrc": [first], "b.mrc": [second]}
    assert contents.latest() == [first, second]
    assert contents.runs[0]["command"] == "cryoscore batch é"
    assert contents.runs[0]["process"] == os.getpid()


def test_lines_of_all_processes_come_in_the_order_of_time(tmp_path):
    with LedgerFile(tmp_path) as one, LedgerFile(tmp_path) as other:
        one.add(entry(time=2.0))
        other.add(entry(time=1.0, status="failed"))
    times = [found.time for found in read_ledger(tmp_path).entries["a.mrc"]]
    assert times == [1.0, 2.0]


def test_no_ledger_is_an_empty_one(tmp_path):
    assert read_ledger(tmp_path / "nowhere").entries == {}


@pytest.mark.parametrize("rest", [1, 20, 100])
def test_line_that_a_kill_cut_is_passed_over(tmp_path, rest):
    with LedgerFile(tmp_path) as ledger:
        ledger.add(entry("a.mrc"))
        ledger.add(entry("b.mrc"))
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[:-rest])
    expected = ["a.mrc", "b.mrc"] if rest == 1 else ["a.mrc"]
    assert list(read_ledger(tmp_path).entries) == expected


@pytest.mark.parametrize("junk", [b"\xff\x00", b"[1]", b"3", b'{"kind": "micrograph"}'])
def test_line_of_another_kind_is_passed_over(tmp_path, junk):
    with LedgerFile(tmp_path) as ledger:
        ledger.add(entry("a.mrc"))
    (ledger.folder / "other.jsonl").write_bytes(junk + b"\n")
    assert list(read_ledger(tmp_path).entries) == ["a.mrc"]


def test_full_disk_loses_no_line_and_cuts_no_other(tmp_path, monkeypatch):
    write = os.write
    room = {"bytes": 100}

    def limited(file, data):
        if not room["bytes"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data[: room["bytes"]])
        room["bytes"] -= len(part)
        return write(file, part)

    with LedgerFile(tmp_path) as ledger:
        monkeypatch.setattr(os, "write", limited)
        ledger.add(entry("a.mrc"))
        ledger.add(entry("b.mrc"))
        assert ledger.lost == 2
        room["bytes"] = 10**6
        ledger.add(entry("c.mrc"))
        assert ledger.lost == 0
    assert sorted(read_ledger(tmp_path).entries) == ["a.mrc", "b.mrc", "c.mrc"]


def test_each_line_is_one_object(tmp_path):
    with LedgerFile(tmp_path) as ledger:
        ledger.add(entry(message="two\nlines"))
    [line] = ledger.path.read_text().splitlines()
    assert json.loads(line)["message"] == "two\nlines"


def test_folder_that_cannot_be_written_is_said_in_words(tmp_path):
    (tmp_path / "cryoscore_ledger").write_text("a file")
    with pytest.raises(InputError, match="Give another folder with --output"):
        LedgerFile(tmp_path)
