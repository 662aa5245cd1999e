"""`cryoscore benchmark` as a user types it, with and without Topaz."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from cryoscore_plugin.cli import main

FAKE_TOPAZ = f"""#!{sys.executable} -S
# Speaks as Topaz does, and copies its input; notes the words that it was given.
import shutil, sys
words = sys.argv[1:]
if words == ["--version"]:
    print("0.3.20")
else:
    shutil.copy(words[-1], words[words.index("-o") + 1])
    with open(__file__ + ".log", "a") as log:
        log.write(" ".join(words[:-1]) + "\\n")
"""


@pytest.fixture
def topaz(tmp_path: Path) -> Path:
    """A program that answers like Topaz."""
    path = tmp_path / "topaz"
    path.write_text(FAKE_TOPAZ)
    path.chmod(0o755)
    return path


@pytest.fixture
def no_topaz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were no Topaz on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_both_programs_are_measured_and_compared(
    tmp_path, tiny_checkpoint, topaz, capsys
):
    record = tmp_path / "figures.json"
    words = ["--sizes", "64,96", "--repeats", "2", "--record", str(record)]
    words += ["--model", str(tiny_checkpoint), "--topaz", str(topaz)]
    assert main(["benchmark", *words]) == 0

    shown = capsys.readouterr().out
    assert "topaz 0.3.20" in shown
    assert "96 x 96 on cpu: Topaz takes" in shown
    figures = json.loads(record.read_text())
    assert figures["computer"]["threads"] == len(os.sched_getaffinity(0))
    cases = {(m["program"], m["size"]) for m in figures["measurements"]}
    assert cases == {(p, s) for p in ("cryoscore", "topaz") for s in (64, 96)}
    for ratio in figures["topaz_over_cryoscore"]:
        ours, peer = (
            next(
                m
                for m in figures["measurements"]
                if (m["program"], m["size"]) == (program, ratio["size"])
            )
            for program in ("cryoscore", "topaz")
        )
        assert ratio["seconds"] == pytest.approx(peer["seconds"] / ours["seconds"])
        # Importing torch alone takes more than a bare Python in all.
        assert ratio["cpu_seconds"] < 1
    # Two repeats of two sizes; never `-m`, which Topaz ignores.
    calls = Path(f"{topaz}.log").read_text().splitlines()
    assert len(calls) == 4
    threads = len(os.sched_getaffinity(0))
    begin = f"denoise -d -1 -j {threads} --arch unet -s 1024 -p 500 -o "
    assert all(call.startswith(begin) for call in calls)


@pytest.mark.usefixtures("no_topaz")
def test_a_table_is_written_as_csv_without_topaz(tmp_path, tiny_checkpoint, capsys):
    record = tmp_path / "figures.csv"
    words = ["--sizes", "64", "--model", str(tiny_checkpoint), "--record", str(record)]
    assert main(["benchmark", *words]) == 0
    assert "Topaz was not found on PATH" in capsys.readouterr().out
    (row,) = csv.DictReader(record.read_text().splitlines())
    assert row["program"] == "cryoscore"
    speed = 64**2 / float(row["seconds"])
    assert float(row["pixels_per_second"]) == pytest.approx(speed)


@pytest.mark.usefixtures("no_topaz")
def test_a_device_that_is_not_there_fails_and_is_named(tiny_checkpoint, capsys):
    words = ["--sizes", "64", "--devices", "97", "--model", str(tiny_checkpoint)]
    assert main(["benchmark", *words]) == 1
    shown = capsys.readouterr().out
    assert "failed: ended with code 1" in shown
    assert "97" in shown


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--sizes", "64,big"], "found 'big'. Try --sizes 1024,4096"),
        (["--sizes", "63"], "whole numbers of px from 64"),
        (["--record", "figures.txt"], "Change its name, or make the folder"),
        (["--record", "no/such/folder/x.csv"], "Change its name, or make the folder"),
        (["--topaz", "/no/topaz"], "Give its full path"),
        (["--repeats", "0"], "x>=1"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_measured(words, advice, capsys):
    assert main(["benchmark", *words]) == 2
    shown = capsys.readouterr()
    assert advice in " ".join(shown.err.split())
    assert "wall s" not in shown.out
