"""Everything that decides how a packaged checkpoint comes out, in one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cryoscore_plugin.density.particle import ParticleSettings
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.settings import settings_from_yaml

Background = Literal["removed", "kept"]
"""What becomes of structured background."""


class PoolSettings(BaseModel):
    """The scenes that are simulated once, before training.

    Attributes
    ----------
    groups : int
        Number of particles (with their sampling) that are simulated.
    scenes_per_group : int
        Pictures of each, every one with its own optics and background.
    scene_size : int
        Side of a picture in px; it wraps around.
    views : int
        Orientations of each particle.
    procedural : float
        Share of groups whose particle is a random shape.
    assembled : float
        Share of groups whose particle is put together of pieces of models.
    pixel_size : tuple[float, float]
        Range of the sampling in Å/px.
    occupancy : tuple[float, float]
        Range of the part of the area that particles cover; they may be fewer where they
        find no place.
    spacing : tuple[float, float]
        Range of the smallest distance of two particles, in units of their diameter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: int = Field(default=320, ge=1)
    scenes_per_group: int = Field(default=16, ge=1)
    scene_size: int = Field(default=256, ge=64)
    views: int = Field(default=24, ge=1)
    procedural: float = Field(default=0.4, ge=0, le=1)
    assembled: float = Field(default=0.0, ge=0, le=1)
    pixel_size: tuple[float, float] = (2.5, 4.2)
    occupancy: tuple[float, float] = (0.0, 0.7)
    spacing: tuple[float, float] = (0.8, 1.3)

    @model_validator(mode="after")
    def _shares_are_parts(self) -> PoolSettings:
        if self.procedural + self.assembled > 1:
            msg = (
                "procedural and assembled together should be at most 1; the rest are "
                f"models as they are. Found {self.procedural} and {self.assembled}."
            )
            raise ValueError(msg)
        return self


class MixSettings(BaseModel):
    """How a training pair is put together from the pool, anew at every step.

    Attributes
    ----------
    empty : float
        Share of crops without any particle.
    dose : tuple[float, float]
        Range in e/Å², log-uniform: from one movie frame to a full exposure.
    contrast : tuple[float, float]
        Range of the particle contrast relative to weak-phase theory, log-uniform.
    background : tuple[float, float]
        Range of the strength of the structured background, log-uniform.
    coloured : float
        Share of crops whose noise is stronger at low frequencies.
    full_dose : float
        Share of crops at sigma = 1; for the others sigma is log-uniform.
    sigma : tuple[float, float]
        Range of sigma.
    target : {"clean", "noisy"}
        Whether the network is shown what it should say, or only a second exposure of it
        with independent noise (Noise2Noise: Lehtinen et al. 2018, arXiv 1803.04189).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    empty: float = Field(default=0.33, ge=0, lt=1)
    dose: tuple[float, float] = (0.7, 80.0)
    contrast: tuple[float, float] = (0.3, 1.0)
    background: tuple[float, float] = (0.1, 1.5)
    coloured: float = Field(default=0.5, ge=0, le=1)
    full_dose: float = Field(default=0.6, ge=0, le=1)
    sigma: tuple[float, float] = (0.25, 2.5)
    target: Literal["clean", "noisy"] = "clean"


class Recipe(BaseModel):
    """A whole training run.

    Attributes
    ----------
    name, description : str
        For the model card.
    background : {"removed", "kept"}
        What becomes of structured background: whether the network should return the
        particles alone, or all that is not noise.
    local_mean : float | None
        Standard deviation in px of the Gaussian mean that is taken off scenes, and off
        micrographs before the network sees them; None: the median of a scene is.
    start : str | None
        A checkpoint, or the name of a packaged model, whose weights are the first ones.
        Its network may be narrower (`widening`).
    particles : dict[str, ParticleSettings]
        By the name of a file what it does not say: mass or threshold of each map, and
        which models get a belt.
    held_out : tuple[str, ...]
        Names of models that are kept for validation.
    network : UNetSettings
        Size of the network.
    seed : int
        Of everything random.
    steps, batch, crop : int
        Length of the run, crops per step, side of a crop in px.
    filter_steps : int
        Steps in which the linear filter is fitted before all others.
    learning_rate, warmup, weight_decay, ema : float
        AdamW with a linear rise over `warmup` steps and a cosine fall; `ema` is
        the memory of the averaged weights.
    clip : float
        Largest norm of a gradient: a rare picture full of ice must not throw the
        network off.
    floor : float
        Errors are weighted by `1 / (power expected at the dose + floor)`: a crop of
        one movie frame then counts about as much as one of a full exposure.
    checkpoint_every : int
        Steps between two saved states and validations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    background: Background = "removed"
    local_mean: float | None = Field(default=None, gt=0)
    start: str | None = None
    particles: dict[str, ParticleSettings] = Field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    network: UNetSettings = UNetSettings()
    pool: PoolSettings = PoolSettings()
    mix: MixSettings = MixSettings()
    seed: int = 1
    steps: int = Field(default=8000, ge=1)
    batch: int = Field(default=8, ge=1)
    crop: int = Field(default=160, ge=32)
    filter_steps: int = Field(default=3000, ge=1)
    learning_rate: float = Field(default=6e-4, gt=0)
    warmup: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    floor: float = Field(default=0.005, gt=0)
    checkpoint_every: int = Field(default=250, ge=1)

    @classmethod
    def from_yaml(cls, path: Path) -> Recipe:
        """Read a recipe.

        Raises
        ------
        ConfigError
            If the file cannot be read or a line is not part of a recipe.
        """
        try:
            return settings_from_yaml(cls, path)
        except ConfigError as error:
            msg = f"{error} See examples/training/ for recipes that work."
            raise ConfigError(msg) from error
