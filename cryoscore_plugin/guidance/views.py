"""Views of a particle, and the low-pass that they have been through.

Light: every run imports it, also those that are not guided. `view_making` makes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.tensors import HalfPlaneMap, ViewStack

EDGE = 0.15
"""Half-width of the edge of the low-pass, relative to its middle."""

HELD = 0.95
"""Part of the power of the views inside the diameter that is read off them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Views:
    """A particle from all sides.

    Attributes
    ----------
    pictures : ViewStack
        Protein is bright; the root of the mean sum of squares is 1.
    pixel_size : float
        In Å/px.
    """

    pictures: ViewStack
    pixel_size: float

    @property
    def diameter(self) -> float:
        """Of the disc around the middle that holds nearly all of the power, in Å."""
        side = self.pictures.shape[-1]
        away = torch.arange(side) - side // 2
        radius = torch.hypot(away[:, None].float(), away.float()).flatten()
        order = radius.argsort()
        power = self.pictures.square().sum(0).flatten()[order].cumsum(0)
        last = int(torch.searchsorted(power, HELD * power[-1]))
        return 2 * self.pixel_size * float(radius[order][min(last, len(order) - 1)])

    @property
    def looks_dark(self) -> bool:
        """Whether the particle is darker than what is around it, as if inverted."""
        side = self.pictures.shape[-1]
        away = torch.arange(side) - side // 2
        radius = torch.hypot(away[:, None].float(), away.float()) * self.pixel_size
        inside = radius <= self.diameter / 2
        mean = self.pictures.mean(0)
        return bool(mean[inside].mean() < mean[~inside].mean())


def low_pass(
    shape: tuple[int, int],
    *,
    pixel_size: float,
    resolution: float,
    device: torch.device | None = None,
) -> HalfPlaneMap:
    """Factor for each coefficient: 1 for coarse detail, 0 for fine, a soft edge between.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    pixel_size : float
        In Å/px.
    resolution : float
        Finest detail that passes, in Å; at this frequency the factor is one half.
    device : torch.device, optional
        Where the result is wanted; the CPU if not given.
    """
    place = frequency_grid(shape, device=device) * (resolution / pixel_size)
    inside = ((1 + EDGE - place) / (2 * EDGE)).clamp(0, 1)
    return (1 - torch.cos(math.pi * inside)) / 2
