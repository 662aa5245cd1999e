"""The best linear filter for a micrograph whose spectrum is known with an error.

Where there is far more noise than signal, nothing does better than the Wiener filter,
`S / (S + B + N)` at each frequency, with the spectra S of the particles, B of the
structured background and N of the noise. But what is measured is S + B, and with an
error: at the dose of one movie frame that may be as large as S. What particles, ice and
carbon usually look like has to be known as well, and a few numbers are learned for it.

It starts from the filter that takes all that was measured for signal. The tests hold
this, and that gains are those of the bands.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryoscore_plugin.excess import BANDS, CENTRES, PARTS
from cryoscore_plugin.networks.unet import Known, NoiseLevels, Tiles, zero
from cryoscore_plugin.spectrum import frequency_grid

BandValues = Float[Tensor, "n bands"]
"""For each piece one number for each band of `excess.BANDS`, such as excess or gain."""

LEAST = 1e-3
"""Smallest ratio of signal to noise in a band that is told from none."""


class SpectralFilter(nn.Module):
    """A gain for each band, from what is known of the micrograph.

    Parameters
    ----------
    known : int
        How many numbers are known.
    hidden : int
        Width of the layer between them and the gains.
    """

    def __init__(self, known: int, hidden: int) -> None:
        super().__init__()
        self.correction = nn.Sequential(
            nn.Linear(known, hidden), nn.SiLU(), zero(nn.Linear(hidden, len(BANDS)))
        )

    def forward(
        self, excess: BandValues, sigma: NoiseLevels, known: Known
    ) -> BandValues:
        """Gain of each band; `excess / (excess + sigma^2)` before it is trained."""
        ratio = (excess / sigma[:, None] ** 2).clamp_min(LEAST)
        gain: Tensor = torch.sigmoid(torch.log(ratio) + self.correction(known))
        return gain


def apply_gain(images: Tiles, gain: BandValues) -> Tiles:
    """Filter images, taken as periodic.

    Between the middles of two bands the gain changes linearly with the logarithm of the
    frequency; beyond the last band, where noise alone is, it is 0.
    """
    h, w = images.shape[-2:]
    frequency = frequency_grid((h, w), device=images.device)
    first, second = CENTRES[:2]
    place = torch.log(frequency / first) / math.log(second / first)
    place = place.clamp(0, len(BANDS) - 1)  # the logarithm of 0 as well
    below = place.floor().clamp_max(len(BANDS) - 2).long()
    on_plane = torch.lerp(gain[:, below], gain[:, below + 1], (place - below).to(gain))
    on_plane = torch.where(frequency < BANDS[-1][1], on_plane, 0.0)
    plane = torch.fft.rfft2(images) * on_plane[:, None]
    filtered: Tensor = torch.fft.irfft2(plane, s=(h, w))
    return filtered


def filtered_deviation(
    gain: BandValues, excess: BandValues, sigma: NoiseLevels
) -> NoiseLevels:
    """Standard deviation of a filtered image that has the spectrum that is known."""
    power = excess.clamp_min(0) + sigma[:, None] ** 2
    return (gain.square() * power * excess.new_tensor(PARTS)).sum(1).sqrt()
