"""The report that a volunteer sends tells what a site does, and nothing private."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples/cryosparc"


@pytest.fixture
def report(site, tiny_checkpoint, tmp_path):
    """What `site_report.py` writes about the site."""
    main = runpy.run_path(str(EXAMPLES / "site_report.py"))["main"]
    words = ["P1", "W1", "J1:exposures", "--model", str(tiny_checkpoint)]
    main.main([*words, "--url", site.url], standalone_mode=False)
    return (tmp_path / "cryoscore_site_report.json").read_text()


def test_report_of_a_site_says_what_it_does(report):
    found = json.loads(report)
    assert found["job"]["status"] == "completed"
    assert found["job"]["rows"] == 3
    assert found["job"]["raw kept"] is True
    assert found["job"]["denoised are ours"] is True
    assert "micrograph_blob_denoised" in found["job"]["slots"]
    assert found["statuses"]["start again"] is None
    assert found["statuses"]["status then"] == "building"
    assert found["statuses"]["folder survives clear"] is False
    assert found["statuses"]["complete without outputs"] is None


def test_report_of_a_site_holds_nothing_private(site, report):
    for private in (
        site.email,
        site.password,
        site.token,
        str(site.folder),
        "mic_1001",
    ):
        assert private not in report


def test_commands_of_the_example_exist(shell):
    text = (EXAMPLES / "from_login_to_picking.sh").read_text()
    used = [
        line.split()[2] for line in text.splitlines() if line.startswith("cryoscore ")
    ]
    assert used == ["doctor", "denoise"]
    for name in used:
        assert shell(name, "--help").code == 0
