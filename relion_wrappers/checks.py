"""What `cryoscore doctor` says about RELION on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

Check = tuple[bool, str]
"""Whether something is as it should be, and a sentence that says so."""

COMMAND = "cryoscore-relion-denoise"

_SECONDS_TO_ANSWER = 20


def installation_checks() -> list[Check]:
    """Look for RELION, and at the path under which RELION would start us.

    Returns
    -------
    checks : list[Check]
        One for each thing looked at; False where the user should act.
    """
    return [version_check(), path_check(command_path())]


def version_check() -> Check:
    """Say which RELION is here; none is fine, for jobs can be prepared without."""
    program = shutil.which("relion_refine")
    if program is None:
        return True, (
            "RELION is not on the PATH here; cryoscore needs it only where jobs run."
        )
    try:
        answer = subprocess.run(  # noqa: S603  the user's own RELION
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS_TO_ANSWER,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"{program} does not answer ({error}). Repair this RELION."
    found = re.search(r"RELION version:\s*(\S+)", answer.stdout)
    if found is None:
        return False, f"{program} does not say its version. Repair this RELION."
    version = found.group(1)
    if int(version.partition(".")[0]) in range(3, 6):
        return True, f"RELION {version} ({program}) can run cryoscore's jobs."
    return False, (
        f"RELION {version} ({program}) has not been tried; 3.1 to 5 are known to work."
    )


def command_path(command: str = COMMAND) -> Path:
    """Where users find a command of ours: beside the Python that runs this.

    Parameters
    ----------
    command : str
        Its name.
    """
    beside = Path(sys.executable).with_name(command)
    return beside if beside.exists() else Path(shutil.which(command) or command)


def path_check(command: Path) -> Check:
    """Say what to type into "External executable", and whether RELION changes it.

    Parameters
    ----------
    command : Path
        The command with its folders.
    """
    if "relion_" in str(command):
        return False, (
            f"{command} has relion_ in its path. RELION treats such a command in a "
            "queue template as one of its own MPI programs. Install cryoscore in "
            "another folder."
        )
    return True, f'For RELION\'s "External executable": {command}'
