"""Pairs for one step, from crops of the user's own micrographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.excess import Excess
from cryoscore_plugin.training.own_micrographs import OwnMicrograph
from cryoscore_plugin.training.recorruption import Profile, UnitPair, draw, unit_pair
from cryoscore_plugin.training.target_guidance import TargetGuidance

TAUS = (0.5, 2.0)
"""Range of the strength of the corruption, log-uniform (method.md, section 6)."""

BATCH, CROP = 8, 128
"""Crops per step, and the side of a crop in px, if the micrographs are that large."""

EVERY = slice(None)


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnData:
    """What to learn from.

    Attributes
    ----------
    seen, held_out : Sequence[OwnMicrograph]
        Micrographs to learn from, and to judge by.
    drawn : Profile
        Power of what is drawn on top of measured noise, or instead of it.
    target : TargetGuidance or None
        The known particle that guides a part of the pairs.
    """

    seen: Sequence[OwnMicrograph]
    held_out: Sequence[OwnMicrograph]
    drawn: Profile
    target: TargetGuidance | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnCrop:
    """A pair from a part of a micrograph, and what the network is told of the whole.

    Attributes
    ----------
    pair : UnitPair
        Input and target.
    excess : Excess
        Excess of the spectrum of the whole micrograph, in units of the noise of the
        input. What was drawn for the background is not a part of it.
    """

    pair: UnitPair
    excess: Excess


def crop_side(micrographs: Sequence[OwnMicrograph], grid: int) -> int:
    """Side of a crop in px: a multiple of `grid`, not larger than any micrograph.

    Raises
    ------
    InputError
        If a micrograph is smaller than `grid`.
    """
    smallest = min(min(one.noisy.shape) for one in micrographs)
    if smallest < grid:
        msg = (
            f"Micrographs should have at least {grid} px on each side on the grid the "
            f"model looks at, but one has {smallest} px. Leave it out."
        )
        raise InputError(msg)
    return min(CROP, smallest) // grid * grid


def training_batch(
    data: OwnData, *, side: int, rng: np.random.Generator, part: slice = EVERY
) -> list[OwnCrop]:
    """One batch of pairs, each of another crop, turned and flipped at random.

    Parameters
    ----------
    data : OwnData
        Micrographs to learn from.
    side : int
        Of a crop, in px.
    rng : np.random.Generator
        Source of everything random; it moves on by as much for any part.
    part : slice
        Which of the pairs are made.
    """
    seeds = rng.integers(2**63, size=BATCH)
    return [
        _random_pair(data, side, np.random.default_rng(seed)) for seed in seeds[part]
    ]


def _random_pair(data: OwnData, side: int, rng: np.random.Generator) -> OwnCrop:
    guided = data.target is not None and rng.random() < data.target.share
    number, (top, left) = _place(data, side, rng, guided=guided)
    micrograph = data.seen[number]
    place = (slice(top, top + side), slice(left, left + side))
    corruption = draw(data.drawn, shape=(side, side), rng=rng)
    if micrograph.corruption is not None:
        corruption = corruption + micrograph.corruption[place].float()
    turns, flip = int(rng.integers(4)), rng.random() < 0.5
    tau = float(np.exp(rng.uniform(*np.log(TAUS))))
    if data.target is not None and guided:
        pair = data.target.pair(number, place, corruption, tau=tau, rng=rng)
    else:
        noisy = micrograph.noisy[place].float()
        pair = unit_pair(noisy, corruption, tau=tau, pixel_size=micrograph.pixel_size)
    # After guidance: astigmatism does not turn with the picture.
    noisier, target = (
        _turned(one, turns, flip=flip) for one in (pair.noisier, pair.target)
    )
    return OwnCrop(
        pair=replace(pair, noisier=noisier, target=target),
        excess=micrograph.excess / (1 + tau**2),
    )


def _place(
    data: OwnData, side: int, rng: np.random.Generator, *, guided: bool
) -> tuple[int, tuple[int, int]]:
    """A micrograph, and the first row and column of a piece of it."""
    if guided and data.target is not None and data.target.matching == "denoising":
        free = [
            (number, place)
            for number, one in enumerate(data.target.searched)
            for place in one.free
        ]
        return free[int(rng.integers(len(free)))]
    number = int(rng.integers(len(data.seen)))
    h, w = data.seen[number].noisy.shape
    return number, (int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1)))


def _turned(image: Tensor, turns: int, *, flip: bool) -> Tensor:
    turned = torch.rot90(image, turns)
    return turned.T if flip else turned
