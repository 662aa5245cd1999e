"""Settings that guide a model by a known particle, for `--denoiser`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cryoscore_plugin.errors import CryoScoreError

STRENGTH = 0.5
"""Of guidance, from 0 to 1, in all benchmarks here."""


def cryoscore(*words: object) -> str:
    """What a command of cryoscore prints.

    Raises
    ------
    CryoScoreError
        If it fails, with what it wrote.
    """
    command = [sys.executable, "-m", "cryoscore_plugin", *map(str, words)]
    done = subprocess.run(  # noqa: S603  words of our own, no shell
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CryoScoreError(done.stderr.strip())
    return done.stdout


def guided_settings(path: Path, *, model: str, atoms: Path) -> Path:
    """Write the settings that guide a model by an atomic model to `path`, a YAML file.

    The reference lies beside it, by the name of the atomic model, and is used again.
    """
    reference = path.resolve().with_name(f"{atoms.stem}.safetensors")
    if not reference.exists():
        cryoscore("reference", atoms, "--output", reference)
    words = {"model": model, "reference": str(reference), "guidance": STRENGTH}
    path.write_text(
        "".join(f"{name}: {json.dumps(value)}\n" for name, value in words.items()),
        encoding="utf-8",
    )
    return path
