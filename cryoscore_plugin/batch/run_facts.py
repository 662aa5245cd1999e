"""What a run was asked to do, as ledger and report keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.model import ModelFacts
from cryoscore_plugin.guidance.card import read_words
from cryoscore_plugin.settings import DenoiseSettings


def run_facts(
    settings: DenoiseSettings, model: ModelFacts, *, command: str, project: str
) -> dict[str, Any]:
    """All that tells how outputs came about, but for the micrographs.

    Parameters
    ----------
    settings : DenoiseSettings
        How micrographs are denoised.
    model : ModelFacts
        The model of the settings.
    command : str
        The command as it would be typed again, in the current folder.
    project : str
        Where the micrographs are from, in words.

    Raises
    ------
    ConfigError
        If a reference guides and cannot be read.
    """
    is_guided = settings.reference is not None and settings.guidance
    return {
        "command": command,
        "folder": str(Path.cwd()),
        "project": project,
        "version": __version__,
        "model": model.fingerprint,
        "card": model.card,
        "settings": settings.model_dump(mode="json"),
        "reference": read_words(Path(str(settings.reference))) if is_guided else None,
    }
