"""All of this holds for the other version of the client, too.

Only one version fits into an environment. A second one is installed into a folder of its
own, and named by a variable:

    pip install --no-deps --target FOLDER 'cryosparc-tools~=4.7.0'
    CRYOSCORE_OTHER_CRYOSPARC_TOOLS=FOLDER pytest tests/cryosparc
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = os.environ.get("CRYOSCORE_OTHER_CRYOSPARC_TOOLS")


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="No other version of cryosparc-tools.")
def test_all_tests_pass_with_the_other_client():
    environment = {k: v for k, v in os.environ.items() if "OTHER_CRYOSPARC" not in k}
    environment["PYTHONPATH"] = str(FOLDER)
    words = (sys.executable, "-m", "pytest", "-q", "-x", str(Path(__file__).parent))
    run = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
