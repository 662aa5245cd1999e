"""Noise and background of a micrograph in which a particle is searched.

They are what its spectrum says, particles included, so that the evidence for a particle
is rather under- than overestimated.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cryoscore_plugin.spectrum import power_spectrum
from cryoscore_plugin.tensors import HalfPlaneMap, ImageTensor, RingTensor

SMOOTHING = 5
"""Rings over which the spectrum of noise is smoothed."""


def smooth_spectrum(image: ImageTensor) -> RingTensor:
    """Smooth power of an image in each ring; that of the mean is not believed."""
    rings = power_spectrum(image)
    rings[:2] = rings.max()  # Few coefficients, and a mean may have been taken off.
    reach = min(SMOOTHING // 2, len(rings) - 1)
    padded = functional.pad(rings[None], (reach, reach), mode="reflect")
    smooth = functional.avg_pool1d(padded, 2 * reach + 1, stride=1)[0]
    return smooth.clamp_min(1e-6 * float(smooth.max()))


def local_excess(image: ImageTensor, power: HalfPlaneMap, *, side: int) -> ImageTensor:
    """How many times stronger than its spectrum says an image is around each pixel.

    Parameters
    ----------
    image : ImageTensor
        The image.
    power : HalfPlaneMap
        Its power at each coefficient.
    side : int
        Of the square around each pixel that is looked at, in px.

    Returns
    -------
    excess : ImageTensor
        At least 1.
    """
    h, w = image.shape
    white = torch.fft.irfft2(torch.fft.rfft2(image) * power.rsqrt(), s=(h, w))
    reach = min(side // 2, min(image.shape) - 1)
    squared = functional.pad(white.square()[None], (reach,) * 4, mode="reflect")
    mean: Tensor = functional.avg_pool2d(squared, 2 * reach + 1, stride=1)[0]
    return mean.clamp_min(1.0)
