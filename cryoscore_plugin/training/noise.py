"""Noise for training pairs: white, or for some crops a little red."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from cryoscore_plugin.noise_level import NOISE_BAND

EXCESS = 0.15
"""Mean excess of coloured noise at low frequencies. Real noise is nearly white: in eight
frames of EMPIAR-10146 its power between 400 and 12 Å is 1.02 to 1.13 times that at 6 to
8 Å. A network that must expect more takes faint particles for noise."""

REACH = (0.05, 0.3)
"""Range of the frequency in cycles/px at which the excess has fallen to 1/e."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseColour:
    """Spectra of the noise of several crops: `1 + excess exp(-(k / reach)^2)`.

    Attributes
    ----------
    excess : Float64[np.ndarray, "n"]
        At frequency zero; 0 is white.
    reach : Float64[np.ndarray, "n"]
        In cycles/px.
    """

    excess: Float64[np.ndarray, " n"]
    reach: Float64[np.ndarray, " n"]

    def power(
        self, frequency: Float64[np.ndarray, "*grid"]
    ) -> Float64[np.ndarray, " crops *grid"]:
        """Noise power at frequencies in cycles/px, 1 where noise is measured."""
        shape = (-1,) + (1,) * frequency.ndim
        excess, reach = self.excess.reshape(shape), self.reach.reshape(shape)

        def relative(k: np.ndarray | np.floating) -> np.ndarray:
            spectrum: np.ndarray = 1 + excess * np.exp(-((k / reach) ** 2))
            return spectrum

        power: np.ndarray = relative(frequency) / relative(np.mean(NOISE_BAND))
        return power


def random_colour(batch: int, *, share: float, rng: np.random.Generator) -> NoiseColour:
    """Colours for a batch of crops, a `share` of which is red."""
    excess = np.where(rng.random(batch) < share, rng.exponential(EXCESS, batch), 0.0)
    return NoiseColour(excess=excess, reach=rng.uniform(*REACH, batch))


def coloured_noise(
    colour: NoiseColour, crop: int, *, rng: np.random.Generator
) -> Float32[Tensor, "n 1 crop crop"]:
    """Gaussian noise of given spectra, crops of `crop` px a side."""
    shape = (len(colour.excess), crop, crop)
    white = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(crop)[:, None], np.fft.rfftfreq(crop))
    gain = torch.from_numpy(np.sqrt(colour.power(frequency)).astype(np.float32))
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * gain, s=(crop, crop))
    return noise[:, None]
