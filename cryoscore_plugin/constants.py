"""Units, and physical constants of electron scattering, with their sources.

Kirkland, E. J. (2010), Advanced Computing in Electron Microscopy, 2nd edition,
chapters 2 and 5, unless said otherwise.
"""

from __future__ import annotations

import math

MICROMETRE = 1e4
"""In Å."""

VOLT_SQUARE_ANGSTROM = 47.878
"""Volts times Å² in one unit of electron scattering factor, h²/(2 pi m e), in V Å²."""

REST_ENERGY_KEV = 510.99895
"""Rest energy of the electron in keV (CODATA 2018)."""

ICE_POTENTIAL = 4.5
"""Mean inner potential of vitreous ice in V, from independent water molecules:
0.0311 molecules per Å³ of 145 V Å³ each. Measured values are 3.5 to 4.9 V."""


def electron_wavelength(voltage: float) -> float:
    """Relativistic wavelength in Å of an electron accelerated by `voltage` in kV."""
    return 12.2643 / math.sqrt(voltage * 1e3 + 0.978466 * voltage**2)


def interaction_constant(voltage: float) -> float:
    """Phase in rad that 1 V over 1 Å adds to an electron of `voltage` in kV.

    Kirkland (2010), equation 5.6: `2 pi / (lambda V) (mc² + eV) / (2 mc² + eV)`.
    """
    ratio = (REST_ENERGY_KEV + voltage) / (2 * REST_ENERGY_KEV + voltage)
    return 2 * math.pi / (electron_wavelength(voltage) * voltage * 1e3) * ratio
