"""The known structure as a map, and how like it, and each other, two half maps are."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from cryoscore_plugin.constants import ICE_POTENTIAL
from cryoscore_plugin.density.atomic_model import DISPLACED_VOLUME, AtomicModel
from cryoscore_plugin.density.projection import ATOM_B_FACTOR
from cryoscore_plugin.evaluation.resolution import (
    HALF_MAPS,
    TRUTH,
    ShellCorrelation,
    fourier_shell_correlation,
)
from cryoscore_plugin.mrc import read_volume

Map = NDArray[np.float32]

COARSEST = 50.0
"""In Å: coarser shells are not asked."""

FINER = 3
"""How many times finer than the map the grid is on which atoms are dropped."""


def known_structure(model: AtomicModel, *, size: int, voxel_size: float) -> Map:
    """Potential in V of a particle above that of the ice it displaces, `(z, y, x)`.

    Its centre is voxel `size // 2`; `size` is even.
    """
    fine = size * FINER
    edges = (np.arange(fine + 1) - fine // 2 - 0.5) * voxel_size / FINER
    zyx = model.positions_xyz[:, ::-1]
    atoms, _ = np.histogramdd(zyx, [edges] * 3, weights=model.potentials)
    count, _ = np.histogramdd(zyx, [edges] * 3)
    k = fft.fftfreq(fine, voxel_size / FINER)
    squared = k[:, None, None] ** 2 + k[:, None] ** 2 + k**2
    ice = DISPLACED_VOLUME * ICE_POTENTIAL * fft.fftn(count)
    spectrum = fft.fftn(atoms) * np.exp(-ATOM_B_FACTOR * squared / 4)
    spectrum -= ice * np.exp(-np.pi * DISPLACED_VOLUME ** (2 / 3) * squared)
    first = (fine - size) // 2
    kept = (slice(first, first + size),) * 3
    coarse = fft.ifftshift(fft.fftshift(spectrum)[kept])
    return (fft.ifftn(coarse).real / voxel_size**3).astype(np.float32)


def write_map(path: Path, density: Map, *, voxel_size: float) -> None:
    """Write a map as MRC."""
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(density)
        file.voxel_size = voxel_size


def soft_ball(size: int, *, diameter: float, edge: float) -> Map:
    """1 inside, 0 outside, all lengths in voxels; the edge is that of an error function."""
    radius = np.sqrt(((np.indices((size,) * 3) - size // 2) ** 2).sum(0))
    away = (radius - diameter / 2 - edge) / (edge / 2)
    return (0.5 * special.erfc(away)).astype(np.float32)


def half_maps_figures(
    halves: tuple[Path, Path], known: Map, *, voxel_size: float, diameter: float
) -> dict[str, float]:
    """Resolutions and agreement; the diameter of the particle in Å."""
    first, second = (read_volume(path)[0] for path in halves)
    ball = soft_ball(len(known), diameter=diameter / voxel_size, edge=3.0)

    def curve(one: Map, other: Map) -> ShellCorrelation:
        return _without_coarse(
            fourier_shell_correlation(one, other, voxel_size=voxel_size, mask=ball)
        )

    with_truth = curve((first + second) / 2, known)
    asked = with_truth.frequency >= 1 / COARSEST
    return {
        "half_maps": curve(first, second).resolution(HALF_MAPS),
        "truth": with_truth.resolution(TRUTH),
        "agreement": float(with_truth.correlation[asked].mean()),
    }


def _without_coarse(curve: ShellCorrelation) -> ShellCorrelation:
    """The curve with full correlation wherever it is not asked."""
    return ShellCorrelation(
        frequency=curve.frequency,
        correlation=np.where(curve.frequency < 1 / COARSEST, 1.0, curve.correlation),
    )
