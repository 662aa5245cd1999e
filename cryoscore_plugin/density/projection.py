"""Project a cloud of atoms along the beam: the phase image of a particle.

The atoms are turned, dropped onto the pixel grid, and given their shape in
Fourier space: that of an atom for the potential, that of its displaced volume
for the ice. No volume is interpolated, so a projection is exact up to the
sampling; the tests compare it with the analytic projection of a sphere.

References
----------
Kirkland (2010), Advanced Computing in Electron Microscopy, chapter 5.
Fraser, MacRae and Suzuki (1978), J. Appl. Cryst. 11, 693-694.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import fft
from scipy.spatial.transform import Rotation

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.constants import ICE_POTENTIAL
from cryoscore_plugin.density.atomic_model import DISPLACED_VOLUME, AtomicModel

ATOM_B_FACTOR = 55.0
"""Spread of an atom in Å²: 25 for its own width, 30 for thermal motion."""


def projected_potential(
    model: AtomicModel,
    rotation: Rotation,
    *,
    size: int,
    pixel_size: float,
    shift_yx: tuple[float, float] = (0.0, 0.0),
) -> Image:
    """Potential of a particle in ice, above that of the ice, along the beam.

    Parameters
    ----------
    model : AtomicModel
        The particle.
    rotation : Rotation
        Turns the model's coordinates `(x, y, z)`; the beam is along z.
    size : int
        Side of the image in px; the model's centre lands on pixel `size // 2`.
        What lies outside is wrapped around: leave room.
    pixel_size : float
        In Å/px.
    shift_yx : tuple[float, float]
        Displacement of the centre, in px.

    Returns
    -------
    projection : Image
        In V Å.
    """
    turned = rotation.apply(model.positions_xyz)[:, 1::-1] / pixel_size
    where = turned + np.asarray(shift_yx) + size // 2
    atoms = fft.rfft2(_splat(where, model.potentials, size))
    ice = fft.rfft2(_splat(where, model.volumes * np.float32(ICE_POTENTIAL), size))

    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)
    squared = (fy**2 + fx**2) / pixel_size**2
    atom_shape = np.exp(-ATOM_B_FACTOR * squared / 4)
    ice_shape = np.exp(-np.pi * DISPLACED_VOLUME ** (2 / 3) * squared)
    grid_shape = (np.sinc(fy) * np.sinc(fx)) ** 2  # undo the triangle of the splat
    spectrum = (atoms * atom_shape - ice * ice_shape) / grid_shape
    projection = fft.irfft2(spectrum, s=(size, size)) / pixel_size**2
    return projection.astype(np.float32)


def _splat(
    where: Float[np.ndarray, "n 2"], weights: Float[np.ndarray, " n"], size: int
) -> Float[np.ndarray, "size size"]:
    """Drop weights onto the four nearest pixels of a periodic grid."""
    corner = np.floor(where).astype(np.int64)
    part = where - corner
    grid = np.zeros(size * size)
    for dy in (0, 1):
        for dx in (0, 1):
            share = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            row, column = (corner[:, 0] + dy) % size, (corner[:, 1] + dx) % size
            grid += np.bincount(row * size + column, weights * share, size * size)
    return grid.reshape(size, size)
