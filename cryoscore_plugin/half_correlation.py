"""How well a denoised half of a micrograph agrees with its other half.

The images of even and of odd frames show the same specimen, and their noise is
independent. What a denoiser makes of the one can agree with the other, as it was
recorded, only in what both show: noise that was taken for signal agrees with nothing,
and neither does what a model made up. So the Fourier ring correlation of the two is an
honest number, one for each micrograph, without knowing the truth:

- of white signal of power S in white noise of power N, an estimate that is the signal
  itself reaches sqrt(S / (S + N)), and nothing more can be had;
- the half as it is, not denoised, reaches S / (S + N).

The second half stays as recorded on purpose. Two denoised halves would agree wherever
the model is sure of itself, also in what it made up the same way twice.

Structured background is the same in both halves, and counts as signal where a model
leaves it. A model that removes it can end below the half that was not denoised, so that
the number compares micrographs of one run, not models of different kinds.

References
----------
Saxton and Baumeister (1982), J. Microsc. 127, 127-138.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.preparation import prepare
from cryoscore_plugin.quality import PARTICLE_BAND
from cryoscore_plugin.rescaling import fourier_crop
from cryoscore_plugin.spectrum import fourier_ring_correlation, ring_frequencies
from cryoscore_plugin.tensors import ImageTensor


def half_correlation(denoiser: Denoiser, even: Micrograph, odd: Micrograph) -> float:
    """Denoise the one half, and correlate the result with the other as it is.

    Parameters
    ----------
    denoiser : Denoiser
        Takes the even half.
    even, odd : Micrograph
        Halves with independent noise, of one size and pixel size.

    Returns
    -------
    correlation : float
        Mean over the rings of `PARTICLE_BAND`, 250 to 20 Å, from -1 to 1. Dead borders
        are left out, and outliers of the recorded half are clipped.

    Raises
    ------
    MicrographError
        If a half holds no noise, is constant, or too small for the band.
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    # On the grid of the input, and without its uncertainty.
    inference = replace(denoiser.inference, probes=0)
    plain = replace(denoiser, write_binned=False, inference=inference)
    clean = plain.denoise(even).micrograph
    return agreement(clean, odd, working_pixel_size=denoiser.working_pixel_size)


def agreement(
    clean: Micrograph, recorded: Micrograph, *, working_pixel_size: float
) -> float:
    """Mean Fourier ring correlation of a denoised and a recorded image.

    Parameters
    ----------
    clean : Micrograph
        Denoised, on the grid of `recorded`.
    recorded : Micrograph
        As motion correction wrote it.
    working_pixel_size : float
        Pixel size at which they are compared, in Å/px.

    Raises
    ------
    MicrographError
        If `recorded` holds no noise, is constant, or too small for the band.
    """
    prepared = prepare(
        _tensor(recorded),
        pixel_size=recorded.pixel_size,
        working_pixel_size=working_pixel_size,
    )
    noisy = prepared.noisy.undo(prepared.noisy.pixels)
    h, w = noisy.shape
    rings = fourier_ring_correlation(
        fourier_crop(_tensor(clean)[prepared.area], (h, w)), noisy
    )
    frequencies = ring_frequencies((h, w)) / prepared.pixel_size
    low, high = PARTICLE_BAND
    inside = (frequencies >= low) & (frequencies <= high)
    if not bool(inside.any()):
        msg = (
            f"{recorded.source or 'This micrograph'} is too small to correlate its "
            f"halves between {1 / low:g} and {1 / high:g} Å. Leave halves out."
        )
        raise MicrographError(msg)
    return float(rings.cpu()[inside].mean())


def _tensor(micrograph: Micrograph) -> ImageTensor:
    return torch.from_numpy(np.require(micrograph.pixels, np.float32, ["C", "W"]))
