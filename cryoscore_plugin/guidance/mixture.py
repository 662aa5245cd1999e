"""Where views of a known particle are in a noisy image, if anywhere.

The clean image near a place is thought to be drawn from a mixture: with probability
`empty` it is nothing, and otherwise one of the K views of the particle, each equally
likely, at one of the A positions of a window around the place,

    q(x) = empty delta(x) + (1 - empty) / (K A) sum over k, r of N(x; a y_kr, s² a² y_kr y_kr')

with the amplitude a and its relative spread s from particle to particle. The noise is
stationary with the power spectrum Sigma. Everything is then in closed form. With

    c = <y_kr, u / Sigma>,  n = <y_kr, y_kr / Sigma>,  t = (s a)²

the evidence for the view k at r against nothing is

    log e = (2 a c + t c² - a² n) / (2 (1 + t n)) - log(1 + t n) / 2

and its amplitude, given that it is there, `(a + t c) / (1 + t n)`. The posterior mean
is the sum of the views with these amplitudes, weighted by the posterior probabilities.
One Fourier transform for each view gives all positions. By Tweedie's formula it
is the score of the noisy data under q as well (`cryoscore_plugin.score`).

A micrograph holds many particles: each place competes with those in a window of its
own. If the window holds the whole image, nothing is approximated.

The empty component is what keeps a reference from being found in noise. Without it
something must be everywhere; the tests hold that a view comes out of pure noise at
four fifths of its size without, and at no more than three hundredths with it.

References
----------
Wu et al. (2026), arXiv 2604.17734 (target guidance). Henderson (2013),
doi:10.1073/pnas.1314449110 (what is found in noise by a reference alone).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.spectrum import mode_counts
from cryoscore_plugin.tensors import HalfPlane, HalfPlaneMap, ImageTensor, ViewStack


@dataclass(frozen=True, kw_only=True)
class MixturePrior:
    """What is believed before the image is looked at.

    Attributes
    ----------
    empty : float
        Probability that a window holds no particle, from 0 to 1.
    amplitude : float
        Mean amplitude a of a particle, in units of its views.
    spread : float
        Relative standard deviation of the amplitude.
    window : int
        Odd side in px of the window that holds at most one particle; at least the
        side of the image for the whole of it.

    Raises
    ------
    ConfigError
        If a probability, amplitude or window is impossible.
    """

    empty: float
    amplitude: float
    spread: float
    window: int

    def __post_init__(self) -> None:
        possible = 0 <= self.empty < 1 and self.amplitude > 0 and self.spread >= 0
        if not possible or self.window < 1 or self.window % 2 == 0:
            msg = (
                "A mixture needs a probability from 0 to less than 1 for nothing, a "
                "positive amplitude, a spread of 0 or more and an odd window, but "
                f"found {self}. Try 0.9 for nothing and 0.25 for the spread."
            )
            raise ConfigError(msg)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """An image, its noise, and the views that are searched in it.

    Attributes
    ----------
    noisy : ImageTensor
        The image u, taken as periodic.
    noise_power : HalfPlaneMap
        Power of noise and background at each coefficient, more than 0.
    excess : ImageTensor
        How many times stronger than that the noise is locally; 1 where it is not.
    views : ViewStack
        Views of the particle, square, their centre at `side // 2`.
    transfer : HalfPlaneMap
        What the microscope, and the band of interest, make of each coefficient.
    """

    noisy: ImageTensor
    noise_power: HalfPlaneMap
    excess: ImageTensor
    views: ViewStack
    transfer: HalfPlaneMap

    def matches(self, views: Sequence[int]) -> Iterator[tuple[HalfPlane, _Match]]:
        """Transform of each view as it is seen, and how it fits at each position."""
        h, w = self.noisy.shape
        whitened = torch.fft.rfft2(self.noisy) / self.noise_power
        weight = mode_counts((h, w), device=self.noisy.device) / self.noise_power
        for index in views:
            seen = torch.fft.rfft2(_centred(self.views[index], (h, w))) * self.transfer
            shared = torch.fft.irfft2(seen.conj() * whitened, s=(h, w))
            size = float((seen.abs().square() * weight).sum()) / (h * w)
            yield (
                seen,
                _Match(shared=shared / self.excess, size=size / self.excess),
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Match:
    """The products c and n of a view with the image and with itself, by position."""

    shared: ImageTensor
    size: ImageTensor

    def log_evidence(self, prior: MixturePrior) -> ImageTensor:
        """For this view at each position, against nothing."""
        a, c, n = prior.amplitude, self.shared, self.size
        t = (prior.spread * a) ** 2
        fit = (2 * a * c + t * c**2 - a**2 * n) / (2 * (1 + t * n))
        return fit - torch.log1p(t * n) / 2

    def amplitude(self, prior: MixturePrior) -> ImageTensor:
        """Mean amplitude of this view, given that it is at a position."""
        t = (prior.spread * prior.amplitude) ** 2
        return (prior.amplitude + t * self.shared) / (1 + t * self.size)


def posterior_mean_of_views(scene: Scene, prior: MixturePrior) -> ImageTensor:
    """Mean of the clean images behind a noisy one, if it holds nothing but views.

    Parameters
    ----------
    scene : Scene
        The image and the views.
    prior : MixturePrior
        What is believed beforehand.

    Returns
    -------
    mean : ImageTensor
        In the units of the image, with the transfer function.
    """
    everything = range(len(scene.views))
    single = _log_of_one(scene, prior)
    [total] = _log_totals(scene, [prior], everything)
    plane = torch.zeros_like(torch.fft.rfft2(scene.noisy))
    for seen, match in scene.matches(everything):
        probability = torch.exp(single + match.log_evidence(prior) - total)
        plane += torch.fft.rfft2(probability * match.amplitude(prior)) * seen
    h, w = scene.noisy.shape
    mean: ImageTensor = torch.fft.irfft2(plane, s=(h, w))
    return mean


def probability_of_particles(scene: Scene, prior: MixturePrior) -> ImageTensor:
    """Probability that the window around each place holds a particle.

    Parameters
    ----------
    scene : Scene
        The image and the views.
    prior : MixturePrior
        What is believed beforehand.
    """
    [total] = _log_totals(scene, [prior], range(len(scene.views)))
    return 1 - torch.exp(_log_of_nothing(prior) - total)


def log_likelihoods(
    scene: Scene, priors: Sequence[MixturePrior], *, views: Sequence[int]
) -> list[float]:
    """How much better than pure noise the mixture explains an image, in nats.

    Parameters
    ----------
    scene : Scene
        The image and the views.
    priors : Sequence[MixturePrior]
        What may be believed beforehand.
    views : Sequence[int]
        Which of the views to ask.

    Returns
    -------
    log_likelihoods : list[float]
        For each prior the mean over all windows, times the number of windows that lie
        side by side.
    """
    h, w = scene.noisy.shape
    return [
        float(total.double().sum()) / (min(prior.window, h) * min(prior.window, w))
        for prior, total in zip(priors, _log_totals(scene, priors, views), strict=True)
    ]


def window_logsumexp(values: ImageTensor, side: int) -> ImageTensor:
    """Logarithm of the sum of exponentials over the window around each pixel.

    Parameters
    ----------
    values : ImageTensor
        The image, taken as periodic.
    side : int
        Odd side of the window in px; from the side of the image on, the whole of it.
    """
    for axis in (0, 1):
        if side >= values.shape[axis]:
            values = values.logsumexp(axis, keepdim=True).expand_as(values)
        else:
            values = _running_logsumexp(values, side, axis).roll(side // 2, axis)
    return values


def _running_logsumexp(values: ImageTensor, length: int, axis: int) -> ImageTensor:
    """Over each pixel and those behind it, built of sums of 1, 2, 4, ... pixels."""
    total, covered = None, 0
    block, width = values, 1
    while length:
        if length & width:
            part = block.roll(-covered, axis)
            total = part if total is None else torch.logaddexp(total, part)
            covered += width
            length -= width
        block = torch.logaddexp(block, block.roll(-width, axis))
        width *= 2
    return values if total is None else total


def _log_totals(
    scene: Scene, priors: Sequence[MixturePrior], views: Sequence[int]
) -> list[ImageTensor]:
    """Logarithm of the evidence of all that the window of each place may hold."""
    here = [torch.full_like(scene.noisy, -math.inf) for _ in priors]
    for _, match in scene.matches(views):
        for number, prior in enumerate(priors):
            here[number] = torch.logaddexp(here[number], match.log_evidence(prior))
    share = math.log(len(scene.views) / len(views))
    totals = []
    for prior, evidence in zip(priors, here, strict=True):
        single = _log_of_one(scene, prior) + share
        anything = window_logsumexp(evidence + single, prior.window)
        totals.append(torch.logaddexp(anything, _log_of_nothing(prior).to(anything)))
    return totals


def _log_of_nothing(prior: MixturePrior) -> Tensor:
    return torch.tensor(prior.empty).log()


def _log_of_one(scene: Scene, prior: MixturePrior) -> float:
    """Logarithm of the prior probability of one view at one position."""
    h, w = scene.noisy.shape
    positions = min(prior.window, h) * min(prior.window, w)
    return math.log((1 - prior.empty) / (len(scene.views) * positions))


def _centred(view: Tensor, shape: tuple[int, int]) -> ImageTensor:
    """A view on a larger grid, its centre on the first pixel."""
    (side, _), (h, w) = view.shape, shape
    padded = functional.pad(view, (0, w - side, 0, h - side))
    return padded.roll((-(side // 2), -(side // 2)), (0, 1))
