"""A density map as a cloud of atoms, so that it can be used like an atomic model.

A map has arbitrary units. What gives it those of protein is its mass: protein has a
partial specific volume of 0.73 cm³/g, so that a mass and the volume that a contour
level encloses are one statement in two forms, with 1.21 Å³ for each Da. Whoever gives
the mass is spared the level, and the other way round.

The volume is then filled with atoms of protein, as many as such a volume holds, the more
at a place the higher the map is there above its median, which is the level of ice. All
that works on atoms works on a map, and the amplitude is physical. Nucleic acid counts as
protein; it has a fifth less contrast than it should.

The cell may have any sides and angles: each voxel lies where the header puts it.

References
----------
Harpaz, Gerstein and Chothia (1994), doi:10.1016/S0969-2126(00)00065-4 (volume of
protein). Peng et al. (1996) through gemmi (scattering factors, see `atomic_model`).
"""

from __future__ import annotations

import math
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float64
from scipy import ndimage

from cryoscore_plugin.arrays import Volume
from cryoscore_plugin.density.atomic_model import (
    DISPLACED_VOLUME,
    ELEMENTS,
    SHARES,
    AtomicModel,
    centred_model,
    model_name,
)
from cryoscore_plugin.errors import InputError

CUBIC_ANGSTROM_PER_DALTON = 1.21
"""Volume of protein: 0.73 cm³/g."""

FINE = 2.5
"""Largest distance of voxels in Å that are filled as they are: an atom lies anywhere in
its voxel, and a coarser one would be seen. Others are interpolated."""

Steps = Float64[np.ndarray, "3 3"]
"""Row i is the way in Å, `(x, y, z)`, from a voxel to the next along axis i."""


def read_density_map(
    path: Path, *, mass: float | None = None, threshold: float | None = None
) -> AtomicModel:
    """Read a map in MRC (also .gz), and fill it with atoms.

    Parameters
    ----------
    path : Path
        The file; protein is positive.
    mass : float or None
        Of the particle in kDa; with it the level is chosen that encloses its volume.
    threshold : float or None
        Contour level that encloses the particle, in the map's units.

    Raises
    ------
    InputError
        If not one of both is given, the file cannot be read, or they do not fit it.
    """
    density, steps = _read_map(path)
    volume = None
    if mass is not None and threshold is None:
        volume = mass * 1e3 * CUBIC_ANGSTROM_PER_DALTON
        level = _level_enclosing(volume, density, steps, path)
    elif threshold is not None and mass is None:
        level = threshold
    else:
        msg = (
            f"{path} is a density map, whose units are arbitrary. Say how much protein "
            "it shows, with one of two words: --mass in kDa, or --threshold, the "
            "contour level that encloses it."
        )
        raise InputError(msg)
    ice, highest = float(np.median(density)), float(density.max())
    if not ice < level <= highest:
        msg = (
            f"The threshold of {path} should lie between {ice:.4g}, the level of ice, "
            f"and {highest:.4g}, its maximum, but is {level:.4g}."
        )
        raise InputError(msg)
    return filled_map(model_name(path), density, steps, threshold=level, volume=volume)


def filled_map(
    name: str,
    density: Volume,
    steps: Steps,
    *,
    threshold: float,
    volume: float | None = None,
) -> AtomicModel:
    """Fill what lies above a contour level with atoms of protein; always the same ones.

    Parameters
    ----------
    name : str
        For tables and model cards.
    density : Volume
        The map, any units.
    steps : Steps
        The way from voxel to voxel, along the axes of `density` in their order.
    threshold : float
        Contour level, above the median.
    volume : float or None
        Of the protein in Å³; None for what the level encloses.
    """
    rng = np.random.default_rng(0)
    finer = math.ceil(float(np.linalg.norm(steps, axis=1).max()) / FINE)
    inside = density >= threshold
    if volume is None:
        volume = float(inside.sum()) * abs(float(np.linalg.det(steps)))
    level = np.where(inside, density - np.median(density), 0)
    if finer > 1:
        level = ndimage.zoom(level, finer, order=1, mode="nearest", grid_mode=True)
    count = max(1, round(volume / DISPLACED_VOLUME))
    # Evenly spaced along the sum, not drawn one by one: no more uneven than the map.
    heights = np.cumsum(level.ravel(), dtype=np.float64)
    wanted = (np.arange(count) + rng.random()) / count * heights[-1]
    places = np.unravel_index(np.searchsorted(heights, wanted), level.shape)
    where = np.stack(places, axis=1) + rng.uniform(-0.5, 0.5, (count, 3))
    positions = (where @ (steps / finer)).astype(np.float32)
    return centred_model(name, positions, rng.choice(ELEMENTS, size=count, p=SHARES))


def _level_enclosing(volume: float, density: Volume, steps: Steps, path: Path) -> float:
    """The contour level that encloses a volume in Å³."""
    voxel = abs(float(np.linalg.det(steps)))
    count = round(volume / voxel)
    above = int(np.count_nonzero(density > np.median(density)))
    if not 0 < count <= above:
        mass, most = (
            part / CUBIC_ANGSTROM_PER_DALTON / 1e3 for part in (volume, above * voxel)
        )
        msg = (
            f"A particle of {mass:g} kDa would fill {count} voxels of {path}, but {above} "
            f"are above the level of ice, enough for {most:.3g} kDa. Check the mass, and "
            "that protein is positive."
        )
        raise InputError(msg)
    return float(np.partition(density.ravel(), -count)[-count])


def _read_map(path: Path) -> tuple[Volume, Steps]:
    """Values of a map, and the way from voxel to voxel along each axis."""
    try:
        # Without set-up gemmi leaves the axes in the order of the file.
        stored = gemmi.read_ccp4_map(str(path))
        counts = [stored.header_i32(word) for word in (8, 9, 10)]
        axes = [stored.header_i32(word) - 1 for word in (17, 18, 19)]
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        msg = f"Cannot read the map {path}: {error}. Expected MRC, perhaps .gz."
        raise InputError(msg) from error
    cell = stored.grid.unit_cell
    if min(counts) < 1 or sorted(axes) != [0, 1, 2] or not cell.a * cell.b * cell.c > 1:
        msg = (
            f"{path} does not say how large its voxels are. Write its header anew, "
            "with the size of the cell in Å."
        )
        raise InputError(msg)
    density = np.array(stored.grid, dtype=np.float32)
    if not np.isfinite(density).all() or density.min() == density.max():
        msg = (
            f"{path} should show a particle, but is the same everywhere or not finite."
        )
        raise InputError(msg)
    edges = np.array(cell.orth.mat.tolist()).T / np.array(counts)[:, None]
    return density, edges[axes]
