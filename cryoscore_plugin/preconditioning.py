"""Scale what the network sees and gives, so that it works at every noise level.

`D(u; sigma) = c_out F(3 asinh(c_in u / 3), c_noise)`: D is the estimate of the clean
image from `u = x + b + sigma n` with white noise n of standard deviation 1,
structured background b, and F a network whose inputs and targets have about
unit size whatever sigma is. The input is compressed by asinh, because contamination
is many times stronger than the noise. Units are those of the noise at full dose.

Karras et al. add a part of the input to the output (`c_skip u`), which helps where
there is more signal than noise. Here the best such part is one or two per cent: all
it would bring is a veil of fine noise over the result. So an untrained D returns
zero, the mean of what is searched.

The tests hold that `c_in u` and the target of F have unit variance for
x and b of the stated sizes.

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


LINEAR = 3.0
"""Scaled inputs below this stay nearly as they are. Noise alone must: a pixel's noise
that is compressed takes with it some of the signal beneath (3 % of the dose, were it 1)."""


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
        c_in = (variance + SIGMA_BACKGROUND**2 + SIGMA_DATA**2).rsqrt()
        scaled = LINEAR * torch.asinh(u * c_in / LINEAR)
        estimate: Tiles = SIGMA_DATA * self.network(scaled, torch.log(sigma) / 4)
        return estimate
