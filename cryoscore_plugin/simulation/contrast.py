"""What the microscope shows of phase and absorption: contrast relative to the mean."""

from __future__ import annotations

import numpy as np
from scipy import fft

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.simulation.background import Layer
from cryoscore_plugin.tensors import HalfPlaneMap


def particle_contrast(phase: Image, transfer: HalfPlaneMap) -> Image:
    """Relative contrast of a weak phase object: twice the phase, transferred."""
    spectrum = fft.rfft2(phase) * (2 * transfer.numpy())
    contrast: Image = fft.irfft2(spectrum, s=phase.shape).astype(np.float32)
    return contrast


def layer_contrast(layer: Layer, transfer: HalfPlaneMap, *, contrast: float) -> Image:
    """Relative contrast of a part of the background, its mean removed.

    Parameters
    ----------
    layer : Layer
        The part.
    transfer : HalfPlaneMap
        Contrast transfer function.
    contrast : float
        Phase contrast relative to weak-phase theory; what weakens that of the
        particles weakens that of everything else. Absorption is not affected.
    """
    total = (
        np.float32(contrast) * particle_contrast(layer.phase, transfer)
        - layer.absorption
    )
    centred: Image = total - total.mean()
    return centred
