"""A small U-Net that sees a micrograph, its Wiener estimate, and what its spectrum is.

Three choices make it fit for micrographs of any size:

* The picture is folded 2 x 2 into channels first (and unfolded last), so that
  most of the work is done on a quarter of the pixels.
* No normalisation and no global attention: what a pixel becomes depends on its
  neighbourhood alone, at most `receptive_radius` px away. So a micrograph can be
  cut into tiles without a trace.
* What is known of the whole micrograph (its noise level and its spectrum) enters every
  block as a scale and a shift of its channels (FiLM), not as an image.

The tests hold that the gradient of a pixel vanishes beyond `receptive_radius`,
and that an untrained network returns zero.

References
----------
Ronneberger, Fischer and Brox (2015), arXiv 1505.04597 (U-Net).
Perez et al. (2018), arXiv 1709.07871 (FiLM).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from cryoscore_plugin.excess import BANDS

Tiles = Float[Tensor, "n 1 h w"]
"""Pieces of micrographs, one channel each."""

Inputs = Float[Tensor, "n 2 h w"]
"""Pieces of micrographs, and the same pieces of their Wiener estimates."""

NoiseLevels = Float[Tensor, " n"]
"""One number for each piece."""

Known = Float[Tensor, "n known"]
"""What is known of the micrograph of each piece: some numbers of about unit size."""

SEEN = 2
"""Pictures of each piece: noisy, and filtered."""

FOLD = 2
"""Side of the square of pixels that is folded into channels."""


class UNetSettings(BaseModel):
    """Size of the network; part of a model card.

    Attributes
    ----------
    channels : tuple[int, ...]
        Channels of each level, from the finest; a level has half the sampling of
        the one before.
    embedding : int
        Length of the vector that carries what is known to the blocks.
    known : int
        How many numbers are known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[int, ...] = Field(default=(32, 64, 128, 160), min_length=1)
    embedding: int = Field(default=64, ge=1)
    known: int = Field(default=1 + len(BANDS), ge=1)


class Block(nn.Module):
    """Two convolutions around which the input is carried; the noise level steers."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.carry = (
            nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        )
        nn.init.zeros_(self.second.weight)  # a deep stack starts as the identity

    def forward(
        self, features: Float[Tensor, "n c h w"], embedded: Float[Tensor, "n e"]
    ) -> Float[Tensor, "n d h w"]:
        """Features of the same size, with `outputs` channels."""
        scale, shift = self.film(embedded)[..., None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.first(features), 1 + scale)
        result: Tensor = self.carry(features) + self.second(functional.silu(hidden))
        return result


class UNet(nn.Module):
    """The network F of Karras et al. (2022): raw output for a scaled input.

    Parameters
    ----------
    settings : UNetSettings
        Its size.
    """

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        channels, embedding = settings.channels, settings.embedding
        self.levels = len(channels)
        self.embed = nn.Sequential(
            nn.Linear(settings.known, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )
        self.stem = nn.Conv2d(SEEN * FOLD**2, channels[0], 3, padding=1)
        before = (channels[0], *channels[:-1])
        self.down = nn.ModuleList(
            Block(a, b, embedding) for a, b in zip(before, channels, strict=True)
        )
        self.bottom = Block(channels[-1], channels[-1], embedding)
        self.up = nn.ModuleList(
            Block(coarse + fine, fine, embedding) for fine, coarse in pairwise(channels)
        )
        self.head = zero(nn.Conv2d(channels[0], FOLD**2, 3, padding=1))

    @property
    def grid(self) -> int:
        """Sides of an input are multiples of this, in px."""
        return FOLD << (self.levels - 1)

    @property
    def receptive_radius(self) -> int:
        """An output pixel depends on no input pixel farther away, in px.

        Exact: the interval of pixels that one output pixel can see is followed
        backwards through the deepest path, for every position on the grid.
        """
        return max(self._reach(pixel) for pixel in range(self.grid))

    def _reach(self, pixel: int) -> int:
        """How far the farthest input of one output pixel is away, in px."""
        low = high = pixel // FOLD
        low, high = low - 1, high + 1  # head
        for _ in range(self.levels - 1):  # up: block, then bilinear from coarser
            low, high = (low - 2 - 1) // 2, (high + 2 + 1) // 2
        low, high = low - 4, high + 4  # the last block on the way down, and the bottom
        for _ in range(self.levels - 1):  # down: mean of 2 x 2, then block
            low, high = 2 * low - 2, 2 * high + 1 + 2
        low, high = FOLD * (low - 1), FOLD * (high + 1) + FOLD - 1  # stem
        return max(pixel - low, high - pixel)

    def forward(self, scaled: Inputs, known: Known) -> Tiles:
        """Raw output of the network; sides are multiples of `grid`."""
        embedded = self.embed(known)
        features = self.stem(functional.pixel_unshuffle(scaled, FOLD))
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                kept.append(features)
                features = functional.avg_pool2d(features, 2)
            features = block(features, embedded)
        features = self.bottom(features, embedded)
        for block in reversed(self.up):
            features = functional.interpolate(
                features, scale_factor=2, mode="bilinear", align_corners=False
            )
            features = block(torch.cat([features, kept.pop()], dim=1), embedded)
        unfolded: Tensor = functional.pixel_shuffle(self.head(features), FOLD)
        return unfolded


def zero(layer: nn.Module) -> nn.Module:
    """A layer that gives zero before it is trained."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
