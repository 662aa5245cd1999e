"""A real Slurm of one node, on the loopback device, for tests; without systemd.

Debian's packages `slurmctld`, `slurmd`, `slurm-client` and `munge` are enough.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
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


def free_ports() -> int:
    """The first of two ports that nobody uses."""
    for port in range(21817, 22817, 2):
        try:
            for number in (port, port + 1):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    pytest.skip("no two free ports")


@contextmanager
def running_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start a Slurm of one node with its files in a folder.

    Gives what a command that uses it needs in its environment.
    """
    for name in PROGRAMS:
        if shutil.which(name) is None and not Path("/usr/sbin", name).exists():
            pytest.skip(f"Slurm is not installed ({name} is missing)")
    _configure(folder)
    changes = {
        "SLURM_CONF": f"{folder}/slurm.conf",
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    environment = os.environ | changes
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = []
    try:
        for words in _daemons(folder):
            running.append(subprocess.Popen(words, env=environment, **quiet))
            time.sleep(1)
        if not _is_idle(environment):
            pytest.skip(f"Slurm does not start here (see {folder}/slurmctld.log)")
        yield changes
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)


def _configure(folder: Path) -> None:
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge").mkdir(mode=0o700)
    key = folder / "munge/key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    port = free_ports()
    configuration = CONFIGURATION.format(
        host=socket.gethostname().split(".")[0],
        folder=folder,
        port=port,
        next_port=port + 1,
        user=getpass.getuser(),
    )
    (folder / "slurm.conf").write_text(configuration)
    (folder / "cgroup.conf").write_text("")


def _daemons(folder: Path) -> list[list[str]]:
    return [
        [
            *("munged", "--foreground", "--force", f"--socket={folder}/munge.sock"),
            *(f"--key-file={folder}/munge/key", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge/seed"),
        ],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-f", f"{folder}/slurm.conf"],
    ]


def _is_idle(environment: dict[str, str]) -> bool:
    """Wait until the node takes jobs; False if it never does."""
    ask = ["sinfo", "-h", "-o", "%t"]
    for _ in range(60):
        found = subprocess.run(ask, env=environment, check=False, capture_output=True)
        if b"idle" in found.stdout:
            return True
        time.sleep(0.5)
    return False
