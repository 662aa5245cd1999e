"""Fourier shell correlation: up to where two half maps agree.

A shell holds the coefficients of nearly the same spatial frequency; shells are one
step of the coarsest axis apart. The resolution is where the curve first falls below a
threshold: 0.143 between two half maps of a gold-standard refinement, 0.5 between a map
and the truth.

The tests hold that two copies of a signal with independent noise of a known ratio SNR
correlate as SNR / (1 + SNR), and compare the curve with RELION's.

References
----------
Harauz and van Heel (1986), Optik 73, 146-156.
Rosenthal and Henderson (2003), J. Mol. Biol. 333, 721-745 (the threshold 0.143).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from cryoscore_plugin.arrays import Values, Volume

HALF_MAPS, TRUTH = 0.143, 0.5
"""Thresholds for two half maps, and for a map and the truth."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShellCorrelation:
    """A Fourier shell correlation curve.

    Attributes
    ----------
    frequency : Values
        Of each shell, in 1/Å, from zero to half the sampling.
    correlation : Values
        From -1 to 1; 0 where one of the maps has no power.
    """

    frequency: Values
    correlation: Values

    def resolution(self, threshold: float) -> float:
        """Where the curve first falls below a threshold, in Å.

        Between two shells the curve is taken as straight. A curve that never falls
        below gives the resolution of its last shell; one that begins below, infinity.
        """
        below = np.flatnonzero(self.correlation[1:] < threshold) + 1
        if not len(below):
            return float(1 / self.frequency[-1])
        last, first = int(below[0]) - 1, int(below[0])
        if last == 0:
            return float("inf")
        fall = self.correlation[last] - self.correlation[first]
        share = (self.correlation[last] - threshold) / fall
        step = self.frequency[first] - self.frequency[last]
        return float(1 / (self.frequency[last] + share * step))


def fourier_shell_correlation(
    first: Volume, second: Volume, *, voxel_size: float, mask: Volume | None = None
) -> ShellCorrelation:
    """Fourier shell correlation of two maps of the same object.

    Parameters
    ----------
    first, second : Volume
        The maps, on one grid.
    voxel_size : float
        In Å.
    mask : Volume, optional
        From 0 to 1, with a soft edge; multiplied to both. A sharp or tight mask
        correlates with itself, and makes the curve too good.
    """
    if mask is not None:
        first, second = first * mask, second * mask
    one, other = (fft.rfftn(x.astype(np.float64)) for x in (first, second))
    shells = _shells(first.shape)
    count = min(first.shape) // 2 + 1
    weights = _mode_counts(first.shape)

    def shell_sum(values: np.ndarray) -> Values:
        total = np.bincount(shells.ravel(), (values * weights).ravel(), count)
        result: Values = total[:count]
        return result

    shared = shell_sum((one * other.conj()).real)
    size = np.sqrt(shell_sum(np.abs(one) ** 2)) * np.sqrt(shell_sum(np.abs(other) ** 2))
    correlation = np.divide(shared, size, out=np.zeros(count), where=size > 0)
    return ShellCorrelation(
        frequency=np.arange(count) / (min(first.shape) * voxel_size),
        correlation=correlation,
    )


def _shells(shape: tuple[int, ...]) -> np.ndarray:
    """Number of the shell of each coefficient of the half space."""
    z, y, x = shape
    squared = (
        fft.fftfreq(z)[:, None, None] ** 2
        + fft.fftfreq(y)[:, None] ** 2
        + fft.rfftfreq(x) ** 2
    )
    shells: np.ndarray = np.rint(np.sqrt(squared) * min(shape)).astype(np.intp)
    return shells


def _mode_counts(shape: tuple[int, ...]) -> np.ndarray:
    """How many coefficients of the whole space each one of the half space is."""
    width = shape[-1]
    counts = np.full(width // 2 + 1, 2.0)
    counts[0] = 1.0
    if width % 2 == 0:
        counts[-1] = 1.0
    return counts
