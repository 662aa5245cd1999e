"""The contrast transfer function of the microscope, and its envelope.

Defocus is positive for underfocus, as in RELION and CTFFIND. The sign is that
of the image: protein is dark, so at low spatial frequencies the function is
negative for underfocus.

The work is done by torch-ctf; this module closes two of its traps: it swaps the
two defoci where the first is smaller (torch-ctf returns NaN), and gives them in
the units it wants.
"""

from __future__ import annotations

import torch
from torch_ctf import calculate_ctf_2d

from cryoscore_plugin.optics import Optics
from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.tensors import HalfPlaneMap

__all__ = ["Optics", "contrast_transfer"]


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
