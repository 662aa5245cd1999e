"""Scenes for training: particles and background of many micrographs, without noise.

They hold relative contrast, particles and background apart, so that any particles can meet
any background at any dose (`crops`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float16, Float32, Float64

from cryoscore_plugin.ctf import contrast_transfer
from cryoscore_plugin.density.assemblies import random_assembly
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.local_mean import without_local_mean
from cryoscore_plugin.simulation.background import (
    Canvas,
    debris_views,
    random_background,
)
from cryoscore_plugin.simulation.contrast import layer_contrast, particle_contrast
from cryoscore_plugin.simulation.micrographs import random_optics
from cryoscore_plugin.simulation.specimen import add_views, random_centers, random_views
from cryoscore_plugin.training.recipe import PoolSettings
from cryoscore_plugin.training.told_excess import scene_power

Electrons = TypeVar(
    "Electrons", float, Float32[np.ndarray, " n"], Float64[np.ndarray, " n"]
)

TYPICAL_CONTRAST = 0.6
"""Phase contrast relative to weak-phase theory, in the middle of its range."""

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

    @cached_property
    def clean_power(self) -> Float32[np.ndarray, "n bands"]:
        """Of the contrast of the particles of each scene, band by band."""
        return scene_power(self.clean, wraps=True)

    @cached_property
    def background_power(self) -> Float32[np.ndarray, "n bands"]:
        """Of the contrast of the background of each scene, band by band."""
        return scene_power(self.background, wraps=False)

    def expected_power(self, electrons: Electrons) -> Electrons:
        """Signal power of an average scene, in units of the noise.

        Parameters
        ----------
        electrons : Electrons
            Counted electrons per pixel.
        """
        return electrons * TYPICAL_CONTRAST**2 * self.mean_power


def simulate_group(
    models: Sequence[AtomicModel], settings: PoolSettings, rng: np.random.Generator
) -> Iterator[tuple[Float32[np.ndarray, "2 s s"], float]]:
    """Scenes of one particle: contrast of particles and background, pixel size."""
    low, high = np.log(settings.pixel_size)
    pixel_size = float(np.exp(rng.uniform(low, high)))
    voltage = float(rng.choice([200.0, 300.0]))
    model = _random_model(models, settings, rng)
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
        occupancy = rng.uniform(*settings.occupancy)
        count = int(
            np.ceil(occupancy * np.prod(shape) / (np.pi / 4 * bank.diameter**2))
        )
        distance = bank.diameter * rng.uniform(*settings.spacing)
        centers = random_centers(shape, count=count, distance=distance, rng=rng)
        phase = np.zeros(shape, dtype=np.float32)
        add_views(phase, centers, bank.views, rng=rng)
        clean = particle_contrast(phase, transfer)
        transfer = contrast_transfer(optics, shape=wide, pixel_size=pixel_size)
        background = layer_contrast(
            random_background(canvas, rng), transfer, contrast=TYPICAL_CONTRAST
        )
        yield np.stack([clean, background[inner, inner]]), pixel_size


def _random_model(
    models: Sequence[AtomicModel], settings: PoolSettings, rng: np.random.Generator
) -> AtomicModel:
    """A random shape, an assembly of pieces, or one of the models."""
    chance = rng.random()
    if chance < settings.procedural:
        return random_shape(rng)
    if chance < settings.procedural + settings.assembled:
        return random_assembly(models, rng)
    return models[int(rng.integers(len(models)))]


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
