"""Which added particles are found: by strength, by defocus, and by view.

Recall is the part of the added particles that are found; it has an interval, since there
are few. Chance is the part of the decoys that are "found". *False discoveries* are the
part of the found ones that chance alone explains: chance over recall, as decoys estimate
it (Elias and Gygi 2007, Nat. Methods 4, 207-214).

A denoiser may find many on average, and still lose the side views, or all that is far
from focus: a map would show it. So the same figures are told for three kinds of
view, which random orientations share equally, and for thirds of the micrographs by
defocus. All strengths count together there: they are dealt out in turn, so that each view
and each defocus has the same.

The tests hold closed forms of the shares, and that what is missed on purpose is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cryoscore_plugin.constants import MICROMETRE
from cryoscore_plugin.evaluation.statistics import Share, share_of

ALL = "all"
"""What stands where particles are not told apart."""

VIEWS = {"end": (0.0, 48.19), "oblique": (48.19, 70.53), "side": (70.53, 90.1)}
"""Kinds of view by the angle to the particle's own axis, in degrees: thirds of the
sphere, `arccos(2/3)` and `arccos(1/3)` between them."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of an added particle, or of a decoy.

    Attributes
    ----------
    micrograph : str
        Where it is.
    ratio : float
        Signal-to-noise ratio; 0 for a decoy.
    defocus : float
        In Å.
    view : float
        Angle between the line of sight and the particle's own axis, in degrees.
    found : bool
        Whether a pick meets it.
    """

    micrograph: str
    ratio: float
    defocus: float
    view: float
    found: bool


@dataclass(frozen=True, kw_only=True)
class Recall:
    """How many of a kind of added particles were found.

    Attributes
    ----------
    kind : dict[str, str | float]
        Which they are: `snr`, `defocus` (in µm) and `view`; `ALL` where all count.
    added : int
        How many there are.
    recall : Share
        The part that was found.
    chance : float
        The part of the decoys that was.
    """

    kind: dict[str, str | float]
    added: int
    recall: Share
    chance: float

    @property
    def false_discoveries(self) -> float:
        """The part of the found ones that chance explains; NaN if none was found."""
        share = self.recall.share
        return min(self.chance / share, 1.0) if share > 0 else float("nan")


def recall_by_kind(fates: Sequence[Fate]) -> list[Recall]:
    """Recall by signal-to-noise ratio, then by defocus, then by view.

    Parameters
    ----------
    fates : Sequence[Fate]
        Of all places, after one denoiser.
    """
    decoys = [fate for fate in fates if fate.ratio == 0]
    added = [fate for fate in fates if fate.ratio > 0]
    found = []
    for ratio in sorted({fate.ratio for fate in added}):
        own = [fate for fate in added if fate.ratio == ratio]
        found.append(_recall(own, decoys, snr=ratio))
    for name, low, high in defocus_ranges(fates):
        own = [fate for fate in added if low <= fate.defocus <= high]
        there = [fate for fate in decoys if low <= fate.defocus <= high]
        found.append(_recall(own, there, defocus=name))
    for name, (low, high) in VIEWS.items():
        own = [fate for fate in added if low <= fate.view < high]
        found.append(_recall(own, decoys, view=name))
    return found


def defocus_ranges(
    fates: Sequence[Fate], *, most: int = 3
) -> Iterator[tuple[str, float, float]]:
    """Ranges of defocus with about equally many micrographs: name, and ends in Å.

    Parameters
    ----------
    fates : Sequence[Fate]
        Of all places.
    most : int
        Number of ranges, if there are as many different values.
    """
    each = {fate.micrograph: fate.defocus for fate in fates}
    values = np.sort(list(each.values()))
    inner = np.quantile(values, np.arange(1, most) / most)
    number = np.searchsorted(inner, values)
    for one in np.unique(number):
        low, high = (float(x) for x in values[number == one][[0, -1]])
        ends = dict.fromkeys(f"{end / MICROMETRE:.3g}" for end in (low, high))
        yield "-".join(ends), low, high


def _recall(
    added: Sequence[Fate], decoys: Sequence[Fate], **kind: str | float
) -> Recall:
    """Recall of some of the added particles, and what chance gives."""
    every: dict[str, str | float] = {"snr": ALL, "defocus": ALL, "view": ALL}
    return Recall(
        kind=every | kind,
        added=len(added),
        recall=_share(added),
        chance=_share(decoys).share,
    )


def _share(fates: Sequence[Fate]) -> Share:
    """The part that was found; micrographs are the witnesses."""
    found: dict[str, list[bool]] = {}
    for fate in fates:
        found.setdefault(fate.micrograph, []).append(fate.found)
    counts = [(sum(x), len(x)) for x in found.values()]
    hits, tried = np.array(counts, dtype=np.float64).reshape(-1, 2).T
    return share_of(hits, tried)
