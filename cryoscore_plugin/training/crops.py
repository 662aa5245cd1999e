"""Training pairs: scenes simulated once, and mixed anew at every step.

A small pool goes a long way when any particles meet any background, at any dose,
under fresh noise, turned and flipped. The pool holds relative contrast, particles
and background apart; `mix_batch` turns it into what the network will see: units
of the noise, as `normalization` makes them of a real micrograph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float16, Float32
from scipy import fft

from cryoscore_plugin.networks.unet import Known, NoiseLevels, Tiles
from cryoscore_plugin.simulation.radiation_damage import damage_envelope
from cryoscore_plugin.training.exposures import Exposures, draw_exposures, spectra_of
from cryoscore_plugin.training.noise import coloured_noise
from cryoscore_plugin.training.recipe import Background, MixSettings
from cryoscore_plugin.training.scenes import ScenePool
from cryoscore_plugin.training.told_excess import measured

Picture = Float32[np.ndarray, "c c"]
"""A crop without noise."""

BACKGROUND_WEIGHT = {"removed": 0.02, "kept": 0.2}
"""How much background power counts beside signal power, by what becomes of it: where
there is much of it, less can be asked of the network."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPair:
    """What the network sees, and what it should say.

    Attributes
    ----------
    u : Tiles
        Noisy crops in units of the noise at full dose.
    sigma : NoiseLevels
        Their noise levels.
    excess : Known
        What the network is told about the spectra of their micrographs.
    clean : Tiles
        The particles alone, or with the background if that is kept; with noise of its
        own if the settings want a noisy target.
    power : NoiseLevels
        Error that is acceptable: signal power of an average scene at the dose, and a
        part of the background power.
    """

    u: Tiles
    sigma: NoiseLevels
    excess: Known
    clean: Tiles
    power: NoiseLevels


def mix_batch(
    pool: ScenePool,
    settings: MixSettings,
    *,
    batch: int,
    crop: int,
    rng: np.random.Generator,
    background: Background = "removed",
) -> TrainingPair:
    """Put together one batch of training pairs.

    Parameters
    ----------
    pool : ScenePool
        The scenes.
    settings : MixSettings
        Ranges of dose, contrast, background, noise.
    batch, crop : int
        Number of crops, and their side in px.
    rng : np.random.Generator
        Source of everything random.
    background : {"removed", "kept"}
        Whether it is part of the noise, or of what is searched.
    """
    drawn = draw_exposures(pool, settings, count=batch, rng=rng)
    spectra = spectra_of(pool, drawn, rng=rng)
    pictures = [_without_noise(pool, drawn, n, crop, rng) for n in range(batch)]
    clean, rest = (
        torch.from_numpy(np.stack(part))[:, None]
        for part in zip(*pictures, strict=True)
    )
    told = measured(spectra.excess, sigma=drawn.sigma, rng=rng)
    level = torch.from_numpy(drawn.sigma.astype(np.float32))
    noise = coloured_noise(drawn.colour, crop, rng=rng)
    limit = torch.from_numpy(rng.uniform(5, 12, batch).astype(np.float32))
    u = clean + rest + level[:, None, None, None] * noise
    target = clean + rest if background == "kept" else clean
    if settings.target == "noisy":
        again = coloured_noise(drawn.colour, crop, rng=rng)
        target = target + level[:, None, None, None] * again
    # A real micrograph has its outliers clipped; where, depends on the picture.
    limit = (limit * torch.maximum(level, torch.ones(()))).reshape(-1, 1, 1, 1)
    return TrainingPair(
        u=u.clamp(-limit, limit),
        sigma=level,
        excess=torch.from_numpy(told.astype(np.float32)),
        clean=target,
        power=acceptable(
            torch.from_numpy(pool.expected_power(drawn.electrons)).float(),
            rest.square().mean((1, 2, 3)),
            background=background,
        ),
    )


def acceptable(
    expected: NoiseLevels, rest: NoiseLevels, *, background: Background
) -> NoiseLevels:
    """Error that is acceptable in each crop.

    Parameters
    ----------
    expected : NoiseLevels
        Power of the particles of an average scene at the dose.
    rest : NoiseLevels
        Power of the background in the crop.
    background : {"removed", "kept"}
        What becomes of it.
    """
    return expected + BACKGROUND_WEIGHT[background] * rest


def _without_noise(
    pool: ScenePool, drawn: Exposures, n: int, crop: int, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    """Particles and background of the n-th crop, in units of the noise.

    Particles wrap around their scene, so the crop may begin anywhere; the
    background does not.
    """
    size = pool.clean.shape[-1]
    clean = _random_crop(pool.clean[drawn.particles[n]], crop, size, rng)
    starts = size - crop + 1
    rest = _random_crop(pool.background[drawn.background[n]], crop, starts, rng)
    pixel_size = float(pool.pixel_sizes[drawn.particles[n]])
    clean = damaged(clean, dose=float(drawn.dose[n]), pixel_size=pixel_size)
    amplitude = np.sqrt(drawn.electrons[n])
    of_particles = np.float32(amplitude * drawn.contrast[n] * ~drawn.empty[n])
    return of_particles * clean, np.float32(amplitude * drawn.strength[n]) * rest


def damaged(
    contrast: Float32[np.ndarray, "h w"], *, dose: float, pixel_size: float
) -> Float32[np.ndarray, "h w"]:
    """What an exposure of `dose` e/Å² leaves of the contrast of particles."""
    shape = (contrast.shape[0], contrast.shape[1])
    left = damage_envelope(dose=dose, shape=shape, pixel_size=pixel_size).numpy()
    result: Float32[np.ndarray, "h w"] = fft.irfft2(fft.rfft2(contrast) * left, s=shape)
    return result


def _random_crop(
    scene: Float16[np.ndarray, "s s"], crop: int, starts: int, rng: np.random.Generator
) -> Float32[np.ndarray, "c c"]:
    """A crop from one of the first `starts` rows and columns, turned and flipped."""
    rows, columns = (
        (np.arange(crop) + rng.integers(starts)) % len(scene) for _ in range(2)
    )
    picture = np.rot90(scene[np.ix_(rows, columns)], int(rng.integers(4)))
    if rng.random() < 0.5:
        picture = picture.T
    result: Float32[np.ndarray, "c c"] = picture.astype(np.float32)
    return result
