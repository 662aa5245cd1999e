"""The doctor says what stands between this machine and a CryoSPARC server."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from cryosparc_jobs.checks import (
    client_check,
    installation_checks,
    token_checks,
    token_path,
)


def test_installed_client_is_named_with_the_server_it_fits() -> None:
    ok, sentence = client_check()
    installed = version("cryosparc-tools")
    assert ok
    assert f"cryosparc-tools {installed} is for CryoSPARC" in sentence
    assert f"CryoSPARC {'.'.join(installed.split('.')[:2])}." in sentence
    assert 'pip install "cryosparc-tools~=X.Y.0"' in sentence


def test_missing_client_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryosparc", None)
    ok, sentence = client_check()
    assert not ok
    assert 'pip install "cryosparc-tools~=X.Y.0"' in sentence


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_token_that_others_can_read_is_told_with_its_cure(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "auth.json"
    path.write_text("{}")
    path.chmod(mode)
    [(ok, sentence)] = token_checks(path)
    assert not ok
    assert f"mode {mode:o}" in sentence
    assert f"chmod 600 {path}" in sentence


def test_token_of_ones_own_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text("{}")
    path.chmod(0o600)
    [(ok, _)] = token_checks(path)
    assert ok


def test_no_token_is_no_complaint(tmp_path: Path) -> None:
    assert token_checks(tmp_path / "auth.json") == []


@pytest.mark.parametrize("folder", ["", "here"])
def test_token_is_sought_where_the_client_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / folder) if folder else "")
    auth = pytest.importorskip("cryosparc.auth", reason="Version 4 saves no login.")
    auth.get_default_auth_config_path.cache_clear()
    assert token_path() == auth.get_default_auth_config_path()


def test_doctor_finds_these_checks_by_entry_point() -> None:
    [point] = entry_points(group="cryoscore.checks", name="cryosparc")
    assert point.load() is installation_checks
