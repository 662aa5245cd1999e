"""Denoisers simple enough to know what should come out."""

from __future__ import annotations

from typing import Self

import torch


class PlainNetwork:
    """A network that knows nothing of the micrograph and returns what it sees."""

    grid = 1
    receptive_radius = 0

    def for_micrograph(self, noisy: torch.Tensor, *, sigma: float) -> Self:  # noqa: ARG002
        return self

    def at_level(self, sigma: float, /) -> Self:  # noqa: ARG002
        return self

    def inputs(self, noisy: torch.Tensor, /) -> torch.Tensor:
        return noisy[None]

    def __call__(self, u: torch.Tensor, sigma: torch.Tensor, /) -> torch.Tensor:  # noqa: ARG002
        return u
