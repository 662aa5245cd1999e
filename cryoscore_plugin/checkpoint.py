"""Model files: weights, and a card that says what they are for.

A checkpoint is one safetensors file, which cannot carry code. Its metadata hold
the model card as JSON and a SHA-256 over all that matters: card, and name, type,
shape and bytes of each tensor. `load_checkpoint` verifies it, because a flipped bit
of a weight would otherwise load in silence.

The tests hold that what was saved is what is loaded, and that a change of any
byte, a file cut short, a pickle, a text and a stranger's safetensors are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryoscore_plugin.errors import CheckpointError
from cryoscore_plugin.files import replacing

FORMAT = "cryoscore-1"
"""Written into each file; a change of it makes older programs refuse in words."""


class ModelCard(BaseModel):
    """What a model is, what it was trained on, and where it should not be used.

    Attributes
    ----------
    name : str
        Name of the model.
    description : str
        One line on what it does.
    network : dict[str, Any]
        Fields of `UNetSettings`.
    working_pixel_size : float
        Pixel size at which it looks at a micrograph, in Å/px.
    background : {"removed", "kept"}
        What becomes of structured background.
    local_mean : float | None
        Standard deviation in px, at the working pixel size, of the Gaussian mean that
        is taken off before the network sees a micrograph; None: nothing is.
    training : dict[str, Any]
        What it was trained on and how: assemblies, those held out, recipe, seed.
    figures : dict[str, Any]
        How well it did, on what.
    limits : list[str]
        Where it should not be used, a sentence each.
    licence : str
        SPDX name of the licence of the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    description: str
    network: dict[str, Any]
    working_pixel_size: float = Field(gt=0)
    background: Literal["removed", "kept"]
    local_mean: float | None = Field(default=None, gt=0)
    training: dict[str, Any] = Field(default_factory=dict)
    figures: dict[str, Any] = Field(default_factory=dict)
    limits: list[str] = Field(default_factory=list)
    licence: str = "BSD-3-Clause"


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A model file in memory.

    Attributes
    ----------
    tensors : dict[str, torch.Tensor]
        Weights by name.
    card : ModelCard
        What they are.
    sha256 : str
        Hash over both, in hexadecimal.
    """

    tensors: dict[str, torch.Tensor]
    card: ModelCard
    sha256: str


def save_checkpoint(
    path: Path, tensors: Mapping[str, torch.Tensor], card: ModelCard
) -> str:
    """Write a model file; a file that is there is replaced in one step.

    Parameters
    ----------
    path : Path
        File to write.
    tensors : Mapping[str, torch.Tensor]
        Weights by name.
    card : ModelCard
        What they are.

    Returns
    -------
    sha256 : str
        Hash over weights and card, in hexadecimal.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    plain = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in tensors.items()
    }
    text = card.model_dump_json()
    digest = _digest(plain, text)
    metadata = {"format": FORMAT, "card": text, "sha256": digest}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(safetensors.torch.save(plain, metadata=metadata))
    except OSError as error:
        msg = (
            f"Cannot write the model {path}: {error.strerror or error}. Choose a "
            "folder that can be written, with space left."
        )
        raise CheckpointError(msg) from error
    return digest


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a model file and verify it.

    Parameters
    ----------
    path : Path
        File to read.

    Raises
    ------
    CheckpointError
        If the file is missing, is no model file of ours, was cut short, or differs
        from what was written.
    """
    content = _read(path)
    metadata = _metadata(content, path)
    card = _card(metadata, path)
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        _refuse(path, f"its weights cannot be read ({error})", error)
    sha256 = _digest(tensors, metadata["card"])
    if sha256 != metadata.get("sha256"):
        _refuse(path, "its contents differ from what was written (SHA-256)")
    return Checkpoint(tensors=tensors, card=card, sha256=sha256)


def read_card(path: Path) -> ModelCard:
    """Read the card of a model file; the weights are not verified.

    Parameters
    ----------
    path : Path
        File to read.

    Raises
    ------
    CheckpointError
        If the file is missing or is no model file of ours.
    """
    return _card(_metadata(_read(path), path), path)


def _digest(tensors: Mapping[str, torch.Tensor], card: str) -> str:
    """SHA-256 over card, and name, type, shape and bytes of each tensor."""
    digest = hashlib.sha256(card.encode())
    for name, tensor in sorted(tensors.items()):
        heading = json.dumps([name, str(tensor.dtype), list(tensor.shape)])
        digest.update(heading.encode())
        # As bytes, because numpy has no bfloat16; flat, because a number has no side.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    """Bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        msg = (
            f"Cannot read the model {path}: {error.strerror or error}. Name a "
            ".safetensors file that exists, or see `cryoscore models list`."
        )
        raise CheckpointError(msg) from error


def _metadata(content: bytes, path: Path) -> dict[str, str]:
    """Metadata of a safetensors file: 8 bytes of length, then a JSON header."""
    # A length may begin with the byte of a pickle, but then a JSON header follows.
    if content[:2] == b"PK" or (content[:1] == b"\x80" and content[8:9] != b"{"):
        _refuse(path, "it is a pickle, as torch.save writes it, which may carry code")
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = header.get("__metadata__", {})
    except (ValueError, AttributeError, RecursionError) as error:
        _refuse(path, "it is no safetensors file, or was cut short", error)
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        found = metadata.get("format") if isinstance(metadata, dict) else None
        _refuse(path, f"its format is {found!r} instead of {FORMAT!r}")
    return metadata


def _card(metadata: Mapping[str, str], path: Path) -> ModelCard:
    """The card in the metadata."""
    try:
        return ModelCard.model_validate_json(metadata.get("card", ""))
    except (ValidationError, TypeError) as error:
        _refuse(path, "its model card cannot be read", error)


def _refuse(path: Path, found: str, cause: Exception | None = None) -> NoReturn:
    """Complain about a file that is not a sound checkpoint."""
    msg = (
        f"{path} should be a cryoscore model, but {found}. Fetch or copy it again, "
        "or see `cryoscore models list` for those that are packaged."
    )
    raise CheckpointError(msg) from cause
