"""However a job ends, its folder says so with exactly one marker."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cryoscore_plugin.cli.exits import TerminatedError
from cryoscore_plugin.errors import ConfigError, InputError, JobAbortedError
from relion_wrappers.job import Marker, RelionJob, leave_marker

SUCCESS = "RELION_JOB_EXIT_SUCCESS"
FAILURE = "RELION_JOB_EXIT_FAILURE"
ABORTED = "RELION_JOB_EXIT_ABORTED"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def raise_it(error: BaseException) -> Callable[[RelionJob], None]:
    def act(_job: RelionJob) -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "marker"),
    [
        pytest.param(lambda _job: None, SUCCESS, id="done"),
        pytest.param(raise_it(SystemExit(0)), SUCCESS, id="exit 0"),
        pytest.param(raise_it(SystemExit(3)), FAILURE, id="exit 3"),
        pytest.param(raise_it(ConfigError("wrong")), FAILURE, id="our error"),
        pytest.param(raise_it(ZeroDivisionError()), FAILURE, id="bug"),
        pytest.param(raise_it(MemoryError()), FAILURE, id="memory"),
        pytest.param(raise_it(JobAbortedError("stop")), ABORTED, id="abort"),
        pytest.param(raise_it(KeyboardInterrupt()), ABORTED, id="Ctrl-C"),
        pytest.param(
            lambda _job: os.kill(os.getpid(), signal.SIGTERM), ABORTED, id="SIGTERM"
        ),
        pytest.param(
            lambda _job: os.kill(os.getpid(), signal.SIGHUP), ABORTED, id="hung up"
        ),
    ],
)
def test_each_end_leaves_its_marker_and_no_other(
    tmp_path: Path, act: Callable[[RelionJob], None], marker: str
) -> None:
    with suppress(BaseException), RelionJob(tmp_path) as job:
        act(job)
    assert names_in(tmp_path) == [marker]


def test_an_error_goes_on_to_whoever_tells_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wrong"), RelionJob(tmp_path):
        raise_it(ConfigError("wrong"))(None)


def test_a_second_sigterm_does_not_prevent_the_marker(tmp_path: Path) -> None:
    with suppress(TerminatedError), RelionJob(tmp_path):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
    assert names_in(tmp_path) == [ABORTED]


def test_sigterm_after_the_work_does_not_spoil_the_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(folder: Path, marker: Marker) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        leave_marker(folder, marker)

    monkeypatch.setattr("relion_wrappers.job.leave_marker", interrupted)
    with RelionJob(tmp_path):
        pass
    assert names_in(tmp_path) == [SUCCESS]


def test_signals_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    with RelionJob(tmp_path):
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before


def test_a_job_under_nohup_stays_deaf_to_hanging_up(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with RelionJob(tmp_path):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert names_in(tmp_path) == [SUCCESS]


def test_markers_of_the_last_run_are_removed_first(tmp_path: Path) -> None:
    names = [
        SUCCESS,
        FAILURE,
        ABORTED,
        "RELION_JOB_ABORT_NOW",
    ]
    for name in names:
        (tmp_path / name).touch()
    with RelionJob(tmp_path) as job:
        assert names_in(tmp_path) == []
        assert not job.abort_requested()


@pytest.mark.parametrize("name", ["RELION_JOB_ABORT_NOW", "PIPELINER_JOB_ABORT_NOW"])
def test_abort_is_requested_by_a_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relion_wrappers.job._PATIENCE", 0.2)
    with RelionJob(tmp_path) as job:
        assert not job.abort_requested()
        (tmp_path / name).touch()
        assert job.abort_requested()


def test_request_of_the_pipeliner_made_before_the_start_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relion_wrappers.job._PATIENCE", 0.0)
    (tmp_path / "PIPELINER_JOB_ABORT_NOW").touch()
    with RelionJob(tmp_path) as job:
        assert job.abort_requested()


def test_job_waits_for_the_signal_that_follows_the_request_of_the_pipeliner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relion_wrappers.job._PATIENCE", 60.0)
    signaller = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    (tmp_path / "PIPELINER_JOB_ABORT_NOW").touch()
    signaller.start()
    with pytest.raises(TerminatedError), RelionJob(tmp_path) as job:
        job.abort_requested()
    signaller.join()
    assert names_in(tmp_path) == ["PIPELINER_JOB_ABORT_NOW", ABORTED]


def test_wait_for_the_signal_ends_with_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relion_wrappers.job._PATIENCE", 60.0)
    request = tmp_path / "PIPELINER_JOB_ABORT_NOW"
    with RelionJob(tmp_path) as job:
        request.touch()
        remover = threading.Timer(0.3, request.unlink)
        remover.start()
        assert job.abort_requested()
    remover.join()


def test_missing_folder_is_made(tmp_path: Path) -> None:
    with RelionJob(tmp_path / "External/job001"):
        pass
    assert names_in(tmp_path / "External/job001") == [SUCCESS]


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "External").write_text("a file")
    with pytest.raises(InputError, match="Cannot use the job folder"):
        RelionJob(tmp_path / "External/job001").__enter__()


def test_a_marker_takes_the_place_of_the_others(tmp_path: Path) -> None:
    for marker in (*Marker, *Marker):
        leave_marker(tmp_path, marker)
        assert names_in(tmp_path) == [marker.value]
