"""What stands in examples/ works as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from cryoscore_plugin.cli.denoise import denoise
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph, write_micrograph
from cryoscore_plugin.settings import DenoiseSettings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def job_options() -> dict[str, str]:
    """Options of the example of an External job, by name."""
    text = (EXAMPLES / "relion_job.star").read_text()
    table = text.split("_rlnJobOptionValue #2\n")[1]
    return dict(line.split() for line in table.splitlines() if line.strip())


def test_example_settings_are_all_settings_with_their_defaults() -> None:
    path = EXAMPLES / "settings.yaml"
    assert DenoiseSettings.from_yaml(path) == DenoiseSettings()
    assert list(yaml.safe_load(path.read_text())) == list(DenoiseSettings.model_fields)


def test_options_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `--")]
    named = {re.findall(r"--([a-z-]+)", row)[0] for row in rows}
    options = {option.lstrip("-") for x in denoise.params for option in x.opts}
    assert len(named) >= 5
    assert named <= options


def test_parameters_of_the_example_job_are_settings() -> None:
    options = job_options()
    labels = [value for name, value in options.items() if name.endswith("_label")]
    assert labels
    assert set(labels) <= set(DenoiseSettings.model_fields)
    assert options["fn_exe"] == "cryoscore-relion-denoise"


@pytest.mark.skipif(
    shutil.which("relion_pipeliner") is None, reason="RELION is not installed"
)
def test_relion_takes_the_example_job(tmp_path: Path) -> None:
    (tmp_path / "default_pipeline.star").write_text(
        "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
    )
    words = ["relion_pipeliner", "--addJobFromStar", EXAMPLES / "relion_job.star"]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=100, capture_output=True)
    [job] = (tmp_path / "External").glob("job*/job.star")
    for name, value in job_options().items():
        assert re.search(
            rf"^\s*{name}\s+{re.escape(value)}\s*$", job.read_text(), re.MULTILINE
        )


def test_quick_start_denoises_a_micrograph(tmp_path: Path) -> None:
    raw, denoised = tmp_path / "raw.mrc", tmp_path / "denoised.mrc"
    noise = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    write_micrograph(raw, Micrograph(pixels=noise, pixel_size=1.5))
    words = [sys.executable, EXAMPLES / "quick_start.py", raw, denoised]
    subprocess.run(words, check=True, timeout=100, capture_output=True)
    result = read_micrograph(denoised)
    assert result.pixel_size == pytest.approx(1.5)
    # Pure noise: little of it may be left.
    assert result.pixels.std() < 0.3 * noise.std()
