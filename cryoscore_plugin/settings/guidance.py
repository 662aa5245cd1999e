"""What is said alike of guidance in denoising and in training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

GuidanceResolution = Annotated[
    float | None,
    Field(
        gt=0,
        description="Finest detail that is guided, in Å. Default: that of the "
        "reference.",
    ),
]

GuidanceEmpty = Annotated[
    float,
    Field(
        ge=0.5,
        lt=1,
        description="How likely a place the size of the particle holds none, before "
        "the micrograph is looked at.",
    ),
]
