"""Ways from a denoiser to a clean image, to be compared with its posterior mean.

A denoiser `D(u; sigma)` for all noise levels holds the score of the data at each of
them, `(D - u) / sigma²`, and so takes the place of a prior in each of these:

* `posterior_mean_of`: `D(y; 1)`, the mean of all clean images behind y. It has the
  smallest mean squared error, and is the default.
* `map_estimate`: the most probable clean image, by half-quadratic splitting. What the
  noise allows and what the prior wants are met in turn, in Fourier space and by D,
  at noise levels that fall from 1 to `LOWEST`.
* `score_ascent`: steps along the score, `x + eta sigma² s(x)`, from y on.
* `posterior_sample`: one of the clean images, drawn at random. Noise of level 1 is a
  state of a diffusion, which is run backwards to `LOWEST`; what is still uncertain
  there is not drawn.

All but the first take structured background, which D removes, for signal wherever they
come back to y. On simulated micrographs each of them is less like the truth than the
mean (`examples/benchmarks`).

The tests hold, for a Gaussian prior, that the mean is the Wiener filter, that splitting
ends there, that ascent is a power of its complement, and that samples have the mean
and the variance of the posterior.

References
----------
Zhang et al. (2022), doi:10.1109/TPAMI.2021.3088914 (splitting with a denoiser).
Wu et al. (2026), arXiv 2604.17734 (score ascent).
Kawar, Vaksman and Elad (2021), arXiv 2103.04192 (denoising by sampling).
Song, Meng and Ermon (2021), arXiv 2010.02502, equation 7 (the step backwards).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import torch

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.noise_model import estimate_noise_model
from cryoscore_plugin.spectrum import on_plane
from cryoscore_plugin.tensors import HalfPlaneMap, ImageTensor

LOWEST = 0.25
"""Noise level at which `map_estimate` and `posterior_sample` end: the lowest one that
the packaged models were trained at."""

LARGEST_STEP = 1.8
"""Bound of the steps of `score_ascent`. With data of power S_x + sigma² in a band, a step
multiplies what it changes by 1 - eta sigma² / (S_x + sigma²), at worst by 1 - eta: from
2 on it would grow (method.md, section 7, which keeps a tenth in reserve)."""

LevelDenoiser = Callable[[ImageTensor, float], ImageTensor]
"""The denoiser D: estimate of the clean image at a noise level."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a solver goes.

    Attributes
    ----------
    steps : int
        Runs of the denoiser, at least 1.
    step_size : float
        Of `score_ascent`, eta: more than 0, less than `LARGEST_STEP`.
    generator : torch.Generator
        Of `posterior_sample`, on the CPU.

    Raises
    ------
    ConfigError
        If there is no step, or they are so large that the image may grow without bounds.
    """

    steps: int
    step_size: float
    generator: torch.Generator

    def __post_init__(self) -> None:
        if self.steps < 1:
            msg = f"steps should be at least 1, but is {self.steps}. Try 10."
            raise ConfigError(msg)
        if not 0 < self.step_size < LARGEST_STEP:
            msg = (
                f"step_size should be more than 0 and less than {LARGEST_STEP:g}, from "
                f"where on steps overshoot, but is {self.step_size:g}. Try 0.2."
            )
            raise ConfigError(msg)


def posterior_mean_of(
    denoise: LevelDenoiser,
    noisy: ImageTensor,
    course: Course,  # noqa: ARG001  all solvers have one signature
) -> ImageTensor:
    """Mean of the clean images behind a noisy one, in one step.

    Parameters
    ----------
    denoise : LevelDenoiser
        The denoiser D.
    noisy : ImageTensor
        An image of unit noise.
    course : Course
        Not used.
    """
    return denoise(noisy, 1.0)


def map_estimate(
    denoise: LevelDenoiser, noisy: ImageTensor, course: Course
) -> ImageTensor:
    """Most probable clean image behind a noisy one, by half-quadratic splitting.

    Parameters
    ----------
    denoise : LevelDenoiser
        The denoiser D.
    noisy : ImageTensor
        An image of unit noise; the spectrum of its noise is estimated.
    course : Course
        The number of steps.
    """
    h, w = noisy.shape
    noise_power = on_plane(
        estimate_noise_model(noisy).spectrum,
        (h, w),
        side=min(h, w),
        device=noisy.device,
    )
    clean = noisy
    for level in noise_levels(course.steps):
        wanted = denoise(clean, level)
        clean = nearest_to_both(noisy, wanted, noise_power, level=level)
    return wanted


def nearest_to_both(
    noisy: ImageTensor, wanted: ImageTensor, noise_power: HalfPlaneMap, *, level: float
) -> ImageTensor:
    """Image that fits the data and what the prior wants, exact in Fourier space.

    Minimises `|noisy - x|² / noise_power + |wanted - x|² / level²`.

    Parameters
    ----------
    noisy, wanted : ImageTensor
        The data, and the denoised image.
    noise_power : HalfPlaneMap
        Noise power of each coefficient of the data, more than 0.
    level : float
        Standard deviation that the denoised image is trusted to.
    """
    h, w = noisy.shape
    weight = level**2 / (level**2 + noise_power)
    plane = torch.fft.rfft2(noisy - wanted) * weight
    nearest: ImageTensor = wanted + torch.fft.irfft2(plane, s=(h, w))
    return nearest


def score_ascent(
    denoise: LevelDenoiser, noisy: ImageTensor, course: Course
) -> ImageTensor:
    """Image some steps along the score of the noisy data, from the noisy one.

    Parameters
    ----------
    denoise : LevelDenoiser
        The denoiser D.
    noisy : ImageTensor
        An image of unit noise.
    course : Course
        Number and size of the steps.
    """
    clean = noisy
    for _ in range(course.steps):
        # The score times sigma², by Tweedie's formula.
        clean = torch.lerp(clean, denoise(clean, 1.0), course.step_size)
    return clean


def posterior_sample(
    denoise: LevelDenoiser, noisy: ImageTensor, course: Course
) -> ImageTensor:
    """One of the clean images that could lie behind a noisy one, at random.

    Parameters
    ----------
    denoise : LevelDenoiser
        The denoiser D.
    noisy : ImageTensor
        An image of unit noise.
    course : Course
        The number of steps, and random numbers.
    """
    levels = noise_levels(course.steps)
    state = noisy
    for before, after in pairwise(levels):
        kept = (after / before) ** 2
        fresh = torch.randn(state.shape, generator=course.generator).to(state)
        state = torch.lerp(denoise(state, before), state, kept)
        state = state + after * (1 - kept) ** 0.5 * fresh
    return denoise(state, levels[-1])


def noise_levels(steps: int) -> list[float]:
    """Noise levels that fall evenly in their logarithm, from 1 to `LOWEST`.

    Parameters
    ----------
    steps : int
        How many; one alone is 1.
    """
    return [LOWEST ** (step / max(1, steps - 1)) for step in range(steps)]


SOLVERS: Mapping[str, Callable[[LevelDenoiser, ImageTensor, Course], ImageTensor]] = (
    MappingProxyType(
        {
            "mean": posterior_mean_of,
            "map": map_estimate,
            "ascent": score_ascent,
            "sample": posterior_sample,
        }
    )
)
"""By the value of the setting `estimate`."""
