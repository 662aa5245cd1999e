"""What a network learns from, as it lies on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.optics import Optics


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """A micrograph to learn from.

    Attributes
    ----------
    path : Path
        The micrograph. It need not exist where there are halves.
    pixel_size : float or None
        In Å/px; None for that of the header.
    halves : tuple[Path, ...]
        Images of its odd and even frames, in one grey scale: two files, or one that
        holds both. Empty where there are none.
    optics : Optics or None
        How it was taken, where a table says.
    """

    path: Path
    pixel_size: float | None = None
    halves: tuple[Path, ...] = ()
    optics: Optics | None = None
