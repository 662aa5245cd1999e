"""The settings of training on the user's own micrographs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cryoscore_plugin.settings.guidance import GuidanceEmpty, GuidanceResolution

AROUND_THE_RUN = frozenset({"device", "threads", "tensorboard"})
"""Settings that the model does not depend on: a run may go on with others."""


class TrainSettings(BaseModel):
    """How a model is trained on the user's own micrographs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str = Field(
        default="particle",
        description="Model to begin with: a packaged one (see `cryoscore models list`) "
        "or a path. The new one treats background as it does.",
    )
    name: str = Field(
        default="own",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$",
        description="Name of the new model, and of its file.",
    )
    steps: int = Field(default=1000, ge=1, description="Length of the training.")
    learning_rate: float = Field(
        default=1e-4, gt=0, description="How far a step goes; smaller is safer."
    )
    background_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Part of the structured background's power that counts as noise. "
        "Default: 1 if the first model removes background, 0 if it keeps it.",
    )
    reference: str | None = Field(
        default=None,
        description="Known particle that guides the training: a file made by "
        "`cryoscore reference`. Needs guidance.",
    )
    guidance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Weight of the reference in guided pairs, from 0 (off) to 1.",
    )
    guidance_share: float = Field(
        default=0.3, gt=0, le=1, description="Part of the pairs that are guided."
    )
    guidance_matching: Literal["target", "denoising"] = Field(
        default="target",
        description="Whether the reference is searched in your particles (target score "
        "matching), or put into empty pieces (denoising score matching).",
    )
    guidance_resolution: GuidanceResolution = None
    guidance_empty: GuidanceEmpty = 0.9
    micrographs: int = Field(
        default=100,
        ge=2,
        description="Most micrographs to use, spread over all that are given; a "
        "quarter of them, at most 8, is held out.",
    )
    pixel_size: float | None = Field(
        default=None,
        gt=0,
        description="Pixel size of the inputs in Å/px; overrides header and table.",
    )
    seed: int = Field(
        default=1, ge=0, description="Of everything random: same seed, same model."
    )
    device: str = Field(
        default="auto",
        description="auto, cpu, cuda, or the number of a GPU. A GPU that is asked for "
        "and missing is an error.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads. Default: all that are allowed."
    )
    tensorboard: bool = Field(
        default=False,
        description="Also write the curve for tensorboard, while training goes on, to "
        "the folder tensorboard of the run. Needs `pip install "
        "'cryoscore[tensorboard]'`.",
    )
