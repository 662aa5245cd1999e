"""Views of a reference: what a known particle looks like from all sides.

A view is a projection along the beam, with bright protein, on a coarse grid that holds
no more detail than guidance may use. It has no contrast transfer function: that of a
micrograph is applied when it is searched there.

The directions are spread evenly over all rotations, and a longer list of them is only
denser. All views of a reference share one scale, in which a view has size 1 (the root
of the mean sum of squares), so that no unit of a map or model matters.

References
----------
Alexa (2022), doi:10.1109/CVPR52688.2022.00811 (super-Fibonacci spirals).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch_fourier_slice import project_3d_to_2d

from cryoscore_plugin.arrays import Image, Volume
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.density.projection import projected_potential
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.guidance.views import Views, low_pass
from cryoscore_plugin.rescaling import fourier_crop

SAMPLING = 0.35
"""Pixel size of the views relative to the finest detail in them, about: 0.5 would be
Nyquist, and the edge of the low-pass reaches 1.15 times as far as its middle."""

MARGIN = 2.0
"""Room around a particle on each side, in units of the finest detail."""


def even_rotations(count: int) -> Rotation:
    """Rotations that are spread evenly, on a super-Fibonacci spiral.

    Parameters
    ----------
    count : int
        How many.
    """
    psi = 1.533751168755204288118041  # Alexa (2022), the real root of psi⁴ = psi + 4.
    place = np.arange(count) + 0.5
    inner, outer = np.sqrt(place / count), np.sqrt(1 - place / count)
    first, second = 2 * np.pi * place / math.sqrt(2), 2 * np.pi * place / psi
    return Rotation.from_quat(
        np.stack(
            [
                inner * np.sin(first),
                inner * np.cos(first),
                outer * np.sin(second),
                outer * np.cos(second),
            ],
            axis=1,
        )
    )


def views_of_model(
    model: AtomicModel, rotations: Rotation, *, resolution: float
) -> Views:
    """Views of an atomic model: its potential above that of ice.

    Parameters
    ----------
    model : AtomicModel
        The particle.
    rotations : Rotation
        Turn the model's coordinates `(x, y, z)`; the beam is along z.
    resolution : float
        Finest detail kept, in Å.
    """
    # On a grid finer than needed, because atoms are dropped onto pixels.
    pixel_size = SAMPLING * resolution / 2
    reach = float(np.linalg.norm(model.positions_xyz, axis=1).max())
    size = _even((2 * reach + 2 * MARGIN * resolution) / pixel_size)
    pictures = [
        projected_potential(model, turn, size=size, pixel_size=pixel_size)
        for turn in rotations
    ]
    return _finished(np.stack(pictures), pixel_size, resolution)


def views_of_map(
    density: Volume, rotations: Rotation, *, pixel_size: float, resolution: float
) -> Views:
    """Views of a density map.

    Parameters
    ----------
    density : Volume
        A cube, protein positive; its median counts as the level of ice.
    rotations : Rotation
        Turn its coordinates `(x, y, z)` about the middle of the cube.
    pixel_size : float
        Side of a voxel, in Å.
    resolution : float
        Finest detail kept, in Å.

    Raises
    ------
    InputError
        If it is no cube, too coarse, or the same everywhere.
    """
    size = density.shape[0]
    if density.shape != (size, size, size):
        msg = (
            f"A map should be a cube, but has {density.shape} voxels. Pad or cut it to "
            "equal sides."
        )
        raise InputError(msg)
    _check_sampling(pixel_size, resolution)
    cube = np.pad(density - np.median(density), (size % 2, 0))
    kept = min(len(cube), _even(2 * len(cube) * pixel_size / (SAMPLING * resolution)))
    pictures = project_3d_to_2d(
        _coarser(torch.from_numpy(cube), kept),
        torch.from_numpy(rotations.as_matrix()).float(),
    )
    return _finished(pictures.numpy(), pixel_size * len(cube) / kept, resolution)


def views_of_averages(
    averages: Sequence[Image], *, turns: int, pixel_size: float, resolution: float
) -> Views:
    """2D class averages, each turned in its plane.

    Parameters
    ----------
    averages : Sequence[Image]
        Square pictures of one size, protein bright; the median of each counts as ice.
        Those that are the same everywhere, of classes without particles, are left out.
    turns : int
        Orientations of each.
    pixel_size : float
        In Å/px.
    resolution : float
        Finest detail kept, in Å.

    Raises
    ------
    InputError
        If they are not square, too coarse, or the same everywhere.
    """
    h, w = averages[0].shape
    if h != w:
        msg = (
            f"Class averages should be square, but have {w} x {h} px. Give those that "
            "2D classification wrote."
        )
        raise InputError(msg)
    _check_sampling(pixel_size, resolution)
    # All of them if none shows anything, which is told below.
    filled = [one for one in averages if np.ptp(one) > 0] or averages
    pictures = [
        np.pad(
            ndimage.rotate(one - np.median(one), 360 * turn / turns, reshape=False),
            (h % 2, 0),
        )
        for one in filled
        for turn in range(turns)
    ]
    return _finished(np.stack(pictures), pixel_size, resolution)


def view_of_ball(diameter: float, *, resolution: float) -> Views:
    """The one view of a ball of even density: the generic shape of a particle.

    Parameters
    ----------
    diameter : float
        In Å.
    resolution : float
        Finest detail kept, in Å.
    """
    pixel_size = SAMPLING * resolution / 2
    size = _even((diameter + 2 * MARGIN * resolution) / pixel_size)
    y, x = (np.mgrid[:size, :size] - size // 2) * pixel_size
    thickness = 2 * np.sqrt(np.maximum(diameter**2 / 4 - y**2 - x**2, 0))
    return _finished(thickness[None].astype(np.float32), pixel_size, resolution)


def _finished(pictures: np.ndarray, pixel_size: float, resolution: float) -> Views:
    """Low-pass pictures of even side, sample them coarsely, and give them size 1."""
    size = pictures.shape[-1]
    side = min(size, _even(size * pixel_size / (SAMPLING * resolution)))
    gain = low_pass((size, size), pixel_size=pixel_size, resolution=resolution)
    planes = torch.fft.rfft2(torch.from_numpy(pictures)) * gain
    smooth = torch.fft.irfft2(planes, s=(size, size))
    views = torch.stack([fourier_crop(one, (side, side)) for one in smooth])
    norm = float(views.square().sum((1, 2)).mean().sqrt())
    if not norm > 0:
        msg = (
            "A reference should show a particle, but is the same everywhere. Check that "
            "the file is the right one."
        )
        raise InputError(msg)
    return Views(pictures=views / norm, pixel_size=pixel_size * size / side)


def _coarser(cube: Tensor, size: int) -> Tensor:
    """A cube on a coarser grid of even side, by cutting its Fourier transform."""
    plane = torch.fft.fftshift(torch.fft.fftn(cube))
    first = (len(cube) - size) // 2
    part = slice(first, first + size)
    cut = torch.fft.ifftshift(plane[part, part, part])
    small: Tensor = torch.fft.ifftn(cut).real * (size / len(cube)) ** 3
    return small


def _check_sampling(pixel_size: float, resolution: float) -> None:
    if pixel_size > SAMPLING * resolution:
        msg = (
            f"For detail of {resolution:g} Å a reference needs pixels of "
            f"{SAMPLING * resolution:.3g} Å or less, but has {pixel_size:g} Å/px. Give "
            "a finer one, a coarser --resolution, or the right --pixel-size."
        )
        raise InputError(msg)


def _even(length: float) -> int:
    """Nearest even number of pixels."""
    return max(2, 2 * round(length / 2))
