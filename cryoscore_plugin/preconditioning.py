"""Scale what the network sees and gives, so that it works at every noise level.

`D(u; sigma, e) = c_out F(3 asinh(c_in u / 3), c_noise, c_e)`: D is the estimate of the clean
image from `u = x + b + sigma n` with white noise n of standard deviation 1,
structured background b, and F a network whose inputs and targets have about
unit size whatever sigma is. The input is compressed by asinh, because contamination
is many times stronger than the noise. Units are those of the noise at full dose. e is
the excess of the spectrum of the whole micrograph over its noise (`excess`), which may
be a thousandth or a hundred times the noise: `c_e = asinh(50 e) / 4`.

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

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cryoscore_plugin.excess import Excess, spectral_excess
from cryoscore_plugin.networks.unet import (
    Known,
    NoiseLevels,
    Tiles,
    UNet,
    UNetSettings,
)
from cryoscore_plugin.tensors import ImageTensor

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


FAINTEST = 0.02
"""Excess below this counts linearly, and above by its logarithm: about the error with
which the spectrum of a micrograph of some hundred px a side can be measured."""


class PreconditionedDenoiser(nn.Module):
    """The denoiser D: estimates the clean image, for any noise level and spectrum.

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

    def for_micrograph(self, noisy: ImageTensor, *, sigma: float = 1.0) -> Informed:
        """The denoiser, told the spectrum of a whole micrograph.

        Parameters
        ----------
        noisy : ImageTensor
            The micrograph, in units of the noise at full dose.
        sigma : float
            Standard deviation of its noise.
        """
        return Informed(denoiser=self, excess=spectral_excess(noisy, noise=sigma**2))

    def forward(self, u: Tiles, sigma: NoiseLevels, excess: Known) -> Tiles:
        """Estimate of the clean image.

        Parameters
        ----------
        u : Tiles
            Noisy pieces, in units of the noise at full dose.
        sigma : NoiseLevels
            Standard deviation of the noise in each; 1 for a micrograph as it is.
        excess : Known
            Excess of the spectrum of the micrograph that each is from.
        """
        variance = sigma[:, None, None, None] ** 2
        c_in = (variance + SIGMA_BACKGROUND**2 + SIGMA_DATA**2).rsqrt()
        scaled = LINEAR * torch.asinh(u * c_in / LINEAR)
        known = torch.cat(
            [torch.log(sigma)[:, None], torch.asinh(excess / FAINTEST)], dim=1
        )
        estimate: Tiles = SIGMA_DATA * self.network(scaled, known / 4)
        return estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class Informed:
    """A denoiser that knows from which micrograph its tiles are.

    Attributes
    ----------
    denoiser : PreconditionedDenoiser
        The denoiser.
    excess : Excess
        Excess of the spectrum of that micrograph.
    """

    denoiser: PreconditionedDenoiser
    excess: Excess

    @property
    def grid(self) -> int:
        """Sides of an input are multiples of this, in px."""
        return self.denoiser.grid

    @property
    def receptive_radius(self) -> int:
        """An output pixel depends on no input pixel farther away, in px."""
        return self.denoiser.receptive_radius

    def __call__(self, u: Tensor, sigma: Tensor, /) -> Tensor:
        """Estimate of clean tiles `(n, 1, h, w)` at noise levels `(n,)`."""
        estimate: Tensor = self.denoiser(u, sigma, self.excess.expand(len(u), -1))
        return estimate
