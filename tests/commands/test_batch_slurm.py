"""A job array, and Dask workers, on a real Slurm that is started here for the test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cryoscore_plugin.batch.resume import hash_of
from cryoscore_plugin.cli import main

SCRIPT = Path(__file__).parents[2] / "examples/batch/array.sbatch"


@pytest.mark.slow
@pytest.mark.usefixtures("raw")
def test_array_job_denoises_each_micrograph_once(slurm, tiny_checkpoint):
    program = Path(sys.executable).with_name("cryoscore")
    words = ["raw", "--model", str(tiny_checkpoint)]
    one = ["--export=ALL", "--cpus-per-task=1", "--mem=500"]
    done = subprocess.run(
        ["sbatch", "--wait", "--array=1-3", *one, SCRIPT, *words],
        env=os.environ | slurm | {"CRYOSCORE": str(program), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    logs = "".join(path.read_text() for path in Path().glob("cryoscore-*.out"))
    assert done.returncode == 0, done.stderr + logs
    assert main(["batch", *words, "--output", "whole", "--threads", "1"]) == 0
    names = ["a.mrc", "b.mrc", "c.mrc"]
    for name in names:
        assert hash_of(Path("raw/cryoscore") / name) == hash_of(Path("whole") / name)
        assert logs.count(f"] {name} ") == 1
    assert len([*Path().glob("cryoscore-*.out")]) == 3


SITE = """\
jobs: 2
queue: test
cores: 1
processes: 1
job_cpu: 1
memory: 1GB
walltime: "00:10:00"
local_directory: {folder}
log_directory: {folder}
scheduler_options: {{host: 127.0.0.1, dashboard_address: null}}
"""


@pytest.mark.slow
def test_worker_that_slurm_takes_away_costs_no_micrograph(
    slurm, raw, tiny_checkpoint, tmp_path
):
    pytest.importorskip("dask_jobqueue", reason="Dask is not installed")
    for number in range(40):
        (raw / f"x{number:02}.mrc").write_bytes((raw / "a.mrc").read_bytes())
    (tmp_path / "site.yaml").write_text(SITE.format(folder=tmp_path))
    program = Path(sys.executable).with_name("cryoscore")
    words = [program, "batch", "raw", "--model", tiny_checkpoint, "--threads", "1"]
    cluster = ["--cluster", "slurm", "--cluster-settings", "site.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    batch = subprocess.Popen([*words, *cluster], env=os.environ | slurm, **pipes)
    try:
        deadline = time.monotonic() + 300
        while not [*raw.glob("cryoscore/*.mrc")]:
            assert time.monotonic() < deadline
            assert batch.poll() is None
            time.sleep(0.02)
        ask = ["squeue", "--noheader", "--states=RUNNING", "--format=%A"]
        jobs = subprocess.run(
            ask, env=os.environ | slurm, check=True, capture_output=True
        )
        [first, *_] = jobs.stdout.decode().split()
        subprocess.run(["scancel", first], env=os.environ | slurm, check=True)
        said, _ = batch.communicate(timeout=300)
    finally:
        batch.kill()
    assert batch.returncode == 0, said
    assert main([*map(str, words[1:]), "--output", "whole"]) == 0
    names = {path.name for path in raw.glob("*.mrc")}
    assert {path.name for path in raw.glob("cryoscore/*.mrc")} == names
    for name in names:
        assert hash_of(raw / "cryoscore" / name) == hash_of(Path("whole") / name)


def test_script_asks_for_parts_counted_from_one():
    text = SCRIPT.read_text()
    assert "--array=1-8" in text
    assert '--shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"' in text
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
