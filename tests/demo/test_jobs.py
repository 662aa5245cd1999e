"""The demo runs the job as RELION would, and says when it did not succeed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cryoscore_plugin.demo import jobs
from cryoscore_plugin.errors import CryoScoreError

SUCCEEDS = 'touch "$2/RELION_JOB_EXIT_SUCCESS"'


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Makes a shell script that takes the place of the External job's command."""
    # As if there were no RELION.
    monkeypatch.setattr("shutil.which", lambda _: None)

    def make(body: str) -> Path:
        script = tmp_path / "stand-in"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(jobs, "find_executable", lambda: script)
        return script

    return make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_job_is_called_with_the_words_of_relion(stand_in, project: Path) -> None:
    script = stand_in(f'echo "$@"; pwd; {SUCCEEDS}')
    run = jobs.run_job(project, pixel_size=1.5, model="particle")
    words = f"--o External/job001/ --in_mics micrographs.star --j {jobs.cpu_count()}"
    output = (run.folder / "run.out").read_text().splitlines()
    assert output == [f"{words} --model particle", str(project)]
    assert run.command == f"{script} {words} --model particle"
    assert run.folder == project / "External" / "job001"


def test_model_is_left_to_the_job_unless_given(stand_in, project: Path) -> None:
    stand_in(SUCCEEDS)
    assert "--model" not in jobs.run_job(project, pixel_size=1.5, model=None).command


def test_exit_code_of_the_job_is_told_with_its_message(stand_in, project: Path) -> None:
    stand_in("echo the disk is full >&2; exit 3")
    with pytest.raises(CryoScoreError, match=r"(?s)ended with 3.*the disk is full"):
        jobs.run_job(project, pixel_size=1.5, model=None)


def test_job_without_success_marker_has_not_succeeded(stand_in, project: Path) -> None:
    stand_in("exit 0")
    with pytest.raises(CryoScoreError, match=r"RELION_JOB_EXIT_SUCCESS, but did not"):
        jobs.run_job(project, pixel_size=1.5, model=None)


def test_job_that_never_ends_is_stopped(
    stand_in, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in("exec sleep 60")
    monkeypatch.setattr(jobs, "PATIENCE", 0.2)
    with pytest.raises(CryoScoreError, match=r"should end within 0.2 s"):
        jobs.run_job(project, pixel_size=1.5, model=None)


def test_missing_command_comes_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(CryoScoreError, match="Install cryoscore again"):
        jobs.find_executable()
