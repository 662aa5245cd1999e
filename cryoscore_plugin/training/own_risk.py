"""How well a denoiser predicts what it was not shown, on micrographs kept out.

A micrograph that training never saw is split into an input and a target whose errors
are uncorrelated and equally large (`training.recorruption`); with halves of one dose
these are the halves themselves, each once as the input. Halves of unequal dose, such as
a frame and the rest, are first mixed so that they are alike: else a network would be
judged at doses for which it is not trained. The mean squared difference of output and target is then that of
output and clean image, plus the noise of the target, which is the same for every
denoiser. So the one with the smaller risk is nearer to the clean image, which nobody
has seen; likeness to the noisy input plays no part.

What is said beside it is how much less the risk is than that of a blank image: the
power of the signal that is explained. It has no noise of the target in it, and 0 means
that nothing was gained.

The tests hold that on Gaussian images the risk is the true risk plus the noise, and that
it is smallest for the posterior mean.

References
----------
Batson and Royer (2019), arXiv 1901.11365 (self-supervised loss).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cryoscore_plugin.arrays import Values
from cryoscore_plugin.evaluation.fidelity import cross_half_risk
from cryoscore_plugin.tensors import ImageTensor
from cryoscore_plugin.training.own_micrographs import OwnMicrograph
from cryoscore_plugin.training.recorruption import Profile, UnitPair, draw, unit_pair


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutRisk:
    """Risk of a denoiser, in units of the target's noise per pixel.

    Attributes
    ----------
    risk : Values
        Of each held-out micrograph, in the band of particles.
    blank : Values
        Of an image without anything.
    """

    risk: Values
    blank: Values

    @property
    def mean(self) -> float:
        """Mean risk over the micrographs."""
        return float(self.risk.mean())

    @property
    def explained(self) -> float:
        """Mean over the micrographs of what the risk is less than that of a blank."""
        return float((self.blank - self.risk).mean())


def held_out_pairs(
    micrograph: OwnMicrograph, drawn: Profile, *, seed: int
) -> tuple[UnitPair, UnitPair]:
    """Two pairs of a micrograph, input and target exchanged.

    Parameters
    ----------
    micrograph : OwnMicrograph
        The micrograph.
    drawn : Profile
        Power of what is drawn on top of its measured noise, if there is any.
    seed : int
        Of what is drawn.
    """
    noisy = micrograph.noisy.float()
    h, w = noisy.shape
    corruption = draw(drawn, shape=(h, w), rng=np.random.default_rng(seed))
    if micrograph.corruption is not None:
        corruption = corruption + micrograph.corruption.float()
    first, second = (
        unit_pair(noisy, one, tau=1.0, pixel_size=micrograph.pixel_size)
        for one in (corruption, -corruption)
    )
    return first, second


def held_out_risk(
    denoise: Callable[[ImageTensor], ImageTensor],
    micrographs: Sequence[tuple[UnitPair, UnitPair]],
) -> HeldOutRisk:
    """Risk of a denoiser on held-out micrographs.

    Parameters
    ----------
    denoise : Callable
        Gives the clean estimate of an image of unit noise.
    micrographs : Sequence[tuple[UnitPair, UnitPair]]
        Two pairs of each.

    Raises
    ------
    InputError
        If a micrograph is too small to have frequencies in the band of particles.
    """
    risk = [[_risk(denoise(x.noisier), x) for x in pairs] for pairs in micrographs]
    blank = [
        [_risk(torch.zeros_like(x.target), x) for x in pairs] for pairs in micrographs
    ]
    return HeldOutRisk(risk=np.mean(risk, axis=1), blank=np.mean(blank, axis=1))


def _risk(estimate: ImageTensor, pair: UnitPair) -> float:
    return pair.weight * cross_half_risk(
        estimate.cpu().numpy(), pair.target.numpy(), pixel_size=pair.pixel_size
    )
