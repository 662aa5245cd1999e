"""The noise spectrum of a micrograph.

With two halves (odd and even frames) the noise is measured: half of their
difference holds noise alone, with the power it has in their mean. Structured
background is the same in both halves, and counts as signal here.

Without halves it is assumed: in the outer band, where nothing but noise is
expected, it is what is seen there; further down it goes on as white noise of the
band's mean power.

The tests hold that both ways find white noise, that halves find noise of any
colour, and that signal at low frequencies changes neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.noise_level import noise_band
from cryoscore_plugin.spectrum import (
    Band,
    band_mean,
    power,
    power_spectrum,
    ring_frequencies,
)
from cryoscore_plugin.tensors import ImageTensor, RingTensor


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseModel:
    """Noise and total power of a micrograph, ring by ring.

    Attributes
    ----------
    spectrum : RingTensor
        Noise power in each ring, in squared grey values.
    total : RingTensor
        Power of the micrograph in each ring: signal, background and noise.
    level : float
        Standard deviation of white noise with the outer band's power.
    band : Band
        The outer band, in cycles/px.
    """

    spectrum: RingTensor
    total: RingTensor
    level: float
    band: Band

    @property
    def signal(self) -> RingTensor:
        """What noise leaves of the total power; structured background counts."""
        return (self.total - self.spectrum).clamp_min(0)


def estimate_noise_model(image: ImageTensor) -> NoiseModel:
    """Noise model of a single micrograph, from its outer band.

    Parameters
    ----------
    image : ImageTensor
        A micrograph on the working grid.

    Raises
    ------
    MicrographError
        If no band holds noise.
    """
    h, w = image.shape
    power_map = power(image)
    band = noise_band(power_map, shape=(h, w))
    outer = band_mean(power_map, band, shape=(h, w)) or 0.0
    total = power_spectrum(image)
    beyond = (ring_frequencies((h, w)) >= band[0]).to(total.device)
    return NoiseModel(
        spectrum=torch.where(beyond, total, outer),
        total=total,
        level=outer**0.5,
        band=band,
    )


def estimate_noise_model_from_halves(
    first: ImageTensor, second: ImageTensor
) -> NoiseModel:
    """Noise model of the mean of two halves, from their difference.

    Parameters
    ----------
    first, second : ImageTensor
        Micrographs of the same area from odd and even frames.

    Raises
    ------
    MicrographError
        If the halves are the same image, so that there is no noise.
    """
    h, w = first.shape
    difference, mean = (first - second) / 2, (first + second) / 2
    power_map = power(difference)
    if not power_map.any():
        msg = (
            "Expected two halves with independent noise, but found the same image "
            "twice. Give the sums of odd and of even frames."
        )
        raise MicrographError(msg)
    band = noise_band(power_map, shape=(h, w))
    return NoiseModel(
        spectrum=power_spectrum(difference),
        total=power_spectrum(mean),
        level=(band_mean(power_map, band, shape=(h, w)) or 0.0) ** 0.5,
        band=band,
    )
