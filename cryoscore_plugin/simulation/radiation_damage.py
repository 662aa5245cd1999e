"""How the electrons that make the image wear the particles out.

After an exposure N the signal at spatial frequency k has fallen by
`exp(-N / (2 N_c(k)))`, where N_c is the critical exposure that Grant and Grigorieff
measured. Micrographs are sums of frames weighted by what is left of the signal (dose
weighting), scaled so that the noise stays white. Relative to that noise the signal is
then the root mean square of what was left:

    sqrt(1/N integral_0^N exp(-n / N_c) dn) = sqrt((1 - exp(-N / N_c)) / (N / N_c))

The tests hold that integral, and the limits of short exposures and low frequencies.

References
----------
Grant and Grigorieff (2015), eLife 4, e06980 (equation 3, and 0.8 at 200 kV).
"""

from __future__ import annotations

import torch
from jaxtyping import Float32
from torch import Tensor

from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.tensors import HalfPlaneMap

Frequencies = Float32[Tensor, "*grid"]
"""Spatial frequencies in 1/Å, or a number for each of them."""


def critical_exposure(k: Frequencies, *, voltage: float) -> Frequencies:
    """Exposure after which the power of the signal has fallen to 1/e, in e/Å².

    Parameters
    ----------
    k : Frequencies
        Spatial frequency in 1/Å; infinitely many electrons do no harm at zero.
    voltage : float
        In kV: 300, or 200, at which damage is done by a fifth fewer electrons.
    """
    factor = 1.0 if voltage > 250 else 0.8
    return factor * (0.245 * k**-1.665 + 2.81)


def damage_envelope(
    *, dose: float, shape: tuple[int, int], pixel_size: float, voltage: float = 300.0
) -> HalfPlaneMap:
    """Signal relative to the noise in a dose-weighted exposure; 1 without damage.

    Parameters
    ----------
    dose : float
        Exposure in e/Å².
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    pixel_size : float
        In Å/px.
    voltage : float
        In kV.
    """
    return signal_left(frequency_grid(shape) / pixel_size, dose=dose, voltage=voltage)


def signal_left(k: Frequencies, *, dose: float, voltage: float = 300.0) -> Frequencies:
    """Signal relative to the noise in a dose-weighted exposure, at some frequencies.

    Parameters
    ----------
    k : Frequencies
        Spatial frequency in 1/Å.
    dose : float
        Exposure in e/Å².
    voltage : float
        In kV.
    """
    worn = dose / critical_exposure(k, voltage=voltage)
    return torch.where(worn > 0, -torch.expm1(-worn) / worn, 1.0).sqrt()
