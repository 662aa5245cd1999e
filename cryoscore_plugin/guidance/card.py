"""What a reference is and where it is from: the card in its file.

The *tier* says how independent of the user's micrographs a reference is:

| tier | the reference is | |
| --- | --- | --- |
| R1 | a generic shape | |
| R2 | an atomic model, or a map or averages from other data | |
| R3 | a map or averages from the same data set | warns |
| R4 | made from these very micrographs | must name them, and does not guide them |

R0 is no reference at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cryoscore_plugin.errors import ConfigError, MicrographError

FORMAT = "cryoscore-reference-1"
"""Written into each file; a change of it makes older programs refuse in words."""

LONGEST_HEADER = 100_000_000
"""In bytes, as the safetensors format limits it."""

RESOLUTION, VIEWS = 20.0, 200
"""Finest detail of a reference in Å, and its orientations, unless asked otherwise."""

DOUBTS = {
    "R3": "the reference is from the same data set (R3): what it finds there is no "
    "independent evidence",
    "R4": "the reference is from other micrographs of this very data set (R4): what it "
    "finds is no independent evidence",
}
"""What is said wherever a reference of such a tier is used."""


class ReferenceCard(BaseModel):
    """What a reference is and where it is from.

    Attributes
    ----------
    name : str
        In labels and reports: at most 20 letters, digits, and `-_.+`.
    tier : {"R1", "R2", "R3", "R4"}
        How independent it is of the micrographs, as the user says.
    kind : str
        Atomic model, map, class averages or shape.
    sources : dict[str, str]
        Name and SHA-256 of each file it was made from.
    pixel_size : float
        Of the views, in Å/px.
    resolution : float
        Finest detail in them, in Å.
    made_from : list[str]
        Names, without ending, of the micrographs it was made from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.+-]{1,20}$")
    tier: Literal["R1", "R2", "R3", "R4"]
    kind: Literal["atomic model", "map", "class averages", "shape"]
    sources: dict[str, str] = Field(default_factory=dict)
    pixel_size: float = Field(gt=0)
    resolution: float = Field(gt=0)
    made_from: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_its_micrographs(self) -> ReferenceCard:
        if self.tier == "R4" and not self.made_from:
            msg = (
                "a reference of tier R4 is made from the micrographs that it would "
                "guide. Make it from half of them, and name those with --made-from: "
                "it then guides only the others. Or say with --tier that it is from "
                "other data"
            )
            raise ValueError(msg)
        return self

    def refuse_own(self, micrograph: Path | None) -> None:
        """Refuse to guide a micrograph that the reference was made from.

        Raises
        ------
        MicrographError
            If it is one of those.
        """
        if micrograph is not None and micrograph.stem in self.made_from:
            msg = (
                f"the reference {self.name} was made from this micrograph, and would "
                "find itself in it. Guide it with a reference from the other half."
            )
            raise MicrographError(msg)


def checked_card(**fields: object) -> ReferenceCard:
    """Make a card from values of unknown quality.

    Raises
    ------
    ConfigError
        If a value is impossible.
    """
    try:
        return ReferenceCard.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(
            ".".join(map(str, fault["loc"])) + " " + fault["msg"]
            for fault in error.errors()
        )
        msg = f"This reference cannot be made: {faults.strip()}."
        raise ConfigError(msg) from error


def card_and_hash(content: bytes, path: Path) -> tuple[ReferenceCard, str]:
    """Card and SHA-256 that a reference file begins with; the views are not looked at.

    Parameters
    ----------
    content : bytes
        The file, or its first part with all of the header.
    path : Path
        Its name, for messages.

    Raises
    ------
    ConfigError
        If it is no reference file.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        if metadata["format"] == FORMAT:
            card = ReferenceCard.model_validate_json(metadata["card"])
            return card, str(metadata["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise not_a_reference(path) from error
    raise not_a_reference(path)


def read_words(path: Path) -> str:
    """Name, tier and the first 12 digits of the hash of a reference file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ConfigError
        If it cannot be read or is no reference file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = min(int.from_bytes(start, "little"), LONGEST_HEADER)
            content = start + file.read(length)
    except OSError as error:
        raise cannot_read(path, error) from error
    return words(*card_and_hash(content, path))


def words(card: ReferenceCard, sha256: str) -> str:
    """Name, tier and the first 12 digits of the hash of a reference."""
    return f"{card.name} {card.tier} {sha256[:12]}"


def guided_in_training(training: Mapping[str, Any]) -> list[str]:
    """Strength and reference of each guided training in the history of a model.

    Parameters
    ----------
    training : Mapping[str, Any]
        That part of its card, with those of the models before it in `started_from`.

    Returns
    -------
    found : list[str]
        Such as `0.5, by apoferritin R2 0123456789ab`, the latest first.
    """
    return [
        f"{own['strength']:g}, by {own['reference']}"
        for one in _with_those_before(training)
        if (own := one.get("guidance"))
    ]


def before_guidance(training: Mapping[str, Any]) -> Mapping[str, Any]:
    """The training whose start was the last model that no reference had guided.

    Parameters
    ----------
    training : Mapping[str, Any]
        That part of the card of a model that was guided in training.

    Returns
    -------
    first : Mapping[str, Any]
        Of its card, or of one of the models before it: what was guided first.
    """
    *_, first = (one for one in _with_those_before(training) if one.get("guidance"))
    return first


def _with_those_before(training: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A training and those before it, the latest first."""
    yield training
    if before := training.get("started_from"):
        yield from _with_those_before(before["training"])


def cannot_read(path: Path, error: OSError) -> ConfigError:
    """The error that says that a reference file cannot be read."""
    msg = (
        f"Cannot read the reference {path}: {error.strerror or error}. Make one with "
        "`cryoscore reference`."
    )
    return ConfigError(msg)


def not_a_reference(path: Path) -> ConfigError:
    """The error that says that a file is no reference, or not a sound one."""
    msg = (
        f"{path} should be a reference that `cryoscore reference` wrote, but is none, "
        "was changed, or was cut short. Make it again."
    )
    return ConfigError(msg)
