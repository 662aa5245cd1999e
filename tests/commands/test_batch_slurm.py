"""A job array, and Dask workers, on a real Slurm that is started here for the test."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cryoscore_plugin.batch.resume import hash_of
from cryoscore_plugin.cli import main

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
SCRIPT = Path(__file__).parents[2] / "examples/batch/array.sbatch"
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={port}
SlurmdPort={next_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,defer_batch
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 \
ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports():
    """Two ports, one after the other, that nobody uses."""
    for port in range(21817, 22817, 2):
        try:
            for number in (port, port + 1):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    pytest.skip("no two free ports")


@pytest.fixture
def slurm(tmp_path_factory):
    """A Slurm of one node; its environment."""
    for name in PROGRAMS:
        if shutil.which(name) is None and not Path("/usr/sbin", name).exists():
            pytest.skip(f"Slurm is not installed ({name} is missing)")
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    munge = folder / "munge"
    munge.mkdir(mode=0o700)
    (munge / "key").write_bytes(secrets.token_bytes(1024))
    (munge / "key").chmod(0o400)
    port = free_ports()
    names = {"host": socket.gethostname().split(".")[0], "folder": folder}
    names |= {
        "port": port,
        "next_port": port + 1,
        "user": getpass.getuser(),
    }
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**names))
    (folder / "cgroup.conf").write_text("")
    environment = os.environ | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    daemons = [
        [
            *("munged", "--foreground", "--force", f"--socket={folder}/munge.sock"),
            *(f"--key-file={munge}/key", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={munge}/seed"),
        ],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-f", str(folder / "slurm.conf")],
    ]
    running = []
    try:
        for words in daemons:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            running.append(subprocess.Popen(words, env=environment, **quiet))
            time.sleep(1)
        for _ in range(60):
            found = subprocess.run(
                ["sinfo", "-h", "-o", "%t"],
                env=environment,
                check=False,
                capture_output=True,
            )
            if b"idle" in found.stdout:
                break
            time.sleep(0.5)
        else:
            pytest.skip(f"Slurm does not start here (see {folder}/slurmctld.log)")
        yield environment
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)


@pytest.mark.slow
@pytest.mark.usefixtures("raw")
def test_array_job_denoises_each_micrograph_once(slurm, tiny_checkpoint):
    program = Path(sys.executable).with_name("cryoscore")
    words = ["raw", "--model", str(tiny_checkpoint)]
    one = ["--export=ALL", "--cpus-per-task=1", "--mem=500"]
    done = subprocess.run(
        ["sbatch", "--wait", "--array=1-3", *one, SCRIPT, *words],
        env=slurm | {"CRYOSCORE": str(program), "OMP_NUM_THREADS": "1"},
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
    batch = subprocess.Popen([*words, *cluster], env=slurm, **pipes)
    try:
        deadline = time.monotonic() + 300
        while not [*raw.glob("cryoscore/*.mrc")]:
            assert time.monotonic() < deadline
            assert batch.poll() is None
            time.sleep(0.02)
        ask = ["squeue", "--noheader", "--states=RUNNING", "--format=%A"]
        jobs = subprocess.run(ask, env=slurm, check=True, capture_output=True)
        [first, *_] = jobs.stdout.decode().split()
        subprocess.run(["scancel", first], env=slurm, check=True)
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
