"""The settings of a denoising run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from cryoscore_plugin.settings.guidance import GuidanceEmpty, GuidanceResolution
from cryoscore_plugin.settings.reading import checked_settings, settings_from_yaml


class DenoiseSettings(BaseModel):
    """How micrographs are denoised; the inputs and outputs are not settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(
        default="particle",
        description="Packaged model (see `cryoscore models list`) or a path to a "
        ".safetensors checkpoint.",
    )
    pixel_size: float | None = Field(
        default=None,
        gt=0,
        description="Pixel size of the inputs in Å/px; overrides header and table.",
    )
    working_pixel_size: float | None = Field(
        default=None,
        gt=0,
        description="Pixel size at which the model looks at a micrograph, in Å/px. "
        "Default: the model's own; larger for particles beyond 300 Å.",
    )
    device: str = Field(
        default="auto",
        description="auto, cpu, cuda, or GPU numbers such as 0 or 0,1. A GPU that is "
        "asked for and missing is an error.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Arithmetic of the network; auto takes bfloat16 where the "
        "hardware has it.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads. Default: all that are allowed."
    )
    tile_size: int | None = Field(
        default=None,
        ge=64,
        description="Side of a tile in px at the working pixel size. Changes memory, "
        "never the result. Default: as large as the memory allows.",
    )
    output_dtype: Literal["float32", "float16"] = Field(
        default="float32",
        description="Pixel type of the outputs; float16 halves the disk space, and "
        "RELION 3.1 cannot read it.",
    )
    reference: str | None = Field(
        default=None,
        description="Known particle that guides the result: a file made by `cryoscore "
        "reference`. Needs guidance.",
    )
    guidance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Weight of the reference, from 0 (off) to 1 (only the reference).",
    )
    guidance_resolution: GuidanceResolution = None
    guidance_empty: GuidanceEmpty = 0.9
    estimate: Literal["mean", "map", "ascent", "sample"] = Field(
        default="mean",
        description="What is written: the mean of all clean images that are possible, "
        "the most probable one, what score ascent leads to, or one at random. Only the "
        "mean is good for picking; the others are for comparison.",
    )
    steps: int = Field(
        default=10,
        ge=1,
        description="Steps to an estimate other than the mean; each takes as long as "
        "denoising.",
    )
    step_size: float = Field(
        default=0.2,
        gt=0,
        description="Size of a step of score ascent, less than 1.8.",
    )
    uncertainty: bool = Field(
        default=False,
        description="Also write how sure each place is: its standard deviation in grey "
        "values, as uncertainty/NAME_uncertainty.mrc beside the output.",
    )
    probes: int = Field(
        default=8,
        ge=1,
        description="Probes of the uncertainty; each takes as long as denoising. Its "
        "error falls with the square root of their number.",
    )
    seed: int = Field(
        default=1,
        ge=0,
        description="Of what is random, which is probes, samples and audits: same seed, "
        "same result.",
    )
    halves: bool = Field(
        default=False,
        description="Also denoise the image of even frames, and say how well it agrees "
        "with that of odd frames (half_correlation). They are named in the table, or "
        "end in _EVN and _ODD. Doubles the time.",
    )
    write_binned: bool = Field(
        default=False,
        description="Write at the working pixel size instead of the input's grid. "
        "Picks made on it need scaling.",
    )
    overwrite: bool = Field(
        default=False, description="Denoise again what is already finished."
    )

    @classmethod
    def from_yaml(cls, path: Path) -> DenoiseSettings:
        """Read settings from a YAML file of `name: value` lines.

        Raises
        ------
        ConfigError
            If the file cannot be read, or a key or value is not a setting.
        """
        return settings_from_yaml(cls, path)

    @classmethod
    def checked(
        cls, values: dict[str, object], *, origin: str = "settings"
    ) -> DenoiseSettings:
        """Make settings from values of unknown quality.

        Raises
        ------
        ConfigError
            If a name is not a setting or a value is out of range; `origin` says
            where it was found.
        """
        return checked_settings(cls, values, origin=origin)

    def to_yaml(self) -> str:
        """All settings as YAML text that `from_yaml` reads back."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False)
