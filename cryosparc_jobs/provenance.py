"""What a job was made with, for whoever asks in a year."""

from __future__ import annotations

import json
import platform
from typing import Any

from pydantic import BaseModel

from cryoscore_plugin import __version__
from cryoscore_plugin.checkpoint import ModelCard, load_checkpoint
from cryoscore_plugin.pretrained import find_checkpoint
from cryosparc_jobs.client import Connection
from cryosparc_jobs.request import changed_settings
from cryosparc_jobs.source import Source

FILE = "provenance.json"
"""Name of the file, in the folder of the job."""


def provenance(
    connection: Connection, source: Source, settings: BaseModel, *, model: str
) -> dict[str, Any]:
    """Versions, settings and model of a job; no account, no address, no secret.

    Parameters
    ----------
    connection : Connection
        The server.
    source : Source
        Where the raw micrographs are from.
    settings : BaseModel
        What is to be done with them.
    model : str
        The model that it begins with.

    Raises
    ------
    ConfigError, CheckpointError
        If there is no such model, or it cannot be read.
    """
    checkpoint = load_checkpoint(find_checkpoint(model))
    return {
        "cryoscore": __version__,
        "python": platform.python_version(),
        "cryosparc": connection.server_version,
        "cryosparc-tools": connection.client_version,
        "source": str(source),
        "settings": settings.model_dump(mode="json"),
        "changed settings": changed_settings(settings),
        "model": {
            "sha256": checkpoint.sha256,
            "card": checkpoint.card.model_dump(mode="json"),
        },
    }


def as_bytes(facts: dict[str, Any]) -> bytes:
    """Facts as a JSON file.

    Parameters
    ----------
    facts : dict[str, Any]
        What `provenance` gave, perhaps with more.
    """
    return json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n"


def opening_lines(facts: dict[str, Any]) -> list[str]:
    """What the event log says at the beginning.

    Parameters
    ----------
    facts : dict[str, Any]
        What `provenance` gave.
    """
    card = ModelCard.model_validate(facts["model"]["card"])
    changed = facts["changed settings"].items()
    given = ", ".join(f"{name}={value}" for name, value in changed)
    return [
        (
            f"cryoscore {facts['cryoscore']}, cryosparc-tools {facts['cryosparc-tools']}, "
            f"CryoSPARC {facts['cryosparc']}, Python {facts['python']}"
        ),
        f"Raw micrographs: {facts['source']}",
        f"Settings that are not the default: {given or 'none'}",
        (
            f"Model {card.name}: {card.description} Works at {card.working_pixel_size:g} "
            f"Å/px; structured background is {card.background}. "
            f"SHA-256 {facts['model']['sha256'][:12]}"
        ),
        *(f"Limit of the model: {limit}" for limit in card.limits),
    ]
