"""Whatever goes wrong: one clear sentence, the right status, no half file, and a restart."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

MAJOR = int(sys.modules["cryosparc"].__version__.split(".")[0])
ALWAYS = 10_000


def denoised(site, uid="J2"):
    return sorted((site.folder / uid / "denoised").glob("*.mrc"))


def assert_whole(site, count=3):
    """All outputs are there, and each has all of its pixels."""
    assert len(denoised(site)) == count
    for path in denoised(site):
        with mrcfile.open(path) as file:
            assert file.data.shape == (80, 96)
    assert not list(site.folder.rglob("*.part"))


def one_sentence(answer):
    """What the user sees, without a traceback."""
    assert "Traceback" not in answer.err
    assert "bug of cryoscore" not in answer.err
    return answer.err


# Logging in


def test_refused_login_is_told_without_the_password(site, denoise, monkeypatch):
    monkeypatch.setenv("CRYOSPARC_PASSWORD", "wrong-secret")
    answer = denoise()
    assert answer.code == 1
    assert "refused the login of ali@example.com" in one_sentence(answer)
    assert "wrong-secret" not in answer.err
    assert set(site.jobs) == {"J1"}


@pytest.mark.usefixtures("site")
def test_missing_login_comes_with_what_to_type(denoise, monkeypatch):
    monkeypatch.delenv("CRYOSPARC_PASSWORD")
    answer = denoise()
    assert answer.code == 2
    words = "cryosparc.tools login --url" if MAJOR >= 5 else "needs CRYOSPARC_PASSWORD"
    assert words in one_sentence(answer)


@pytest.mark.usefixtures("site")
def test_server_that_is_not_there_is_named(denoise, monkeypatch):
    monkeypatch.setenv("CRYOSPARC_BASE_URL", "http://127.0.0.1:9")
    answer = denoise()
    assert answer.code == 1
    assert "should answer at http://127.0.0.1:9, but does not" in one_sentence(answer)


def test_another_minor_version_is_a_warning_in_shell_and_event_log(site, denoise):
    site.version = f"v{MAJOR}.9.0"
    answer = denoise()
    assert answer.code == 0
    assert f'pip install "cryosparc-tools~={MAJOR}.9.0"' in answer.err
    warnings = [e["text"] for e in site.jobs["J2"].events if "~=" in e["text"]]
    assert len(warnings) == 1


def test_another_major_version_is_refused_before_a_job_is_made(site, denoise):
    site.version = "v4.7.1" if MAJOR >= 5 else "v5.0.3"
    answer = denoise()
    assert answer.code in {1, 2}
    assert 'pip install "cryosparc-tools~=' in one_sentence(answer)
    assert set(site.jobs) == {"J1"}


# Words that mean nothing here


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("P7", "W1", "J1:exposures"), "should find the project P7"),
        (("P1", "W7", "J1:exposures"), "should find the workspace W7"),
        (("P1", "W1", "J7:exposures"), "should find the job P1 J7"),
        (("P1", "W1", "J1:particles"), "output particles, but has exposures"),
        (("P1", "W1", "J1"), "wanted as JOB:OUTPUT, such as J42:exposures"),
    ],
)
def test_what_is_not_there_is_named(site, shell, tiny_checkpoint, words, sentence):
    answer = shell("denoise", *words, "--model", tiny_checkpoint)
    assert answer.code in {1, 2}
    assert sentence in one_sentence(answer)
    assert set(site.jobs) == {"J1"}


def test_output_without_micrographs_is_refused_before_a_job_is_made(site, denoise):
    made = site.jobs["J1"].outputs["exposures"]
    made.slots = [slot for slot in made.slots if slot.name != "micrograph_blob"]
    answer = denoise()
    assert answer.code == 1
    assert "should be exposures with micrograph_blob, but holds" in one_sentence(answer)
    assert set(site.jobs) == {"J1"}


def test_particles_are_refused_before_a_job_is_made(site, denoise):
    site.jobs["J1"].outputs["exposures"].type = "particle"
    answer = denoise()
    assert answer.code == 1
    assert "but holds particle" in one_sentence(answer)
    assert set(site.jobs) == {"J1"}


# A server that is not well


@pytest.mark.parametrize(
    "function",
    ["jobs.save_output", "jobs.load_input", "jobs.mark_running", "projects.mkdir"],
)
def test_one_error_of_the_server_is_borne(site, denoise, fault, function):
    fault(function, "code")
    assert denoise().code == 0
    assert site.jobs["J2"].status == "completed"


@pytest.mark.parametrize(
    ("function", "after"), [("jobs.save_output", 100), ("jobs.load_input", 0)]
)
def test_one_dropped_connection_is_borne(site, denoise, fault, function, after):
    fault(function, "drop", after=after)
    assert denoise().code == 0
    assert site.jobs["J2"].status == "completed"
    assert len(site.jobs["J2"].outputs["micrographs"].data) == 3


def test_outputs_that_cannot_be_saved_fail_the_job_and_a_restart_saves_them(
    site, denoise, fault
):
    made = fault("jobs.save_output", "code", times=ALWAYS)
    answer = denoise()
    assert answer.code == 1
    assert "should save J2:micrographs, but answered" in one_sentence(answer)
    assert site.jobs["J2"].history[-1] == "failed"
    made.times = 0
    assert denoise("--job", "J2").code == 0
    assert site.jobs["J2"].status == "completed"
    assert_whole(site)


def test_event_log_that_is_down_is_told_once_and_stops_nothing(site, denoise, fault):
    fault("jobs.add_event_log", "code", times=ALWAYS)
    answer = denoise()
    assert answer.code == 0
    assert answer.err.count("for the event log of J2 was lost") == 1
    assert site.jobs["J2"].status == "completed"


def test_slow_answers_only_take_time(site, denoise, fault):
    fault("jobs.get_status", "delay", times=5, seconds=0.2)
    assert denoise().code == 0
    assert site.jobs["J2"].status == "completed"


@pytest.mark.skipif(MAJOR < 5, reason="Version 4 asks for the status with all else.")
def test_unknown_status_is_borne_for_a_while(site, denoise, fault):
    def deaf():
        if denoised(site) and not site.faults:
            fault("jobs.get_status", "code", times=2)

    site.hooks["jobs.get_status"] = deaf
    assert denoise().code == 0
    assert site.jobs["J2"].status == "completed"


@pytest.mark.skipif(MAJOR < 5, reason="Version 4 asks for the status with all else.")
def test_status_that_stays_unknown_ends_the_run(site, denoise, fault, monkeypatch):
    monkeypatch.setattr("cryosparc_jobs.lifecycle.PATIENCE", -1.0)

    def deaf():
        if denoised(site) and not site.faults:
            fault("jobs.get_status", "code", times=ALWAYS)

    site.hooks["jobs.get_status"] = deaf
    answer = denoise()
    assert answer.code == 1
    assert "should tell the status of J2, but has not" in one_sentence(answer)
    assert "cryoscore cryosparc reset P1 J2" in answer.err
    assert site.jobs["J2"].status == "running"


# Files


def test_project_that_is_not_here_is_worked_on_through_the_server(site, denoise):
    site.told_folder = "/not/on/this/machine"
    answer = denoise()
    assert answer.code == 0, answer.err
    assert_whole(site)
    assert (site.folder / "J2/provenance.json").exists()
    assert any(
        "Files go through the server" in e["text"] for e in site.jobs["J2"].events
    )
    assert not list(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.mrc"))


@pytest.mark.parametrize("folder", [None, "/not/on/this/machine"])
def test_uncertainty_is_delivered_beside_its_image(site, denoise, folder):
    site.told_folder = folder or site.told_folder
    assert denoise("--uncertainty", "--probes", "1").code == 0
    spreads = list((site.folder / "J2").rglob("*_uncertainty.mrc"))
    assert len(spreads) == 3
    for spread in spreads:
        image = spread.name.replace("_uncertainty", "")
        assert (spread.parents[1] / image).exists()


def test_scratch_is_where_the_user_wants_it(site, denoise, tmp_path, fault):
    site.told_folder = "/not/on/this/machine"
    fault("jobs.save_output", "code", times=ALWAYS)
    denoise("--scratch", tmp_path / "mine")
    assert len(list((tmp_path / "mine").rglob("*_denoised.mrc"))) == 3


def test_both_ways_give_the_same_pixels(site, denoise):
    denoise()
    site.told_folder = "/not/on/this/machine"
    denoise()
    for direct, uploaded in zip(denoised(site), denoised(site, "J3"), strict=True):
        assert np.array_equal(mrcfile.read(direct), mrcfile.read(uploaded))


def test_folder_of_the_same_name_on_another_disk_is_not_taken(site, denoise, tmp_path):
    other = tmp_path / "other"
    (other / "J2/denoised").mkdir(parents=True)
    site.told_folder = str(other)
    assert denoise().code == 0
    assert_whole(site)
    assert not list(other.rglob("*.mrc"))


@pytest.mark.parametrize("after", [10, 20_000])
def test_upload_whose_connection_drops_arrives_whole(site, denoise, fault, after):
    site.told_folder = "/not/on/this/machine"
    fault("projects.upload_file", "drop", after=after)
    answer = denoise()
    assert answer.code == 0, answer.err
    assert_whole(site)
    assert len(site.jobs["J2"].outputs["micrographs"].data) == 3


def test_upload_that_never_arrives_fails_the_job_and_a_restart_finishes_it(
    site, denoise, fault
):
    site.told_folder = "/not/on/this/machine"
    made = fault("projects.upload_file", "code", times=0, code=507)

    def fill_disk():
        made.times = ALWAYS if len(denoised(site)) == 1 else made.times

    site.hooks["projects.upload_file"] = fill_disk
    answer = denoise()
    job = site.jobs["J2"]
    assert answer.code == 1
    assert "2 failed for a reason that may pass" in one_sentence(answer)
    assert job.history[-1] == "failed"
    assert len(job.outputs["micrographs"].data) == 1
    assert len(job.outputs["micrographs_rejected"].data) == 2
    site.hooks.clear()
    made.times = 0
    sent = len(site.received)
    assert denoise("--job", "J2").code == 0
    assert_whole(site)
    assert job.status == "completed"
    assert len(job.outputs["micrographs"].data) == 3
    assert len(job.outputs["micrographs_rejected"].data) == 0
    again = [path for path, _ in site.received[sent:] if path.endswith(".mrc")]
    assert len(again) == 2


def test_full_disk_fails_the_job_and_a_restart_finishes_it(site, denoise, monkeypatch):
    full = shutil.disk_usage("/")._replace(free=0)
    with monkeypatch.context() as each:
        each.setattr(shutil, "disk_usage", lambda _path: full)
        answer = denoise()
    assert answer.code == 1
    assert "the disk is full" in one_sentence(answer)
    assert site.jobs["J2"].history[-1] == "failed"
    assert not denoised(site)
    assert denoise("--job", "J2").code == 0
    assert_whole(site)
    assert len(site.jobs["J2"].outputs["micrographs_rejected"].data) == 0


def test_import_by_link_is_read_where_it_leads(site, denoise, tmp_path):
    [path] = site.folder.glob("J1/motioncorrected/*_mic_1002.mrc")
    path.rename(tmp_path / "elsewhere.mrc")
    path.symlink_to(tmp_path / "elsewhere.mrc")
    assert denoise().code == 0
    assert_whole(site)


def test_link_that_leads_nowhere_is_rejected_with_its_target(site, denoise):
    [path] = site.folder.glob("J1/motioncorrected/*_mic_1002.mrc")
    path.unlink()
    path.symlink_to("/microscope/raw.mrc")
    answer = denoise()
    job = site.jobs["J2"]
    assert answer.code == 1
    assert "(a link to /microscope/raw.mrc)" in one_sentence(answer)
    assert "Mount the disk that it is on" in answer.err
    assert job.status == "completed"
    assert list(job.outputs["micrographs_rejected"].data["uid"]) == [1002]
    assert_whole(site, 2)


def test_files_have_the_group_and_the_permissions_of_the_project(site, denoise):
    site.hooks["jobs.mark_running"] = lambda: (site.folder / "J2").chmod(0o2770)
    denoise()
    for path in [*denoised(site), site.folder / "J2/provenance.json"]:
        assert path.stat().st_mode & 0o777 == 0o660
        assert path.stat().st_gid == (site.folder / "J2").stat().st_gid
