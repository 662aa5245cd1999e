"""Two runs do not take the same micrograph, and a dead one keeps none."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cryoscore_plugin.batch import claims as claims_module
from cryoscore_plugin.batch.claims import Claims
from cryoscore_plugin.batch.ledger import LedgerFile

TAKE = """
import os, signal, sys
from pathlib import Path
from cryoscore_plugin.batch.claims import Claims
from cryoscore_plugin.batch.ledger import LedgerFile
with LedgerFile(Path(sys.argv[1])) as ledger, Claims(ledger) as claims:
    assert claims.take("a.mrc")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def runs(tmp_path):
    """Two runs on one folder."""
    with (
        LedgerFile(tmp_path) as first,
        LedgerFile(tmp_path) as second,
        Claims(first) as one,
        Claims(second) as other,
    ):
        yield one, other


def claim_files(folder):
    return [*(folder / "cryoscore_ledger" / "claims").iterdir()]


def test_one_micrograph_belongs_to_one_run_until_it_is_given_back(runs, tmp_path):
    one, other = runs
    assert one.take("a.mrc")
    assert not other.take("a.mrc")
    assert other.take("b.mrc")
    one.give_back("a.mrc")
    assert other.take("a.mrc")
    assert len(claim_files(tmp_path)) == 2


def test_claims_end_with_their_run(tmp_path):
    with LedgerFile(tmp_path) as ledger, Claims(ledger) as claims:
        assert claims.take("a.mrc")
    assert claim_files(tmp_path) == []


def test_claim_of_a_killed_process_is_void_at_once(runs, tmp_path):
    killed = subprocess.run([sys.executable, "-c", TAKE, tmp_path], check=False)
    assert killed.returncode == -9
    [path] = claim_files(tmp_path)
    assert runs[0].take("a.mrc")
    assert json.loads(path.read_bytes())["process"] == os.getpid()


def rewrite_owner(folder, **values):
    [path] = claim_files(folder)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))


def test_claim_of_another_computer_is_void_when_it_is_silent(runs, tmp_path):
    one, other = runs
    assert one.take("a.mrc")
    rewrite_owner(tmp_path, host="elsewhere")
    assert not other.take("a.mrc")
    long_ago = one._ledger.path.stat().st_mtime - 130
    os.utime(one._ledger.path, (long_ago, long_ago))
    assert other.take("a.mrc")


def test_clocks_of_the_computers_do_not_matter(runs, tmp_path, monkeypatch):
    one, other = runs
    assert one.take("a.mrc")
    rewrite_owner(tmp_path, host="elsewhere")
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert not other.take("a.mrc")


def test_living_process_shows_that_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(claims_module, "BEAT", 0.01)
    with LedgerFile(tmp_path) as ledger:
        os.utime(ledger.path, (0, 0))
        with Claims(ledger) as claims:
            claims._ended.wait(0.5)
        assert ledger.path.stat().st_mtime > 0


def test_claim_without_a_name_is_left_to_its_maker_for_a_while(runs, tmp_path):
    one, other = runs
    assert one.take("a.mrc")
    [path] = claim_files(tmp_path)
    path.write_bytes(b"")
    assert not other.take("a.mrc")
    os.utime(path, (0, 0))
    assert other.take("a.mrc")
