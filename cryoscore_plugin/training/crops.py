"""Training pairs: scenes simulated once, and mixed anew at every step.

A small pool goes a long way when any particles meet any background, at any dose,
under fresh noise, turned and flipped. The pool holds relative contrast, particles
and background apart; `mix_batch` turns it into what the network will see: units
of the noise, as `normalization` makes them of a real micrograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32
from scipy import fft
from torch import Tensor

from cryoscore_plugin.ctf import contrast_transfer
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.local_mean import without_local_mean
from cryoscore_plugin.networks.unet import NoiseLevels, Tiles
from cryoscore_plugin.noise_level import NOISE_BAND
from cryoscore_plugin.simulation.background import Canvas, random_background
from cryoscore_plugin.simulation.micrographs import (
    QUANTUM_EFFICIENCY,
    debris_views,
    layer_contrast,
    particle_contrast,
    random_optics,
)
from cryoscore_plugin.simulation.radiation_damage import damage_envelope
from cryoscore_plugin.simulation.specimen import add_views, random_centers, random_views
from cryoscore_plugin.training.recipe import Background, MixSettings, PoolSettings

Electrons = TypeVar("Electrons", float, Float32[np.ndarray, " n"])

TYPICAL_CONTRAST = 0.6
"""Phase contrast relative to weak-phase theory, in the middle of its range."""

BACKGROUND_WEIGHT = {"removed": 0.02, "kept": 0.2}
"""How much background power counts beside signal power, by what becomes of it: where
there is much of it, less can be asked of the network."""

EXCESS = 0.15
"""Mean excess of coloured noise at low frequencies. Real noise is nearly white: in eight
frames of EMPIAR-10146 its power between 400 and 12 Å is 1.02 to 1.13 times that at 6 to
8 Å. A network that must expect more takes faint particles for noise."""

BORDER = 32
"""Width in px of what is cut from a background: there the optics wrapped around."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScenePool:
    """Relative contrast of many scenes.

    Attributes
    ----------
    clean : Float16[np.ndarray, "n s s"]
        Of the particles, by weak-phase theory.
    background : Float16[np.ndarray, "n s s"]
        Of everything else, its phase contrast weakened as is typical.
    pixel_sizes : Float32[np.ndarray, "n"]
        In Å/px.
    """

    clean: Float16[np.ndarray, "n s s"]
    background: Float16[np.ndarray, "n s s"]
    pixel_sizes: Float32[np.ndarray, " n"]

    @cached_property
    def mean_power(self) -> float:
        """Mean square of the contrast of the particles, over all scenes."""
        squares = [np.square(scene, dtype=np.float32).mean() for scene in self.clean]
        return float(np.mean(squares))

    def expected_power(self, electrons: Electrons) -> Electrons:
        """Signal power of an average scene, in units of the noise.

        Parameters
        ----------
        electrons : Electrons
            Counted electrons per pixel.
        """
        return electrons * TYPICAL_CONTRAST**2 * self.mean_power


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPair:
    """What the network sees, and what it should say.

    Attributes
    ----------
    u : Tiles
        Noisy crops in units of the noise at full dose.
    sigma : NoiseLevels
        Their noise levels.
    clean : Tiles
        The particles alone, or with the background if that is kept.
    power : NoiseLevels
        Error that is acceptable: signal power of an average scene at the dose, and a
        part of the background power.
    """

    u: Tiles
    sigma: NoiseLevels
    clean: Tiles
    power: NoiseLevels


def simulate_group(
    models: Sequence[AtomicModel], settings: PoolSettings, rng: np.random.Generator
) -> Iterator[tuple[Float32[np.ndarray, "2 s s"], float]]:
    """Scenes of one particle: contrast of particles and background, pixel size."""
    low, high = np.log(settings.pixel_size)
    pixel_size = float(np.exp(rng.uniform(low, high)))
    voltage = float(rng.choice([200.0, 300.0]))
    own = rng.random() < settings.procedural
    model = random_shape(rng) if own else models[int(rng.integers(len(models)))]
    bank = random_views(
        model, settings.views, pixel_size=pixel_size, voltage=voltage, rng=rng
    )
    debris = debris_views(
        [model, *models], pixel_size=pixel_size, voltage=voltage, rng=rng
    )
    shape = (settings.scene_size, settings.scene_size)
    # The background does not wrap around: it is painted larger and cut.
    wide = (settings.scene_size + 2 * BORDER, settings.scene_size + 2 * BORDER)
    canvas = Canvas(shape=wide, pixel_size=pixel_size, voltage=voltage, debris=debris)
    inner = slice(BORDER, -BORDER)

    for _ in range(settings.scenes_per_group):
        optics = random_optics(rng, voltage=voltage)
        transfer = contrast_transfer(optics, shape=shape, pixel_size=pixel_size)
        occupancy = settings.occupancy * rng.uniform(0, 1)
        count = int(
            np.ceil(occupancy * np.prod(shape) / (np.pi / 4 * bank.diameter**2))
        )
        distance = bank.diameter * rng.uniform(0.8, 1.3)
        centers = random_centers(shape, count=count, distance=distance, rng=rng)
        phase = np.zeros(shape, dtype=np.float32)
        add_views(phase, centers, bank.views, rng=rng)
        clean = particle_contrast(phase, transfer)
        transfer = contrast_transfer(optics, shape=wide, pixel_size=pixel_size)
        background = layer_contrast(
            random_background(canvas, rng), transfer, contrast=TYPICAL_CONTRAST
        )
        yield np.stack([clean, background[inner, inner]]), pixel_size


def level_scenes(pool: ScenePool, local_mean: float | None) -> ScenePool:
    """Take off each scene what is taken off a micrograph before the network sees it.

    Parameters
    ----------
    pool : ScenePool
        Scenes as they were simulated.
    local_mean : float | None
        Of the recipe.
    """
    if local_mean is None:
        medians = np.median(pool.background, axis=(1, 2), keepdims=True)
        return replace(pool, background=pool.background - medians)

    def flat(scenes: Float16[np.ndarray, "n s s"], *, wraps: bool) -> np.ndarray:
        parts = [
            without_local_mean(part.float(), sigma=local_mean, wraps=wraps).half()
            for part in torch.split(torch.from_numpy(scenes), 64)
        ]
        result: np.ndarray = torch.cat(parts).numpy()
        return result

    return replace(
        pool,
        clean=flat(pool.clean, wraps=True),
        background=flat(pool.background, wraps=False),
    )


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
    pairs = [_mix_one(pool, settings, crop, rng) for _ in range(batch)]
    clean, rest, expected = (
        torch.from_numpy(np.stack(x)) for x in zip(*pairs, strict=True)
    )
    power = expected + BACKGROUND_WEIGHT[background] * rest.square().mean((1, 2))
    clean, rest = clean[:, None], rest[:, None]
    sigma = np.where(
        rng.random(batch) < settings.full_dose,
        1.0,
        _log_uniform(settings.sigma, rng, batch),
    )
    level = torch.from_numpy(sigma.astype(np.float32))
    noise = coloured_noise(batch, crop, share=settings.coloured, rng=rng)
    limit = torch.from_numpy(rng.uniform(5, 12, batch).astype(np.float32))
    u = clean + rest + level[:, None, None, None] * noise
    # A real micrograph has its outliers clipped; where, depends on the picture.
    limit = (limit * torch.maximum(level, torch.ones(()))).reshape(-1, 1, 1, 1)
    return TrainingPair(
        u=u.clamp(-limit, limit),
        sigma=level,
        clean=clean + rest if background == "kept" else clean,
        power=power.float(),
    )


def _mix_one(
    pool: ScenePool, settings: MixSettings, crop: int, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "c c"], Float32[np.ndarray, "c c"], float]:
    """Particles and background of one crop, in units of the noise; expected power.

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
    amplitude = np.sqrt(electrons)
    contrast = _log_uniform(settings.contrast, rng)
    if rng.random() < settings.empty:
        contrast = 0.0
    strength = _log_uniform(settings.background, rng)
    rest = np.float32(amplitude * strength) * rest
    expected = pool.expected_power(electrons)
    return np.float32(amplitude * contrast) * clean, rest, expected


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


def coloured_noise(
    batch: int, crop: int, *, share: float, rng: np.random.Generator
) -> Float[Tensor, "n 1 h w"]:
    """Gaussian noise, unit variance in `NOISE_BAND`, for some crops red."""
    white = torch.from_numpy(
        rng.standard_normal((batch, 1, crop, crop), dtype=np.float32)
    )
    excess = np.where(rng.random(batch) < share, rng.exponential(EXCESS, batch), 0)
    reach = rng.uniform(0.05, 0.3, batch)
    fy, fx = np.fft.fftfreq(crop)[:, None], np.fft.rfftfreq(crop)
    squared = (fy**2 + fx**2)[None]
    power = 1 + excess[:, None, None] * np.exp(-squared / reach[:, None, None] ** 2)
    band = (squared >= NOISE_BAND[0] ** 2) & (squared < NOISE_BAND[1] ** 2)
    mean = (power * band).sum((1, 2), keepdims=True) / band.sum()
    gain = torch.from_numpy(np.sqrt(power / mean).astype(np.float32))[:, None]
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * gain, s=(crop, crop))
    return noise


def _log_uniform(
    limits: tuple[float, float], rng: np.random.Generator, size: int | None = None
) -> np.ndarray | float:
    return np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]), size))
