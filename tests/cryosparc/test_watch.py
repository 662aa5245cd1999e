"""A job follows a session that grows, and ends with it."""

from __future__ import annotations

import pytest


@pytest.fixture
def session(make_site):
    """A site in which J1 is running, and shows its first micrograph of three."""
    site = make_site(3)
    made = site.jobs["J1"].outputs["exposures"]
    site.all_rows = made.data
    made.data = made.data.slice(0, 1)
    site.jobs["J1"].status = "running"
    return site


@pytest.fixture
def watch(shell, tiny_checkpoint, monkeypatch):
    """`cryoscore cryosparc watch` of J1:exposures."""
    monkeypatch.setattr("cryosparc_jobs.watch.LOOK", 0.05)

    def run(*words):
        fixed = (
            "P1",
            "W1",
            "J1:exposures",
            "--model",
            tiny_checkpoint,
            "--threads",
            "1",
        )
        return shell("watch", *fixed, "--every", "0.1", *words)

    return run


def saved(site):
    job = site.jobs.get("J2")
    made = None if job is None else job.outputs.get("micrographs")
    if made is None or made.data is None:
        return []
    return [int(uid) for uid in made.data["uid"]]


def test_new_micrographs_are_added_while_the_job_runs(session, watch):
    seen = []

    def grow():
        if saved(session) and saved(session) not in seen:
            seen.append(saved(session))
            rows = session.all_rows.slice(0, len(seen) + 1)
            session.jobs["J1"].outputs["exposures"].data = rows
        if len(seen) == 3:
            session.jobs["J1"].status = "completed"

    session.hooks["jobs.load_input"] = grow
    answer = watch()
    assert answer.code == 0, answer.err
    assert seen == [[1001], [1001, 1002], [1001, 1002, 1003]]
    assert session.jobs["J2"].history == ["building", "running", "completed"]
    assert "3 of 3 micrographs are denoised." in answer.out


def test_micrographs_that_come_with_the_end_are_not_forgotten(session, watch):
    def end():
        session.jobs["J1"].outputs["exposures"].data = session.all_rows
        session.jobs["J1"].status = "completed"

    session.hooks["jobs.load_input"] = end
    assert watch().code == 0
    assert saved(session) == [1001, 1002, 1003]


def test_job_ends_when_nothing_has_come_for_a_while(session, watch):
    assert watch("--idle", "0").code == 0
    assert session.jobs["J1"].status == "running"
    assert session.jobs["J2"].status == "completed"
    assert saved(session) == [1001]


def test_kill_while_it_waits_stays_a_kill(session, watch):
    def kill():
        if saved(session):
            session.set_status(session.jobs["J2"], "killed")

    session.hooks["jobs.get_status"] = kill
    answer = watch("--every", "1000")
    assert answer.code == 1
    assert "stopped in CryoSPARC while it waited" in answer.err
    assert session.jobs["J2"].history[-1] == "killed"
    assert "completed" not in session.jobs["J2"].history


def test_session_that_shows_nothing_yet_is_waited_for(session, watch):
    rows = session.jobs["J1"].outputs["exposures"].data
    session.jobs["J1"].outputs["exposures"].data = None
    asked = []

    def begin():
        asked.append(1)
        if len(asked) > 3:
            session.jobs["J1"].outputs["exposures"].data = rows
            session.jobs["J1"].status = "completed"

    session.hooks["jobs.load_input"] = begin
    assert watch().code == 0
    assert saved(session) == [1001]
