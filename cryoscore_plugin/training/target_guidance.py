"""Target guidance in training: a known particle stands in for a part of what data say.

A network D that is trained on pairs of input u and target t becomes `E[t|u]`, which for
our pairs is the clean image that the data speak of. Guidance moves the target towards r,
what a reference says of the same input,

    T = t - gamma M (t - r),

with the strength gamma in the band M of coarse detail, and with it what is learned:
`E[T|u] = E[t|u] + gamma M (E[r|u] - E[t|u])`. The bias is linear in gamma, and none at 0.
There are two forms, with the same `E[r|u]` where the reference is all that is there:

- *Denoising score matching* (Vincent 2011): r is a clean image x that was drawn from the
  prior q of the reference, and put into real background without particles.
- *Target score matching* (De Bortoli et al. 2024): r is `u + Sigma grad log q(u)`, which
  by Tweedie's formula is the mean of q given u, and has a closed form (`guidance.mixture`).
  It needs no clean image, so it is computed for the user's own particles. With
  `kappa = 1 - gamma M` this is their target `T = u - kappa (u - x) + (1 - kappa) Sigma
  grad log q`, with the score of q averaged over the clean images behind u; at gamma = 1
  nothing random is left in it, which is the choice of kappa with the least variance.

A part rho of all pairs is guided, so that the loss is `(1 - rho) L_data + rho L_reference`.

The tests hold that the bias is linear, that for data from q both forms teach what the
data teach, and that with the empty component nothing is made of noise.

References
----------
Wu et al. (2026), arXiv 2604.17734 (target guidance). Vincent (2011),
doi:10.1162/NECO_a_00142. De Bortoli et al. (2024), arXiv 2402.08667.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.guidance.drawing import drawn_particles, probability_around
from cryoscore_plugin.guidance.guide import guided_band, guided_mean
from cryoscore_plugin.guidance.noise import smooth_spectrum
from cryoscore_plugin.guidance.search import (
    Belief,
    Guidance,
    NoisyImage,
    prepare_search,
    reference_mean,
)
from cryoscore_plugin.rescaling import fourier_crop
from cryoscore_plugin.tensors import ImageTensor, RingTensor
from cryoscore_plugin.training.own_micrographs import OwnMicrograph
from cryoscore_plugin.training.recorruption import Profile, UnitPair, draw, unit_pair

Matching = Literal["target", "denoising"]
"""Which score a reference is brought in by."""

GRID = 16
"""Step in px between pieces of a micrograph that are looked at for particles."""

FREE = 0.5
"""A piece has no particle if nowhere in it one is more probable than this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """A micrograph as guidance needs it.

    Attributes
    ----------
    image : NoisyImage
        The micrograph.
    belief : Belief
        Its spectrum and the amplitude of its particles.
    corruption : RingTensor
        Power of what is added to it, in the rings of the belief.
    free : Sequence[tuple[int, int]]
        First row and column of pieces without particles, in px.
    """

    image: NoisyImage
    belief: Belief
    corruption: RingTensor
    free: Sequence[tuple[int, int]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetGuidance:
    """A reference, how it guides, and the micrographs that it guides.

    Attributes
    ----------
    guidance : Guidance
        Views, band and strength.
    matching : {"target", "denoising"}
        In which form.
    share : float
        Part rho of the pairs that are guided.
    searched : Sequence[Searched]
        The micrographs to learn from, in their order.
    """

    guidance: Guidance
    matching: Matching
    share: float
    searched: Sequence[Searched]

    def pair(
        self,
        number: int,
        place: tuple[slice, slice],
        corruption: ImageTensor,
        *,
        tau: float,
        rng: np.random.Generator,
    ) -> UnitPair:
        """A guided pair from a piece of a micrograph.

        Parameters
        ----------
        number : int
            Which of the micrographs.
        place : tuple[slice, slice]
            Rows and columns of the piece; without particles for denoising score
            matching.
        corruption : ImageTensor
            What is added to it and taken off, of its size.
        tau : float
            How strongly.
        rng : np.random.Generator
            Draws particles.
        """
        one = self.searched[number]
        noisy, level = one.image.pixels[place], float(np.sqrt(1 + tau**2))
        size = one.image.pixel_size
        if self.matching == "denoising":
            piece = replace(one.image, pixels=noisy)
            search = prepare_search(piece, self.guidance, one.belief)
            h, w = noisy.shape
            clean = drawn_particles(search, (h, w), rng=rng)
            pair = unit_pair(noisy + clean, corruption, tau=tau, pixel_size=size)
            return self._guided(pair, clean / level, one.image)
        pair = unit_pair(noisy, corruption, tau=tau, pixel_size=size)
        belief = Belief(
            noise=(one.belief.noise + tau**2 * one.corruption) / level**2,
            side=one.belief.side,
            amplitude=one.belief.amplitude / level,
        )
        piece = replace(one.image, pixels=pair.noisier)
        return self._guided(
            pair, reference_mean(piece, self.guidance, belief), one.image
        )

    def _guided(
        self, pair: UnitPair, reference: ImageTensor, image: NoisyImage
    ) -> UnitPair:
        h, w = pair.target.shape
        band = guided_band((h, w), image, self.guidance)
        target = guided_mean(
            pair.target, reference, strength=self.guidance.strength, band=band
        )
        return replace(pair, target=target)


def searched_micrograph(
    micrograph: OwnMicrograph,
    guidance: Guidance,
    *,
    local_mean: float | None,
    drawn: Profile,
    side: int,
) -> Searched:
    """Search a micrograph once, for what all of its pieces need.

    Parameters
    ----------
    micrograph : OwnMicrograph
        The micrograph.
    guidance : Guidance
        The reference.
    local_mean : float or None
        Of the model's card.
    drawn : Profile
        Power of what is drawn to corrupt it.
    side : int
        Of a piece, in px.

    Raises
    ------
    MicrographError
        If its pixels are coarser than those of the views.
    """
    image = NoisyImage(
        pixels=micrograph.noisy.float(),
        pixel_size=micrograph.pixel_size,
        optics=micrograph.source.optics,
        local_mean=local_mean,
    )
    search = prepare_search(image, guidance)
    h, w = image.pixels.shape
    corruption = draw(drawn, shape=(h, w), rng=np.random.default_rng(0))
    if micrograph.corruption is not None:
        corruption = corruption + micrograph.corruption.float()
    return Searched(
        image=image,
        belief=search.belief,
        corruption=smooth_spectrum(fourier_crop(corruption, search.shape)),
        free=free_places(probability_around(search), (h, w), side=side),
    )


def free_places(
    probability: Tensor, shape: tuple[int, int], *, side: int
) -> list[tuple[int, int]]:
    """Pieces of a micrograph in which no particle is likely.

    Parameters
    ----------
    probability : Tensor
        That a particle lies around a place, on any grid over the micrograph.
    shape : tuple[int, int]
        `(h, w)` of the micrograph, in px.
    side : int
        Of a piece, in px.

    Returns
    -------
    places : list[tuple[int, int]]
        First row and column of each, in px.
    """
    h, w = shape
    fine = functional.interpolate(probability[None, None], size=shape, mode="nearest")
    highest = functional.max_pool2d(fine, side, stride=GRID)[0, 0]
    tops, lefts = torch.nonzero(highest < FREE, as_tuple=True)
    return [
        (GRID * top, GRID * left)
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True)
        if GRID * top + side <= h and GRID * left + side <= w
    ]


def check_room(guidance: TargetGuidance, *, side: int) -> None:
    """Refuse denoising score matching where no piece is free of particles.

    Parameters
    ----------
    guidance : TargetGuidance
        With the micrographs.
    side : int
        Of a piece, in px.

    Raises
    ------
    InputError
        If there is none.
    """
    if guidance.matching == "denoising" and not any(
        one.free for one in guidance.searched
    ):
        msg = (
            f"guidance_matching is denoising, which puts particles into pieces of {side} "
            "px without any, but the micrographs are too crowded to have one. Leave it "
            "at target, or give micrographs with fewer particles."
        )
        raise InputError(msg)
