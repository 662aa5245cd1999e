"""What `cryoscore doctor` says about CryoSPARC on this machine.

cryosparc-tools talks to the server only if both have the same minor version, and it
keeps the token of `python -m cryosparc.tools login` in a file. Both are looked at
here without asking any server.
"""

from __future__ import annotations

import importlib
import os
import stat
from pathlib import Path

Check = tuple[bool, str]
"""Whether something is as it should be, and a sentence that says so."""


def installation_checks() -> list[Check]:
    """Look at cryosparc-tools and at the token that it keeps.

    Returns
    -------
    checks : list[Check]
        One for each thing looked at; False where the user should act.
    """
    return [client_check(), *token_checks(token_path())]


def client_check() -> Check:
    """Say which cryosparc-tools is here, and which servers it fits."""
    try:
        version: str = importlib.import_module("cryosparc").__version__
    except ImportError as error:
        return False, (
            f"cryosparc-tools cannot be imported ({error}). Install the minor version "
            'of your server: pip install "cryosparc-tools~=X.Y.0"'
        )
    major_minor = ".".join(version.split(".")[:2])
    return True, (
        f"cryosparc-tools {version} is for CryoSPARC {major_minor}. For another server "
        'X.Y: pip install "cryosparc-tools~=X.Y.0"'
    )


def token_path() -> Path:
    """Where `python -m cryosparc.tools login` keeps its tokens."""
    # An empty variable counts as unset, as in the XDG Base Directory Specification.
    folder = os.environ.get("XDG_CONFIG_HOME", "").strip() or Path.home() / ".config"
    return Path(folder) / "cryosparc-tools" / "auth.json"


def token_checks(path: Path) -> list[Check]:
    """Say whether others can read the CryoSPARC tokens; nothing if there are none.

    Parameters
    ----------
    path : Path
        The file with the tokens.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return []
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        sentence = (
            f"Others can read your CryoSPARC token in {path} (mode {mode:o}). "
            f"Close it: chmod 600 {path}"
        )
        return [(False, sentence)]
    return [(True, f"Only you can read your CryoSPARC token in {path}.")]
