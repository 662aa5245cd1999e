"""Name and card of a model, read without loading it.

To find out that nothing is left to do must not take the seconds that the engine needs
to load. The weights are not verified here; whoever denoises with them does that. The
tests hold that the name is the one that the engine gives to the model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryoscore_plugin.pretrained import find_checkpoint, model_fingerprint

_LONGEST_HEADER = 100_000_000
"""In bytes, as the safetensors format limits it."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model says about itself.

    Attributes
    ----------
    fingerprint : str
        Its name and the first 12 digits of its SHA-256.
    card : dict[str, Any]
        Its model card.
    """

    fingerprint: str
    card: dict[str, Any]


def read_model_facts(model: str) -> ModelFacts:
    """Read what a model says about itself.

    Parameters
    ----------
    model : str
        Name of a packaged model, or path of a checkpoint.

    Raises
    ------
    ConfigError
        If there is no such model.
    CheckpointError
        If the file is no model of ours.
    """
    path = find_checkpoint(model)
    try:
        return _facts(path)
    except (OSError, ValueError, KeyError, TypeError):
        # The engine says what is wrong with it, in a sentence.
        from cryoscore_plugin.checkpoint import load_checkpoint  # noqa: PLC0415

        checkpoint = load_checkpoint(path)
        return ModelFacts(
            fingerprint=model_fingerprint(checkpoint.card.name, checkpoint.sha256),
            card=checkpoint.card.model_dump(mode="json"),
        )


def _facts(path: Path) -> ModelFacts:
    """From the header of a safetensors file: 8 bytes of length, then JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError
        metadata = json.loads(file.read(length))["__metadata__"]
    card = json.loads(metadata["card"])
    return ModelFacts(
        fingerprint=model_fingerprint(card["name"], metadata["sha256"]), card=card
    )
