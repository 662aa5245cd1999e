"""The contrast transfer function of the microscope, and its envelope.

Defocus is positive for underfocus, as in RELION and CTFFIND. The sign is that
of the image: protein is dark, so at low spatial frequencies the function is
negative for underfocus.

The work is done by torch-ctf; this module closes two of its traps: it swaps the
two defoci where the first is smaller (torch-ctf returns NaN), and gives them in
the units it wants.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch_ctf import calculate_ctf_2d

from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.tensors import HalfPlaneMap


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


def contrast_transfer(
    optics: Optics, *, shape: tuple[int, int], pixel_size: float
) -> HalfPlaneMap:
    """Transfer from projected phase to image contrast, envelope included.

    Parameters
    ----------
    optics : Optics
        Settings of the microscope.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    pixel_size : float
        In Å/px.

    Returns
    -------
    transfer : HalfPlaneMap
        Negative at low frequencies for underfocus: protein is dark.
    """
    defoci = sorted((optics.defocus_u, optics.defocus_v))
    turned = 90.0 if optics.defocus_u < optics.defocus_v else 0.0
    transfer = calculate_ctf_2d(
        defocus=torch.tensor(sum(defoci) / 2e4),
        astigmatism=(defoci[1] - defoci[0]) / 2e4,
        astigmatism_angle=optics.defocus_angle + turned,
        voltage=optics.voltage,
        spherical_aberration=optics.spherical_aberration,
        amplitude_contrast=optics.amplitude_contrast,
        phase_shift=optics.phase_shift,
        pixel_size=pixel_size,
        image_shape=shape,
        rfft=True,
        fftshift=False,
    )
    k = frequency_grid(shape) / pixel_size
    envelope = torch.exp(-optics.b_factor * k**2 / 4)
    result: HalfPlaneMap = -transfer.reshape(envelope.shape).float() * envelope
    return result
