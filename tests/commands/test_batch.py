"""`cryoscore batch` from end to end, with a tiny model."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import starfile

from cryoscore_plugin.batch.model import read_model_facts
from cryoscore_plugin.batch.resume import hash_of
from cryoscore_plugin.denoiser import load_denoisers
from cryoscore_plugin.errors import CheckpointError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_header, write_micrograph
from cryoscore_plugin.settings import DenoiseSettings

OUT = Path("raw/cryoscore")


@pytest.fixture
def batch(shell, raw, tiny_checkpoint):
    """`cryoscore batch` with a tiny model; by default on the folder `raw`."""

    def run(*words, project=raw.name):
        return shell("batch", project, "--model", tiny_checkpoint, *words)

    return run


def images(folder=OUT):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.mrc"))


def add_micrograph(path, seed=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(100, 10, (80, 96))
    write_micrograph(path, Micrograph(pixels=noise.astype(np.float32), pixel_size=3.0))


def test_says_what_it_found_and_mirrors_the_project(batch):
    add_micrograph(Path("raw/day2/a.mrc"))
    answer = batch()
    assert answer.code == 0
    assert "folder of micrographs raw: 4 micrographs\n4 to do\n" in answer.out
    assert "] a.mrc " in answer.out
    assert "] day2/a.mrc " in answer.out
    assert "Denoised 4 of 4 in" in answer.out
    assert "extract them from the raw micrographs" in answer.out
    assert images() == ["a.mrc", "b.mrc", "c.mrc", "day2/a.mrc"]


def test_inputs_stay_as_they_are(batch, raw):
    before = {path: hash_of(path) for path in raw.glob("*.mrc")}
    batch()
    assert {path: hash_of(path) for path in raw.glob("*.mrc")} == before


def test_name_that_is_no_utf_8_is_denoised_once_and_reported(batch, raw):
    name = os.fsdecode(b"Gr\xf6\xdfe.mrc")
    (raw / "a.mrc").rename(raw / name)
    answer = batch("--uncertainty", "--shard", "1/1")
    assert (answer.code, answer.err) == (0, "")
    assert "Denoised 3 of 3" in answer.out
    assert "3 were finished before" in batch("--uncertainty", "--shard", "1/1").out
    report = json.loads((OUT / "report.json").read_text())
    assert name in [row["name"] for row in report["micrographs"]]


def test_second_run_does_nothing_and_loads_no_engine(batch, tiny_checkpoint):
    batch()
    program = (
        "import sys; from cryoscore_plugin.cli import main\n"
        "code = main(sys.argv[1:]); print('torch' in sys.modules); sys.exit(code)"
    )
    words = ["batch", "raw", "--model", tiny_checkpoint]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "0 to do, 3 were finished before" in done.stdout
    assert done.stdout.endswith("False\n")


def test_output_option_puts_all_elsewhere(batch):
    batch("--output", "elsewhere")
    assert images(Path("elsewhere")) == ["a.mrc", "b.mrc", "c.mrc"]
    assert not OUT.exists()


def test_dry_run_says_what_would_be_done_and_writes_nothing(batch):
    answer = batch("--dry-run")
    assert answer.code == 0
    assert "3 to do\n  raw/a.mrc -> raw/cryoscore/a.mrc\n" in answer.out
    assert "Nothing was written" in answer.out
    assert not OUT.exists()


def test_limit_include_and_exclude_choose(batch):
    batch("--limit", "1")
    assert images() == ["a.mrc"]
    batch("--include", "c*", "--include", "b.mrc", "--exclude", "b*")
    assert images() == ["a.mrc", "c.mrc"]


def test_parts_together_are_the_whole(batch):
    first = batch("--shard", "1/2")
    assert first.code == 0
    part = images()
    assert 0 < len(part) < 3
    second = batch("--shard", "2/2")
    assert f"{3 - len(part)} to do\n" in second.out
    assert images() == ["a.mrc", "b.mrc", "c.mrc"]


def test_wrong_part_ends_with_a_sentence(batch):
    answer = batch("--shard", "0/2")
    assert answer.code == 2
    assert "from 1/8 to 8/8" in answer.err


def test_bad_micrograph_fails_alone_and_is_tried_again_when_asked(batch, raw):
    whole = (raw / "b.mrc").read_bytes()
    (raw / "b.mrc").write_bytes(whole[:2000])
    first = batch()
    assert first.code == 1
    assert "1 FAILED" in first.out
    assert "Failed: raw/b.mrc is truncated" in first.err
    assert images() == ["a.mrc", "c.mrc"]
    second = batch()
    assert second.code == 1
    assert "0 to do, 2 were finished before, 1 failed before" in second.out
    assert "Failed: raw/b.mrc is truncated" in second.err
    third = batch("--retry-failed")
    assert "1 to do, 2 were finished before" in third.out
    assert third.code == 1
    (raw / "b.mrc").write_bytes(whole)
    assert batch().code == 0
    assert images() == ["a.mrc", "b.mrc", "c.mrc"]


def test_empty_folder_and_unknown_model_end_with_a_sentence(batch, shell, raw):
    Path("empty").mkdir()
    answer = batch(project="empty")
    assert answer.code == 1
    assert "No micrographs in empty" in answer.err
    answer = shell("batch", raw, "--model", "nonsense")
    assert answer.code == 2
    assert "neither a packaged model nor a file" in answer.err


def test_folder_that_cannot_be_written_ends_with_a_sentence(batch):
    Path("file").write_text("")
    answer = batch("--output", "file/out")
    assert answer.code == 1
    assert "Cannot write in the folder file/out" in answer.err


STAR = """
data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
opticsGroup1 1 3.0

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
_rlnCtfMaxResolution #3
MotionCorr/job002/Movies/a.mrc 1 3.5
MotionCorr/job002/Movies/b.mrc 1 4.5
"""
PIPELINE = """
data_pipeline_processes

loop_
_rlnPipeLineProcessName #1
_rlnPipeLineProcessAlias #2
_rlnPipeLineProcessTypeLabel #3
_rlnPipeLineProcessStatusLabel #4
CtfFind/job003/ None relion.ctffind.ctffind4 Succeeded
"""


@pytest.fixture
def relion_project(raw):
    """A RELION project `project` in the current folder, which is not it."""
    folder = raw.parent / "project"
    for name in "ab":
        add_micrograph(folder / f"MotionCorr/job002/Movies/{name}.mrc")
    (folder / "CtfFind/job003").mkdir(parents=True)
    (folder / "CtfFind/job003/micrographs_ctf.star").write_text(STAR)
    (folder / "default_pipeline.star").write_text(PIPELINE)
    return Path("project")


def test_relion_project_gives_a_table_that_relion_reads_from_its_folder(
    batch, relion_project
):
    answer = batch(project=relion_project)
    assert answer.code == 0
    assert (
        "RELION project project, table project/CtfFind/job003/micrographs_ctf.star: "
        "2 micrographs" in answer.out
    )
    table = relion_project / "cryoscore/micrographs_ctf_denoised.star"
    assert f"Pick particles on {table}" in answer.out
    found = starfile.read(table)["micrographs"]
    assert [*found["rlnMicrographName"]] == [
        "cryoscore/Movies/a.mrc",
        "cryoscore/Movies/b.mrc",
    ]
    assert [*found["rlnMicrographNameRaw"]] == [
        "MotionCorr/job002/Movies/a.mrc",
        "MotionCorr/job002/Movies/b.mrc",
    ]
    assert [*found["rlnCtfMaxResolution"]] == [3.5, 4.5]
    assert (relion_project / "cryoscore/Movies/a.mrc").is_file()


def test_table_of_a_part_has_what_all_parts_have_done(batch, relion_project):
    for number in (1, 2, 3):
        batch("--shard", f"{number}/3", project=relion_project)
    found = starfile.read(relion_project / "cryoscore/micrographs_ctf_denoised.star")
    assert len(found["micrographs"]) == 2


def test_in_mics_chooses_another_table(batch, relion_project):
    other = relion_project / "Select/job009/micrographs.star"
    other.parent.mkdir(parents=True)
    other.write_text(STAR.replace("MotionCorr/job002/Movies/b.mrc 1 4.5\n", ""))
    answer = batch("--in_mics", "Select/job009/micrographs.star", project="project")
    assert ": 1 micrograph\n" in answer.out
    assert images(relion_project / "cryoscore") == ["Movies/a.mrc"]


def test_table_in_the_place_of_a_project_is_taken(batch, relion_project, monkeypatch):
    monkeypatch.chdir(relion_project)
    answer = batch(project="CtfFind/job003/micrographs_ctf.star")
    assert answer.code == 0
    assert images(Path("cryoscore")) == ["Movies/a.mrc", "Movies/b.mrc"]


def test_binned_outputs_get_no_table(batch, relion_project):
    answer = batch("--write-binned", project=relion_project)
    assert "scale the coordinates" in answer.out
    assert not [*(relion_project / "cryoscore").glob("*.star")]


def test_watching_takes_what_comes_later_and_ends_when_idle(raw, tiny_checkpoint):
    words = ["batch", "raw", "--watch", "--watch-interval", "0.1", "--threads", "1"]
    words += ["--idle-limit", "0.03", "--model", str(tiny_checkpoint)]
    program = "import sys; from cryoscore_plugin.cli import main\nsys.exit(main(sys.argv[1:]))"
    watching = subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True
    )
    late = raw / "day2" / "late.mrc"
    deadline = time.monotonic() + 60
    while len(images() if OUT.exists() else []) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    add_micrograph(raw.parent / "elsewhere.mrc")
    whole = (raw.parent / "elsewhere.mrc").read_bytes()
    late.parent.mkdir()
    late.write_bytes(whole[:2000])
    time.sleep(0.5)
    assert len(images()) == 3
    late.write_bytes(whole)
    out, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0, out
    assert images() == ["a.mrc", "b.mrc", "c.mrc", "day2/late.mrc"]
    assert out.count("late.mrc") == 1
    assert read_header(OUT / "day2/late.mrc").shape == (1, 80, 96)


def test_killed_batch_goes_on_and_ends_with_the_same_bytes(batch, raw, tiny_checkpoint):
    for number in range(12):
        add_micrograph(raw / f"x{number:02}.mrc", seed=number)
    one = ("--threads", "1")
    program = (
        "import os, signal, sys\n"
        "from cryoscore_plugin.batch import run\n"
        "from cryoscore_plugin.cli import main\n"
        "save, count = run.save, []\n"
        "def killing(*words):\n"
        "    count.append(1)\n"
        "    if len(count) == 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return save(*words)\n"
        "run.save = killing\n"
        "main(sys.argv[1:])"
    )
    words = ["batch", "raw", "--model", str(tiny_checkpoint), *one]
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", program, *words], check=False)
        assert killed.returncode == -signal.SIGKILL
    answer = batch(*one)
    assert answer.code == 0
    assert "9 to do, 6 were finished before" in answer.out
    assert batch("--output", "whole", *one).code == 0
    assert [hash_of(OUT / name) for name in images()] == [
        hash_of(Path("whole") / name) for name in images()
    ]
    assert images() == images(Path("whole"))
    assert not [*OUT.rglob("*.part")]


def test_ledger_says_how_to_repeat_the_run(batch, tiny_checkpoint):
    batch("--limit", "2", "--include", "*.mrc", "--no-overwrite")
    [line] = [
        json.loads(line)
        for path in OUT.rglob("*.jsonl")
        for line in path.read_text().splitlines()
        if '"kind": "run"' in line
    ]
    assert shlex.split(line["command"]) == [
        *("cryoscore", "batch", "raw", "--include", "*.mrc", "--limit", "2"),
        *("--model", str(tiny_checkpoint), "--no-overwrite"),
    ]
    assert line["card"]["name"] == "tiny"
    assert line["settings"]["precision"] == "auto"
    assert line["folder"] == str(Path.cwd())


def test_name_of_a_model_is_that_of_the_engine(tiny_checkpoint):
    facts = read_model_facts(str(tiny_checkpoint))
    [denoiser, *_] = load_denoisers(
        DenoiseSettings(model=str(tiny_checkpoint), device="cpu")
    )
    assert facts.fingerprint == denoiser.fingerprint
    assert facts.card["name"] == "tiny"


def test_model_that_is_none_gets_the_words_of_the_engine(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0nonsense")
    with pytest.raises(CheckpointError, match="should be a cryoscore model"):
        read_model_facts(str(path))


def test_batch_writes_a_report_unless_told_not_to(batch):
    assert "Wrote raw/cryoscore/report.html." in batch().out
    assert "Wrote" not in batch().out  # Nothing new.
    for name in ("report.html", "report.csv", "report.json"):
        assert (OUT / name).is_file()
    batch("--no-report", "--output", "other")
    assert not Path("other/report.html").exists()


def test_report_is_made_anew_with_so_many_pictures(batch, shell):
    batch()
    all_of_them = f"all of them with <code>cryoscore report {OUT} --pictures 3</code>"
    for count, told in (
        (1, f"1 of 3 denoised micrographs are pictured; {all_of_them}."),
        (3, "All denoised micrographs are pictured."),
    ):
        answer = shell("report", OUT, "--pictures", count)
        assert answer.code == 0
        assert answer.out == f"Wrote {OUT}/report.html, report.csv and report.json.\n"
        text = (OUT / "report.html").read_text()
        assert told in text
        assert text.count("data:image/webp") == 2 * count


def test_report_on_another_folder_ends_with_a_sentence(shell, raw):
    answer = shell("report", raw)
    assert answer.code == 1
    assert "should be the folder of outputs of `cryoscore batch`" in answer.err
