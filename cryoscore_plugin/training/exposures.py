"""Draw how the micrographs of training crops were taken, and what their spectra are.

Two scenes of the pool, one for the particles and one for the background, a dose and the
strength of both make a micrograph; a crop is a part of it, perhaps one without particles.
What follows for spectra is known band by band, before any picture is made: `crops` tells
the network, and `filter_fit` finds the best linear filter from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from cryoscore_plugin.simulation.micrographs import QUANTUM_EFFICIENCY
from cryoscore_plugin.simulation.radiation_damage import signal_left
from cryoscore_plugin.training.noise import NoiseColour, random_colour
from cryoscore_plugin.training.recipe import MixSettings
from cryoscore_plugin.training.scenes import ScenePool
from cryoscore_plugin.training.told_excess import CENTRES, FIELDS, BandPower

Numbers = Float64[np.ndarray, " n"]
"""One number for each crop."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposures:
    """How the micrographs of several crops were taken.

    Attributes
    ----------
    particles, background : Int64[np.ndarray, "n"]
        Numbers of their scenes in the pool.
    dose, electrons : Numbers
        In e/Å², and counted electrons per pixel.
    contrast, strength : Numbers
        Of the particles relative to weak-phase theory, and of the background.
    empty, empty_micrograph : Bool[np.ndarray, "n"]
        Whether there is no particle in the crop, or in all of the micrograph.
    sigma : Numbers
        Standard deviation of the noise.
    colour : NoiseColour
        Its spectra.
    """

    particles: Int64[np.ndarray, " n"]
    background: Int64[np.ndarray, " n"]
    dose: Numbers
    electrons: Numbers
    contrast: Numbers
    strength: Numbers
    empty: Bool[np.ndarray, " n"]
    empty_micrograph: Bool[np.ndarray, " n"]
    sigma: Numbers
    colour: NoiseColour


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectra:
    """Mean power in each band of `excess.BANDS`, in units of the noise at full dose.

    Attributes
    ----------
    particles, background, noise : BandPower
        In the scene of each crop; particles are 0 if the crop has none.
    excess : BandPower
        What the micrograph has beyond white noise.
    """

    particles: BandPower
    background: BandPower
    noise: BandPower
    excess: BandPower


def draw_exposures(
    pool: ScenePool, settings: MixSettings, *, count: int, rng: np.random.Generator
) -> Exposures:
    """Draw `count` exposures at random, as the settings want them."""
    scenes = len(pool.clean)
    particles = rng.integers(scenes, size=count)
    another = rng.integers(scenes, size=count)
    dose = _log_uniform(settings.dose, count, rng)
    empty = rng.random(count) < settings.empty
    full = rng.random(count) < settings.full_dose
    return Exposures(
        particles=particles,
        background=np.where(rng.random(count) < 0.5, particles, another),
        dose=dose,
        electrons=dose * pool.pixel_sizes[particles] ** 2.0 * QUANTUM_EFFICIENCY,
        contrast=_log_uniform(settings.contrast, count, rng),
        strength=_log_uniform(settings.background, count, rng),
        empty=empty,
        # Of crops without particles, half are from a micrograph without any.
        empty_micrograph=empty & (rng.random(count) < 0.5),
        sigma=np.where(full, 1.0, _log_uniform(settings.sigma, count, rng)),
        colour=random_colour(count, share=settings.coloured, rng=rng),
    )


def spectra_of(
    pool: ScenePool, exposures: Exposures, *, rng: np.random.Generator
) -> Spectra:
    """Spectra of exposures; how far a micrograph differs from its scene is random."""
    count = len(exposures.dose)
    pixel_sizes = pool.pixel_sizes[exposures.particles].astype(np.float64)
    frequencies = torch.from_numpy(CENTRES / pixel_sizes[:, None]).float()
    left = np.stack(
        [
            signal_left(k, dose=float(dose)).numpy()
            for k, dose in zip(frequencies, exposures.dose, strict=True)
        ]
    )
    amplitude = exposures.electrons * exposures.contrast**2
    particles = amplitude[:, None] * left**2 * pool.clean_power[exposures.particles]
    amplitude = exposures.electrons * exposures.strength**2
    background = amplitude[:, None] * pool.background_power[exposures.background]
    noise = exposures.sigma[:, None] ** 2 * exposures.colour.power(CENTRES)
    elsewhere = particles * ~exposures.empty_micrograph[:, None]
    field, other_field = (_log_uniform(FIELDS, count, rng)[:, None] for _ in range(2))
    return Spectra(
        particles=particles * ~exposures.empty[:, None],
        background=background,
        noise=noise,
        excess=elsewhere * field
        + background * other_field
        + noise
        - exposures.sigma[:, None] ** 2,
    )


def _log_uniform(
    limits: tuple[float, float], count: int, rng: np.random.Generator
) -> Numbers:
    low, high = np.log(limits)
    result: np.ndarray = np.exp(rng.uniform(low, high, count))
    return result
