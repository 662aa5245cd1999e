"""Scale what the network sees and gives, so that it works at every noise level.

`D(u; sigma) = c_skip u + c_out F(c_in u, c_noise)`: D is the estimate of the
clean image from `u = x + b + sigma n` with white noise n of standard deviation 1,
structured background b, and F a network whose inputs and targets have about
unit size whatever sigma is (the input compressed by asinh, because contamination is
many times stronger than the noise). Units are those of the noise at full dose. Background
counts as noise here: without it in the formulas, `c_skip` would let a tenth of
every ice crystal through, which F would first have to learn to take away.

The tests hold that an untrained D is the best linear estimate `c_skip u` for
white x and b of the stated size, and that input and target of F have unit
variance for such x and b.

References
----------
Karras, Aittala, Aila and Laine (2022), arXiv 2206.00364, table 1.
"""

from __future__ import annotations

import torch
from torch import nn

from cryoscore_plugin.networks.unet import NoiseLevels, Tiles, UNet, UNetSettings

SIGMA_DATA = 0.25
"""Typical standard deviation of particle signal in units of the noise at 3 Å/px.

A particle image at 20 e/Å² and 3 Å/px; simulated doses from 1 to 60 e/Å² lie
within a factor of about four.
"""

SIGMA_BACKGROUND = 1.5
"""Typical standard deviation of structured background, in the same units."""


class PreconditionedDenoiser(nn.Module):
    """The denoiser D: estimates the clean image, for any noise level.

    Parameters
    ----------
    settings : UNetSettings
        Size of the network inside.
    """

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.network = UNet(settings)

    @property
    def grid(self) -> int:
        """Sides of an input are multiples of this, in px."""
        return self.network.grid

    @property
    def receptive_radius(self) -> int:
        """An output pixel depends on no input pixel farther away, in px."""
        return self.network.receptive_radius

    def forward(self, u: Tiles, sigma: NoiseLevels) -> Tiles:
        """Estimate of the clean image.

        Parameters
        ----------
        u : Tiles
            Noisy pieces, in units of the noise at full dose.
        sigma : NoiseLevels
            Standard deviation of the noise in each; 1 for a micrograph as it is.
        """
        variance = sigma[:, None, None, None] ** 2
        total = variance + SIGMA_BACKGROUND**2 + SIGMA_DATA**2
        c_skip = SIGMA_DATA**2 / total
        c_out = SIGMA_DATA * (1 - c_skip).sqrt()
        scaled = torch.asinh(u * total.rsqrt())
        raw = self.network(scaled, torch.log(sigma) / 4)
        estimate: Tiles = c_skip * u + c_out * raw
        return estimate
