"""How the microscope was set for one micrograph: what its transfer function needs.

Defocus is positive for underfocus, as in RELION and CTFFIND. Kept apart from `ctf`,
so that tables of micrographs can be read without torch, which takes seconds to import.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Optics:
    """How the microscope was set for one micrograph.

    Attributes
    ----------
    defocus_u, defocus_v : float
        Largest and smallest defocus, in Å; underfocus is positive.
    defocus_angle : float
        Direction of `defocus_u` from the x axis, in degrees.
    voltage : float
        In kV.
    spherical_aberration : float
        In mm.
    amplitude_contrast : float
        Fraction, 0 to 1.
    phase_shift : float
        Of a phase plate, in degrees.
    b_factor : float
        Envelope `exp(-B k² / 4)` for motion and partial coherence, in Å².
    """

    defocus_u: float
    defocus_v: float
    defocus_angle: float = 0.0
    voltage: float = 300.0
    spherical_aberration: float = 2.7
    amplitude_contrast: float = 0.1
    phase_shift: float = 0.0
    b_factor: float = 0.0
