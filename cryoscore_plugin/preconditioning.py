"""Scale what the network sees and gives, so that it works at every noise level.

`D(u; sigma, e) = p w + q c_out F(c_in u, c_w w; sigma, e)`: D is the estimate of the clean
image from `u = x + b + sigma n` with white noise n of standard deviation 1, structured
background b, and F a network whose inputs and targets have about unit size whatever sigma
is. w is the best linear estimate (`networks.spectral_filter`): where there is far more
noise than signal nothing does better, and a single pixel of u says nothing. So F sees both,
and a part p of w is taken as it is. Units are those of the noise at full dose.

e is the excess of the spectrum of the whole micrograph over its noise (`excess`). F, the
filter, p and q (which is 1 before they are trained) are told it as `asinh(50 e) / 4`, since
it may be a thousandth or a hundred times the noise. Both pictures are compressed,
`3 asinh(. / 3)`, because contamination is many times stronger than the noise.

Karras et al. add a part of the input to the output (`c_skip u`), which helps where
there is more signal than noise. Here the best such part is one or two per cent: all
it would bring is a veil of fine noise over the result; p w has none. An untrained D
returns zero, the mean of what is searched.

The tests hold that what F sees and the target of F have unit variance for x and b of the
stated sizes.

References
----------
Karras, Aittala, Aila and Laine (2022), arXiv 2206.00364, table 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cryoscore_plugin.excess import Excess, spectral_excess
from cryoscore_plugin.networks.spectral_filter import (
    BandValues,
    SpectralFilter,
    apply_gain,
    filtered_deviation,
)
from cryoscore_plugin.networks.unet import (
    Inputs,
    Known,
    NoiseLevels,
    Tiles,
    UNet,
    UNetSettings,
    zero,
)
from cryoscore_plugin.tensors import ImageTensor, InputTensor

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
        self.filter = SpectralFilter(settings.known, settings.embedding)
        self.parts = zero(nn.Linear(settings.known, 2))

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
        excess = spectral_excess(noisy, noise=sigma**2)
        return Informed(denoiser=self, excess=excess, sigma=sigma)

    def forward(self, u: Tiles, sigma: NoiseLevels, excess: BandValues) -> Tiles:
        """Estimate of the clean image.

        Parameters
        ----------
        u : Tiles
            Noisy pieces, in units of the noise at full dose.
        sigma : NoiseLevels
            Standard deviation of the noise in each; 1 for a micrograph as it is.
        excess : BandValues
            Excess of the spectrum of the micrograph that each is from.
        """
        return self.estimate(self.noisy_and_filtered(u, sigma, excess), sigma, excess)

    def noisy_and_filtered(
        self, u: Tiles, sigma: NoiseLevels, excess: BandValues
    ) -> Inputs:
        """What `estimate` takes: noisy pieces, and their best linear estimates."""
        return torch.cat([u, apply_gain(u, self.gain(sigma, excess))], dim=1)

    def estimate(self, inputs: Inputs, sigma: NoiseLevels, excess: BandValues) -> Tiles:
        """Estimate of the clean image, from noisy and filtered pieces."""
        noisy = (sigma**2 + SIGMA_BACKGROUND**2 + SIGMA_DATA**2).sqrt()
        gain = self.gain(sigma, excess).detach()
        spread = torch.stack([noisy, filtered_deviation(gain, excess, sigma)], dim=1)
        scaled = LINEAR * torch.asinh(inputs / spread[..., None, None] / LINEAR)
        known = _known(sigma, excess)
        p, q = self.parts(known)[..., None, None, None].unbind(1)
        said = SIGMA_DATA * (1 + q) * self.network(scaled, known)
        estimate: Tiles = p * inputs[:, 1:] + said
        return estimate

    def gain(self, sigma: NoiseLevels, excess: BandValues) -> BandValues:
        """Gain of the linear filter in each band, from 0 to 1."""
        gain: BandValues = self.filter(excess, sigma, _known(sigma, excess))
        return gain


def _known(sigma: NoiseLevels, excess: BandValues) -> Known:
    """All that is known of a micrograph, as numbers of about unit size."""
    level = torch.log(sigma)[:, None]
    return torch.cat([level, torch.asinh(excess / FAINTEST)], dim=1) / 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Informed:
    """A denoiser that knows from which micrograph its tiles are.

    Attributes
    ----------
    denoiser : PreconditionedDenoiser
        The denoiser.
    excess : Excess
        Excess of the spectrum of that micrograph.
    sigma : float
        Standard deviation of its noise.
    """

    denoiser: PreconditionedDenoiser
    excess: Excess
    sigma: float

    @property
    def grid(self) -> int:
        """Sides of an input are multiples of this, in px."""
        return self.denoiser.grid

    @property
    def receptive_radius(self) -> int:
        """An output pixel depends on no pixel of the inputs farther away, in px."""
        return self.denoiser.receptive_radius

    def at_level(self, sigma: float, /) -> Informed:
        """The same for the micrograph with noise of another standard deviation."""
        return replace(self, sigma=sigma)

    def inputs(self, noisy: ImageTensor, /) -> InputTensor:
        """The micrograph, and its best linear estimate: filtered as a whole."""
        level = noisy.new_tensor([self.sigma])
        both = self.denoiser.noisy_and_filtered(
            noisy[None, None], level, self.excess[None]
        )
        return both[0]

    def __call__(self, inputs: Tensor, sigma: Tensor, /) -> Tensor:
        """Estimate of clean tiles `(n, 1, h, w)` at noise levels `(n,)`."""
        excess = self.excess.expand(len(inputs), -1)
        estimate: Tensor = self.denoiser.estimate(inputs, sigma, excess)
        return estimate
