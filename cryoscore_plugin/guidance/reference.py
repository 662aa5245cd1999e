"""Reference files: views of a known particle, and where they are from.

A reference is one safetensors file, as a model is (`checkpoint`): the views, and as
JSON their card, with a SHA-256 over both. The tests hold that what was saved is what is
loaded, and that a file which was changed is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import replacing
from cryoscore_plugin.guidance.card import (
    FORMAT,
    ReferenceCard,
    cannot_read,
    card_and_hash,
    not_a_reference,
)
from cryoscore_plugin.guidance.views import Views


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A reference in memory.

    Attributes
    ----------
    views : Views
        The particle from all sides.
    card : ReferenceCard
        What it is.
    sha256 : str
        Hash over both, in hexadecimal.
    """

    views: Views
    card: ReferenceCard
    sha256: str


def save_reference(path: Path, views: Views, card: ReferenceCard) -> str:
    """Write a reference file; a file that is there is replaced in one step.

    Parameters
    ----------
    path : Path
        File to write.
    views : Views
        The particle from all sides.
    card : ReferenceCard
        What it is.

    Returns
    -------
    sha256 : str
        Hash over views and card, in hexadecimal.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    text = card.model_dump_json()
    digest = _digest(views, text)
    content = safetensors.torch.save(
        {"views": views.pictures.contiguous()},
        metadata={"format": FORMAT, "card": text, "sha256": digest},
    )
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        msg = (
            f"Cannot write the reference {path}: {error.strerror or error}. Choose a "
            "folder that can be written, with space left."
        )
        raise InputError(msg) from error
    return digest


def load_reference(path: Path) -> Reference:
    """Read a reference file and verify it.

    Parameters
    ----------
    path : Path
        File to read.

    Raises
    ------
    ConfigError
        If the file is missing, is no reference, or differs from what was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from error
    card, sha256 = card_and_hash(content, path)
    try:
        pictures = safetensors.torch.load(content)["views"]
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise not_a_reference(path) from error
    views = Views(pictures=pictures, pixel_size=card.pixel_size)
    if _digest(views, card.model_dump_json()) != sha256:
        raise not_a_reference(path)
    return Reference(views=views, card=card, sha256=sha256)


def hash_of_source(path: Path) -> dict[str, str]:
    """Name and SHA-256 of a file that a reference is made from.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}. Check the name."
        raise InputError(msg) from error


def _digest(views: Views, card: str) -> str:
    """SHA-256 over the card, and the shape and bytes of the views."""
    digest = hashlib.sha256(card.encode())
    digest.update(json.dumps(list(views.pictures.shape)).encode())
    digest.update(views.pictures.contiguous().numpy().tobytes())
    return digest.hexdigest()
