"""Jobs of a real RELION that are aborted, cancelled or killed, and go on.

Two hundred small micrographs, which a job of its own denoises without being disturbed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from relion_project import (
    Project,
    images_in,
    needs_relion,
    stopped,
    write_micrograph,
    write_table,
)

pytestmark = [pytest.mark.slow, needs_relion]

COUNT = 200
TEMPLATE = Path(__file__).parents[2] / "examples/relion/slurm.sh"


@pytest.fixture(scope="module")
def many(project: Project) -> str:
    """A table of 200 small micrographs in a folder of their own."""
    names = [f"Many/mic{number:03d}.mrc" for number in range(COUNT)]
    write_micrograph(project.folder / names[0], 5, side=96)
    for name in names[1:]:
        shutil.copy(project.folder / names[0], project.folder / name)
    return write_table(project, "many.star", names)


@pytest.fixture(scope="module")
def whole(project: Project, many: str) -> str:
    """A job that nothing disturbed."""
    job = project.add_denoising(many)
    assert project.run(job) == "Succeeded", project.run_out(job)
    return job


def markers(project: Project, job: str) -> list[str]:
    return sorted(p.name for p in (project.folder / job).glob("RELION_JOB_*"))


def times(project: Project, job: str) -> dict[str, int]:
    images = (project.folder / job / "Many").glob("[!.]*.mrc")
    return {path.name: path.stat().st_mtime_ns for path in images}


def assert_like(project: Project, job: str, whole: str) -> None:
    """Every micrograph once, nothing half, one marker, and the bytes of the other job."""
    assert markers(project, job) == ["RELION_JOB_EXIT_SUCCESS"]
    assert len(list((project.folder / job / "Many").iterdir())) == COUNT
    assert images_in(project, job) == images_in(project, whole)
    names = "denoised_micrographs.star"
    here, there = ((project.folder / one / names).read_text() for one in (job, whole))
    assert here == there.replace(whole, job)


def test_job_that_is_aborted_and_killed_goes_on_with_what_is_missing(
    project: Project, many: str, whole: str
) -> None:
    job = project.add_denoising(many)
    pipeliner = project.start(job)
    project.wait_for(lambda: len(times(project, job)) >= 2)
    (project.folder / job / "RELION_JOB_ABORT_NOW").touch()
    asked = time.time_ns()
    project.finish(pipeliner)
    assert project.status(job) == "Aborted"
    assert markers(project, job) == ["RELION_JOB_ABORT_NOW", "RELION_JOB_EXIT_ABORTED"]
    aborted = times(project, job)
    assert 2 <= len(aborted) < COUNT
    # The one that was computed, and the one before it, which was being written.
    assert sum(moment > asked for moment in aborted.values()) <= 2

    pipeliner = project.start(job)
    moment = np.random.default_rng(11).integers(len(aborted) + 1, COUNT - 10)
    project.wait_for(lambda: len(times(project, job)) >= moment)
    os.kill(project.pid_of(job), signal.SIGKILL)
    stopped(project, pipeliner, job)
    killed = times(project, job)
    assert moment <= len(killed) < COUNT
    assert aborted.items() <= killed.items()

    assert project.run(job) == "Succeeded"
    assert killed.items() <= times(project, job).items()
    assert_like(project, job, whole)


@pytest.fixture
def queued(project: Project, slurm: dict[str, str]) -> Project:
    """The project of a RELION that finds Slurm."""
    environment = project.environment | slurm
    environment["PATH"] = f"{project.environment['PATH']}:/usr/sbin"
    return Project(
        folder=project.folder, checkpoint=project.checkpoint, environment=environment
    )


def add_queued(queued: Project, many: str) -> str:
    """Add our job as one to submit; return its name.

    Slurm gives two threads, as RELION asks; one is faster for such small micrographs.
    """
    return queued.add_denoising(
        many,
        do_queue="Yes",
        qsub="sbatch",
        qsubscript=str(TEMPLATE),
        queuename="test",
        nr_threads="2",
        other_args=f"--model {queued.checkpoint} --device cpu --threads 1",
    )


def in_queue(queued: Project, form: str) -> str:
    """What Slurm says about its jobs."""
    words = ["squeue", "--noheader", f"--format={form}"]
    answer = subprocess.run(
        words, env=queued.environment, check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()


def test_job_in_the_queue_that_is_cancelled_and_killed_goes_on(
    queued: Project, many: str, whole: str
) -> None:
    job = add_queued(queued, many)
    pipeliner = queued.start(job)
    queued.wait_for(lambda: len(times(queued, job)) >= 2)
    number, name, threads, partition = in_queue(queued, "%A %j %c %P").split()
    assert (name, threads, partition) == (job, "2", "test")
    subprocess.run(["scancel", number], env=queued.environment, check=True)
    queued.finish(pipeliner)
    assert queued.status(job) == "Aborted"
    assert markers(queued, job) == ["RELION_JOB_EXIT_ABORTED"]
    cancelled = times(queued, job)

    pipeliner = queued.start(job)
    queued.wait_for(lambda: len(times(queued, job)) > len(cancelled))
    os.kill(queued.pid_of(job), signal.SIGKILL)
    queued.finish(pipeliner)
    assert queued.status(job) == "Failed"
    assert markers(queued, job) == ["RELION_JOB_EXIT_FAILURE"]
    killed = times(queued, job)
    assert 2 <= len(cancelled) < len(killed) < COUNT

    assert queued.run(job) == "Succeeded"
    assert killed.items() <= times(queued, job).items()
    assert_like(queued, job, whole)


def test_template_leaves_a_job_alone_that_has_told_its_end(tmp_path: Path) -> None:
    """Else its end could meet the next run of the job, whose markers are gone."""
    for command, expected in (
        ("false", []),
        ("kill -KILL $BASHPID", ["RELION_JOB_EXIT_FAILURE"]),
        (
            "touch RELION_JOB_EXIT_ABORTED; kill -KILL $BASHPID",
            ["RELION_JOB_EXIT_ABORTED"],
        ),
    ):
        folder = tmp_path / str(len(command))
        folder.mkdir()
        text = TEMPLATE.read_text().replace("XXXcommandXXX", f"({command})")
        script = text.replace("XXXoutfileXXX", f"{folder}/run.out")
        ended = subprocess.run(["bash", "-c", script], cwd=folder, check=False)
        assert ended.returncode == (1 if command == "false" else 137)
        assert sorted(path.name for path in folder.iterdir()) == expected
