"""The service and the crontab of `examples/batch` do what they are there for."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples/batch"
INSTALLED = "/opt/cryoscore/bin/cryoscore"
SESSIONS = "/data/sessions"


@pytest.fixture
def at_home(raw, tiny_checkpoint):
    """Change the paths and the GPU in a text to what this computer has."""
    program = Path(sys.executable).with_name("cryoscore")
    changes = {
        f"{INSTALLED} batch": f"{program} batch --model {tiny_checkpoint} --threads 1",
        SESSIONS: str(raw.parent),
        "--device 0": "--device cpu",
    }

    def change(text):
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        return text

    return change


def test_line_of_the_crontab_denoises_what_is_there(at_home, raw):
    [line] = [
        line
        for line in (FOLDER / "crontab").read_text().splitlines()
        if not line.startswith("#")
    ]
    *when, command = line.split(maxsplit=5)
    assert when == ["*/10", "*", "*", "*", "*"]
    raw.rename("current")
    subprocess.run(["sh", "-c", at_home(command)], check=True)
    assert "Denoised 3 of 3" in Path("cryoscore.log").read_text()
    assert len([*Path("current/cryoscore").glob("*.mrc")]) == 3


def test_command_of_the_service_denoises_a_session_until_nothing_comes(at_home):
    text = at_home((FOLDER / "cryoscore-watch.service").read_text())
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    words = facts["ExecStart"].replace("%I", "raw").replace("limit 720", "limit 0.01")
    subprocess.run(
        [*shlex.split(words), "--watch-interval", "0.1"],
        check=True,
        cwd=facts["WorkingDirectory"],
    )
    assert len([*Path("raw/cryoscore").glob("*.mrc")]) == 3
    assert Path("raw/cryoscore/report.html").exists()


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed"
)
@pytest.mark.parametrize(("restart", "complaint"), [("on-abnormal", 0), ("often", 1)])
def test_systemd_has_no_complaint_about_the_service(
    at_home, tmp_path, restart, complaint
):
    unit = tmp_path / "cryoscore-watch@.service"
    text = at_home((FOLDER / "cryoscore-watch.service").read_text())
    unit.write_text(text.replace("on-abnormal", restart))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--user", unit],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert said.stderr.count("Failed to parse service restart") == complaint
    if not complaint:
        assert said.stderr == ""
        assert said.returncode == 0
