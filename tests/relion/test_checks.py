"""The doctor says which RELION is here, and what to type into its GUI."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from relion_wrappers.checks import installation_checks, path_check, version_check


@pytest.fixture
def fake_relion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program of the name relion_refine, and nothing else, on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(script: str) -> None:
        program = tmp_path / "relion_refine"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return make


@pytest.mark.parametrize("version", ["3.1.3", "4.0.2", "5.0.1-commit-1a2b3c"])
def test_known_relion_is_fine(fake_relion, version: str) -> None:
    fake_relion(f"echo 'RELION version: {version} '\necho 'Precision: BASE=double'")
    ok, sentence = version_check()
    assert ok
    assert f"RELION {version}" in sentence


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo 'RELION version: 2.1'", "has not been tried"),
        ("echo hello", "does not say its version"),
        ("exit 127", "does not say its version"),
    ],
)
def test_other_relion_is_told(fake_relion, script: str, complaint: str) -> None:
    fake_relion(script)
    ok, sentence = version_check()
    assert not ok
    assert complaint in sentence


def test_no_relion_is_no_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ok, sentence = version_check()
    assert ok
    assert "not on the PATH" in sentence


@pytest.mark.parametrize(
    ("path", "fine"),
    [
        ("/opt/cryoscore/bin/cryoscore-relion-denoise", True),
        ("/opt/relion-5/bin/cryoscore-relion-denoise", True),
        ("/opt/relion_wrappers/bin/cryoscore-relion-denoise", False),
        ("/envs/relion_5.0/bin/cryoscore-relion-denoise", False),
    ],
)
def test_path_that_relion_would_misread_is_told(path: str, fine: bool) -> None:
    ok, sentence = path_check(Path(path))
    assert ok is fine
    assert path in sentence


def test_doctor_finds_these_checks_by_entry_point() -> None:
    [point] = entry_points(group="cryoscore.checks", name="relion")
    assert point.load() is installation_checks
    assert len(installation_checks()) == 2
