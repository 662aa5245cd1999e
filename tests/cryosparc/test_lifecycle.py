"""A job ends as it deserves: completed, failed, or as somebody ended it in CryoSPARC."""

from __future__ import annotations

import os
import signal

import pytest


def once_one_is_finished(site, act):
    """Do something when the status is asked and a micrograph is there; count those."""
    counts = []

    def hook():
        if outputs(site) and not counts:
            counts.append(len(outputs(site)))
            act()

    site.hooks["jobs.get_status"] = hook
    return counts


def outputs(site, uid="J2"):
    return sorted((site.folder / uid / "denoised").glob("*_denoised.mrc"))


def kill(site):
    """What the button in the interface does; a second time it changes nothing."""
    if site.jobs["J2"].status == "running":
        site.set_status(site.jobs["J2"], "killed")


def leftovers(site):
    return list(site.folder.rglob("*.part"))


def test_device_that_is_not_there_fails_the_job_with_the_reason(
    site, shell, tiny_checkpoint
):
    words = ("P1", "W1", "J1:exposures", "--model", tiny_checkpoint, "--device", "7")
    answer = shell("denoise", *words)
    job = site.jobs["J2"]
    assert answer.code == 1
    assert job.history == ["building", "running", "failed"]
    [error] = [e["text"] for e in job.events if e["type"] == "error"]
    assert error in answer.err


def test_bug_of_ours_fails_the_job_with_its_traceback(site, denoise, monkeypatch):
    def broken(*_args, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr("cryosparc_jobs.steps.denoise_micrographs", broken)
    answer = denoise()
    job = site.jobs["J2"]
    assert answer.code == 1
    assert job.status == "failed"
    [error] = [e["text"] for e in job.events if e["type"] == "error"]
    assert "ZeroDivisionError" in error
    assert "Traceback" in error


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
)
def test_signal_fails_the_job_and_keeps_what_is_finished(site, denoise, number, code):
    before = signal.getsignal(signal.SIGTERM)
    once_one_is_finished(site, lambda: os.kill(os.getpid(), number))
    answer = denoise()
    job = site.jobs["J2"]
    assert answer.code == code
    assert job.history == ["building", "running", "failed"]
    assert any("What is finished is kept" in e["text"] for e in job.events)
    assert not leftovers(site)
    assert signal.getsignal(signal.SIGTERM) is before


def test_kill_stops_within_one_micrograph_and_stays_a_kill(make_site, denoise):
    site = make_site(6)
    at_kill = once_one_is_finished(site, lambda: kill(site))
    answer = denoise()
    assert answer.code == 1
    assert site.jobs["J2"].history == ["building", "running", "killed"]
    assert len(outputs(site)) <= at_kill[0] + 1 < 6
    assert site.jobs["J2"].outputs["micrographs"].data is None
    assert "Stopped as asked" in answer.err


@pytest.mark.parametrize("moment", ["projects.mkdir", "jobs.save_output"])
def test_kill_at_any_other_moment_stays_a_kill(site, denoise, moment):
    site.hooks[moment] = lambda: kill(site)
    answer = denoise()
    assert answer.code == 1
    assert site.jobs["J2"].history[-1] == "killed"
    assert not {"completed", "failed"} & set(site.jobs["J2"].history)


def test_job_that_was_stopped_goes_on_and_does_nothing_twice(make_site, denoise):
    site = make_site(4)
    once_one_is_finished(site, lambda: kill(site))
    denoise()
    before = {path: path.stat().st_mtime_ns for path in outputs(site)}
    assert before
    answer = denoise("--job", "J2")
    assert answer.code == 0, answer.err
    assert site.jobs["J2"].history[-2:] == ["running", "completed"]
    assert list(site.jobs["J2"].outputs["micrographs"].data["uid"]) == [
        1001,
        1002,
        1003,
        1004,
    ]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert f"{len(before)} of them by an earlier run" in answer.out


def test_job_of_other_micrographs_is_refused(site, denoise):
    site.jobs["J1"].outputs["others"] = site.jobs["J1"].outputs["exposures"]
    once_one_is_finished(site, lambda: kill(site))
    denoise()
    answer = denoise("--job", "J2", source="J1:others")
    assert answer.code == 1
    assert "should be connected to J1:others, but is to J1:exposures" in answer.err
    assert site.jobs["J2"].status == "killed"


@pytest.mark.parametrize("status", ["running", "waiting"])
def test_job_that_runs_is_not_started_again(site, denoise, status):
    site.create("snowflake")
    site.set_status(site.jobs["J2"], status)
    answer = denoise("--job", "J2")
    assert answer.code == 1
    assert "cryoscore cryosparc reset P1 J2" in answer.err
    assert site.jobs["J2"].status == status


def test_completed_job_is_left_alone(site, denoise):
    site.create("snowflake")
    site.set_status(site.jobs["J2"], "completed")
    answer = denoise("--job", "J2")
    assert answer.code == 1
    assert "J2 is completed already" in answer.err


@pytest.mark.usefixtures("site")
def test_job_of_another_kind_is_refused(denoise):
    answer = denoise("--job", "J1")
    assert answer.code == 1
    assert "J1 should be an External job" in answer.err


def test_reset_frees_a_job_that_a_crash_left_running(site, shell, denoise):
    site.create("snowflake")
    site.set_status(site.jobs["J2"], "running")
    answer = shell("reset", "P1", "J2")
    assert answer.code == 0
    assert site.jobs["J2"].status == "failed"
    assert "J2 was running, and is failed now. Go on with --job J2." in answer.out
    assert denoise("--job", "J2").code == 0
    assert site.jobs["J2"].status == "completed"


def test_reset_leaves_a_job_that_has_ended(site, shell):
    site.create("snowflake")
    site.set_status(site.jobs["J2"], "killed")
    answer = shell("reset", "P1", "J2")
    assert "J2 is killed; there is nothing to reset." in answer.out
    assert site.jobs["J2"].status == "killed"
