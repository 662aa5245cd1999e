"""Wiener filter: the best linear estimate, and a baseline in closed form.

For signal and noise that are Gaussian and stationary, with power spectra `S_x` and
`S_n`, the posterior mean is `S_x / (S_x + S_n)` times the noisy image, frequency by
frequency, and its mean squared error is `S_x S_n / (S_x + S_n)`. A network has to
beat it; nothing linear can.

The tests hold both statements, and that a filter without noise changes nothing.
"""

from __future__ import annotations

import torch

from cryoscore_plugin.noise_model import NoiseModel
from cryoscore_plugin.spectrum import apply_radial_gain
from cryoscore_plugin.tensors import ImageTensor, RingTensor


def wiener_gain(signal: RingTensor, noise: RingTensor) -> RingTensor:
    """Factor for each ring, from 0 to 1.

    Parameters
    ----------
    signal, noise : RingTensor
        Power of signal and noise in each ring, in the same unit; at least 0.

    Returns
    -------
    gain : RingTensor
        `signal / (signal + noise)`; 0 where both are 0.
    """
    total = signal + noise
    return torch.where(total > 0, signal / total.clamp_min(1e-300), 0.0)


def wiener_filter(image: ImageTensor, noise: NoiseModel) -> ImageTensor:
    """Estimate of the signal in a micrograph from its own spectrum.

    Parameters
    ----------
    image : ImageTensor
        A micrograph, taken as periodic.
    noise : NoiseModel
        Its noise model; structured background counts as signal.

    Returns
    -------
    filtered : ImageTensor
        The estimate, with the mean of the image.
    """
    gain = wiener_gain(noise.signal, noise.spectrum)
    gain[0] = 1  # the mean is no noise: there is only one coefficient to judge it by
    return apply_radial_gain(image, gain)
