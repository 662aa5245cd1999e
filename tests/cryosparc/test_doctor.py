"""The doctor logs in, and says what stands between this machine and a job."""

from __future__ import annotations

import sys

import pytest

from cryosparc_jobs.doctor import check_permissions, check_proxies
from cryosparc_jobs.login import Login

MAJOR = int(sys.modules["cryosparc"].__version__.split(".")[0])
LOGIN = Login(url="http://cryoem:39000")


def test_doctor_of_a_healthy_site_says_what_to_type_next(site, shell):
    site.folder.chmod(0o770)
    answer = shell("doctor", "--project", "P1")
    assert answer.code == 0, answer.out
    assert f"it is CryoSPARC v{MAJOR}." in answer.out
    assert f"The folder {site.folder} of P1 is seen here." in answer.out
    assert f"You and your group may write in {site.folder}." in answer.out
    assert "cryoscore cryosparc denoise P1 W1 J42:exposures --url" in answer.out
    assert "not-for-logs" not in answer.out + answer.err


def test_doctor_says_that_a_project_is_not_seen_here(site, shell):
    site.told_folder = "/not/on/this/machine"
    answer = shell("doctor", "--project", "P1")
    assert "/not/on/this/machine of P1 is not seen here" in answer.out


def test_another_folder_of_the_same_name_is_not_taken_for_the_project(
    site, shell, tmp_path
):
    (tmp_path / "other").mkdir()
    site.told_folder = str(tmp_path / "other")
    assert "is not seen here" in shell("doctor", "--project", "P1").out


def test_doctor_without_a_project_looks_at_none(site, shell):
    shell("doctor")
    assert "projects.find_one" not in site.calls


@pytest.mark.skipif(MAJOR < 5, reason="Version 4 cannot list jobs.")
def test_doctor_names_jobs_that_are_shown_as_running(site, shell):
    site.create("snowflake")
    site.set_status(site.jobs["J2"], "running")
    site.create("snowflake")
    answer = shell("doctor", "--project", "P1")
    assert "cryoscore cryosparc reset P1 J2" in answer.out
    assert "reset P1 J3" not in answer.out


def test_doctor_finds_a_refused_login(site, shell, monkeypatch):
    monkeypatch.setenv("CRYOSPARC_PASSWORD", "wrong")
    answer = shell("doctor")
    assert answer.code == 1
    assert "PROBLEM CryoSPARC at" in answer.out
    assert site.jobs.keys() == {"J1"}


def test_doctor_finds_another_minor_version(site, shell):
    site.version = f"v{MAJOR}.9.1"
    answer = shell("doctor")
    assert answer.code == 1
    assert f'pip install "cryosparc-tools~={MAJOR}.9.0"' in answer.out


def test_proxy_is_told_without_its_password():
    environment = {"https_proxy": "http://me:secret@proxy:3128"}
    [(level, sentence)] = check_proxies(LOGIN, environment)
    assert level == "note"
    assert "https_proxy (to proxy)" in sentence
    assert "export NO_PROXY=cryoem" in sentence
    assert "secret" not in sentence


def test_proxy_that_spares_the_server_is_fine():
    environment = {"http_proxy": "http://proxy:3128", "NO_PROXY": "a, cryoem"}
    [(level, _)] = check_proxies(LOGIN, environment)
    assert level == "OK"


def test_folder_that_the_group_may_not_write_in_is_noted(tmp_path):
    tmp_path.chmod(0o755)
    [(level, sentence)] = check_permissions(tmp_path)
    assert level == "note"
    assert "g+w" in sentence
