"""A CryoSPARC user gets a model from exposures, and a job that behaves as one."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from cryoscore_plugin.checkpoint import load_checkpoint

V5 = int(sys.modules["cryosparc"].__version__.split(".")[0]) >= 5


@pytest.fixture(autouse=True)
def _ask_at_each_step(monkeypatch):
    monkeypatch.setattr("cryosparc_jobs.train.LOOK", 0.0)


def model_of(site, uid="J2"):
    return load_checkpoint(site.folder / uid / "own.safetensors")


def texts(job):
    return [event["text"] for event in job.events]


def test_job_completes_with_a_model_that_learnt_from_halves(trained):
    assert trained.code == 0
    assert trained.job.history == ["building", "running", "completed"]
    objective = model_of(trained.site).card.training["objective"]
    assert objective == "re-corruption, odd and even frames"


@pytest.mark.parametrize(
    "words",
    [
        "cryoscore 0.",
        "Raw micrographs: J1:exposures",
        "steps=3",
        "Model tiny: Random weights, for tests.",
        "Learning from 3 micrographs: odd and even frames.",
        "Your model is ",
    ],
)
def test_event_log_of_a_training_tells(trained, words):
    assert any(words in line for line in texts(trained.job))


def test_job_says_how_its_model_is_used(trained):
    model = trained.site.folder / "J2/own.safetensors"
    command = f"cryoscore cryosparc denoise P1 W1 J1:exposures --model {model}"
    assert texts(trained.job)[-1] == f"Use it: {command}"
    assert command in trained.out


def test_curve_is_in_the_event_log_and_on_the_card(trained):
    [plot] = [event for event in trained.job.events if event["type"] == "image"]
    assert trained.site.assets[plot["imgfiles"][0]["fileid"]].startswith(b"\x89PNG")
    assert (trained.job.tile is not None) == V5


def test_provenance_of_a_training_has_its_verdict(trained):
    facts = json.loads((trained.site.folder / "J2/provenance.json").read_text())
    assert facts["new model"]["verdict"] in texts(trained.job)
    assert facts["settings"]["steps"] == 3
    assert facts["command"].startswith("cryoscore cryosparc train P1 W1 J1:exposures")


def test_progress_is_a_line_that_changes_or_one_for_each_judgement(trained):
    lines = [line for line in texts(trained.job) if line.startswith("step ")]
    assert len(lines) == (1 if V5 else 3)
    assert lines[-1].startswith("step 3 of 3: loss ")
    assert "risk on held-out micrographs" in lines[-1]


def test_files_of_a_training_have_the_permissions_of_the_project(trained):
    for name in ("own.safetensors", "curve.csv", "curve.png", "provenance.json"):
        assert (trained.site.folder / "J2" / name).stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("secret", ["not-for-logs", "ali@example.com"])
def test_no_secret_is_told_by_a_training(trained, secret):
    assert secret not in json.dumps(trained.job.events) + trained.out
    for path in (trained.site.folder / "J2").rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()


def test_denoise_job_takes_the_model(site, shell, trained):
    model = trained.site.folder / "J2/own.safetensors"
    answer = shell("denoise", "P1", "W1", "J1:exposures", "--model", model)
    assert answer.code == 0, answer.err
    assert any("Model own: tiny, trained on" in line for line in texts(site.jobs["J2"]))


def test_halves_that_lie_otherwise_are_told_and_not_used(site, train, add_halves):
    add_halves(site, images=(3,))
    assert train().code == 0
    told = texts(site.jobs["J2"])
    assert any("should hold two images, of odd and even frames" in one for one in told)
    assert "Learning from 3 micrographs: single images, without halves." in told


@pytest.mark.parametrize("way", ["kill", "signal"])
def test_job_that_was_stopped_ends_with_the_same_model(
    site, train, add_halves, trained, way
):
    add_halves(site)
    stopped: list[str] = []

    def stop():
        if (site.folder / "J2/state.pt").exists() and not stopped:
            stopped.append(way)
            if way == "kill":
                site.set_status(site.jobs["J2"], "killed")
            else:
                os.kill(os.getpid(), signal.SIGTERM)

    site.hooks["jobs.get_status"] = stop
    answer = train()
    job = site.jobs["J2"]
    assert answer.code == (1 if way == "kill" else 143)
    assert job.history[-1] == ("killed" if way == "kill" else "failed")
    assert not (site.folder / "J2/own.safetensors").exists()
    site.hooks.clear()
    answer = train("--job", "J2")
    assert answer.code == 0, answer.err
    assert any(line.startswith("Going on after step ") for line in texts(job))
    assert job.history[-1] == "completed"
    assert model_of(site).sha256 == model_of(trained.site).sha256


def test_other_settings_do_not_go_on_with_a_job(site, train):

    def kill():
        if (site.folder / "J2/training.json").exists():
            site.set_status(site.jobs["J2"], "killed")

    site.hooks["jobs.get_status"] = kill
    assert train().code == 1
    site.hooks.clear()
    answer = train("--job", "J2", "--seed", "7")
    assert answer.code == 2
    assert "was begun with other values of seed" in answer.err


def test_project_that_is_not_here_is_learnt_from_through_the_server(
    site, train, add_halves, tmp_path
):
    add_halves(site)
    site.told_folder = "/not/on/this/machine"
    scratch = tmp_path / "mine"
    answer = train("--scratch", scratch)
    assert answer.code == 0, answer.err
    sent = site.folder / "J2"
    for name in ("own.safetensors", "curve.csv", "training.json", "provenance.json"):
        assert (sent / name).exists()
    # What is of use here stays, and nothing else.
    assert [path.name for path in scratch.iterdir()] == ["own.safetensors"]
    kept = (scratch / "own.safetensors").read_bytes()
    assert (sent / "own.safetensors").read_bytes() == kept
    assert f"--model {scratch / 'own.safetensors'}" in answer.out
    fetched = site.calls.count("projects.download_file")
    assert fetched >= 3


def test_micrograph_that_cannot_be_fetched_is_left_out(make_site, train):
    site = make_site(4)
    [path] = site.folder.glob("J1/motioncorrected/*_mic_1002.mrc")
    path.unlink()
    path.symlink_to("/microscope/raw.mrc")
    assert train().code == 0
    told = " ".join(texts(site.jobs["J2"]))
    assert "(a link to /microscope/raw.mrc)" in told
    assert "Left out: " in told


def test_one_micrograph_is_not_enough(make_site, train):
    site = make_site(1)
    answer = train()
    assert answer.code == 1
    assert "At least 2 micrographs are needed" in answer.err
    assert site.jobs["J2"].status == "failed"


def test_wrong_kind_of_output_is_refused_before_a_job_is_made(site, train):
    site.jobs["J1"].outputs["exposures"].type = "particle"
    answer = train()
    assert answer.code == 1
    assert "should be exposures with micrograph_blob, but holds particle" in answer.err
    assert set(site.jobs) == {"J1"}


def test_full_disk_fails_a_training_and_a_restart_finishes_it(site, train, monkeypatch):
    write = Path.write_bytes

    def full(path, data):
        if "state.pt" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as each:
        each.setattr(Path, "write_bytes", full)
        answer = train()
    assert answer.code == 1
    assert "cannot be written: No space left on device. Make room" in answer.err
    assert "Traceback" not in answer.err
    assert site.jobs["J2"].status == "failed"
    assert not list((site.folder / "J2").glob("*.part"))
    assert train("--job", "J2").code == 0
    assert site.jobs["J2"].status == "completed"


def test_model_that_never_arrives_fails_the_job_and_a_restart_sends_it(
    site, train, fault
):
    site.told_folder = "/not/on/this/machine"
    made = fault("projects.upload_file", "code", times=10_000, code=507)
    answer = train()
    assert answer.code == 1
    assert "should store J2/own.safetensors whole" in answer.err
    assert site.jobs["J2"].status == "failed"
    made.times = 0
    answer = train("--job", "J2")
    assert answer.code == 0, answer.err
    assert any("Going on after step 3." in line for line in texts(site.jobs["J2"]))
    assert model_of(site).card.name == "own"
