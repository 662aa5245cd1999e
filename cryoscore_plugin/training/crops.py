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
from jaxtyping import Float16, Float32, Float64
from scipy import fft

from cryoscore_plugin.networks.unet import Known, NoiseLevels, Tiles
from cryoscore_plugin.simulation.micrographs import QUANTUM_EFFICIENCY
from cryoscore_plugin.simulation.radiation_damage import damage_envelope, signal_left
from cryoscore_plugin.training.noise import coloured_noise, random_colour
from cryoscore_plugin.training.recipe import Background, MixSettings
from cryoscore_plugin.training.scenes import ScenePool
from cryoscore_plugin.training.told_excess import CENTRES, FIELDS, measured

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
    crops = [_mix_one(pool, settings, crop, rng) for _ in range(batch)]
    clean = torch.from_numpy(np.stack([one.clean for one in crops]))[:, None]
    rest = torch.from_numpy(np.stack([one.background for one in crops]))[:, None]
    expected = torch.tensor([one.expected_power for one in crops])
    power = expected + BACKGROUND_WEIGHT[background] * rest.square().mean((1, 2, 3))
    sigma = np.where(
        rng.random(batch) < settings.full_dose,
        1.0,
        _log_uniform(settings.sigma, rng, batch),
    )
    colour = random_colour(batch, share=settings.coloured, rng=rng)
    noise_excess = sigma[:, None] ** 2 * (colour.power(CENTRES) - 1)
    excess = np.stack([one.excess for one in crops]) + noise_excess
    told = measured(excess, sigma=sigma, rng=rng)
    level = torch.from_numpy(sigma.astype(np.float32))
    noise = coloured_noise(colour, crop, rng=rng)
    limit = torch.from_numpy(rng.uniform(5, 12, batch).astype(np.float32))
    u = clean + rest + level[:, None, None, None] * noise
    target = clean + rest if background == "kept" else clean
    if settings.target == "noisy":
        again = coloured_noise(colour, crop, rng=rng)
        target = target + level[:, None, None, None] * again
    # A real micrograph has its outliers clipped; where, depends on the picture.
    limit = (limit * torch.maximum(level, torch.ones(()))).reshape(-1, 1, 1, 1)
    return TrainingPair(
        u=u.clamp(-limit, limit),
        sigma=level,
        excess=torch.from_numpy(told.astype(np.float32)),
        clean=target,
        power=power.float(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Crop:
    """One crop without noise, in units of the noise.

    Attributes
    ----------
    clean, background : Float32[np.ndarray, "c c"]
        Particles, and all else.
    expected_power : float
        Of the particles of an average scene at the dose.
    excess : Float64[np.ndarray, "bands"]
        Power of the micrograph that the crop is from.
    """

    clean: Float32[np.ndarray, "c c"]
    background: Float32[np.ndarray, "c c"]
    expected_power: float
    excess: Float64[np.ndarray, " bands"]


def _mix_one(
    pool: ScenePool, settings: MixSettings, crop: int, rng: np.random.Generator
) -> _Crop:
    """One crop of two scenes at a random dose.

    Particles wrap around their scene, so the crop may begin anywhere; the
    background does not.
    """
    scenes = len(pool.clean)
    first = rng.integers(scenes)
    second = first if rng.random() < 0.5 else rng.integers(scenes)
    size = pool.clean.shape[-1]
    clean = _random_crop(pool.clean[first], crop, size, rng)
    rest = _random_crop(pool.background[second], crop, size - crop + 1, rng)
    dose = float(_log_uniform(settings.dose, rng))
    pixel_size = float(pool.pixel_sizes[first])
    clean = damaged(clean, dose=dose, pixel_size=pixel_size)
    electrons = dose * pixel_size**2 * QUANTUM_EFFICIENCY
    contrast = float(_log_uniform(settings.contrast, rng))
    strength = float(_log_uniform(settings.background, rng))
    empty = rng.random() < settings.empty
    # Of crops without particles, half are from a micrograph without any.
    elsewhere = 0.0 if empty and rng.random() < 0.5 else contrast
    left = signal_left(
        torch.from_numpy(CENTRES / pixel_size).float(), dose=dose
    ).numpy()
    excess = electrons * (
        elsewhere**2 * left**2 * pool.clean_power[first] * _log_uniform(FIELDS, rng)
        + strength**2 * pool.background_power[second] * _log_uniform(FIELDS, rng)
    )
    amplitude = np.sqrt(electrons)
    return _Crop(
        clean=np.float32(0.0 if empty else amplitude * contrast) * clean,
        background=np.float32(amplitude * strength) * rest,
        expected_power=pool.expected_power(electrons),
        excess=excess,
    )


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


def _log_uniform(
    limits: tuple[float, float], rng: np.random.Generator, size: int | None = None
) -> np.ndarray | float:
    return np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]), size))
