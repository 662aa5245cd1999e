"""What the network is told in training about the spectrum of a crop's micrograph.

A crop is a part of a scene, and a scene stands for a micrograph. So what is told is the
power of the whole scene, which is known without noise; but never exactly, since the
particles and the ice of one field of view are not those of all the micrograph, and since a
spectrum is measured with an error that falls with the number of its coefficients. A
crop without particles may be from a micrograph that is full of them.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float16, Float32, Float64

from cryoscore_plugin.excess import CENTRES as MIDDLES
from cryoscore_plugin.excess import PARTS, spectral_excess

BandPower = Float64[np.ndarray, "n bands"]
"""Mean power in each band of `excess.BANDS`, a row for each crop or scene."""

CENTRES: Float64[np.ndarray, " bands"] = np.array(MIDDLES)
"""`excess.CENTRES` as an array."""

FIELDS = (0.6, 1.6)
"""Range of the power of particles, or of background, in a micrograph relative to
that in a scene of it; log-uniform. A choice, not a measurement."""

SIDES = (340.0, 1400.0)
"""Range of the side of a micrograph in px of the working grid, log-uniform."""


def scene_power(
    scenes: Float16[np.ndarray, "n s s"], *, wraps: bool
) -> Float32[np.ndarray, "n bands"]:
    """Mean power of each scene, band by band.

    Parameters
    ----------
    scenes : Float16[np.ndarray, "n s s"]
        Pictures without noise.
    wraps : bool
        Whether a picture goes on at its opposite edge. If not, it fades out towards its
        edges, whose jump would be taken for power at all frequencies.
    """
    side = scenes.shape[-1]
    fade = np.ones(side) if wraps else np.hanning(side + 1)[:-1]
    fade = fade / np.sqrt(np.mean(fade**2))
    window = torch.from_numpy(np.outer(fade, fade).astype(np.float32))
    powers = [
        spectral_excess(torch.from_numpy(scene).float() * window, noise=0.0)
        for scene in scenes
    ]
    result: np.ndarray = torch.stack(powers).numpy()
    return result


def measured(
    excess: BandPower, *, sigma: Float64[np.ndarray, " n"], rng: np.random.Generator
) -> BandPower:
    """Excess as the spectrum of a micrograph shows it: with an error of measurement.

    Parameters
    ----------
    excess : BandPower
        As it is.
    sigma : Float64[np.ndarray, "n"]
        Standard deviation of the noise.
    rng : np.random.Generator
        Source of the errors.

    Returns
    -------
    measured : BandPower
        A power of n coefficients of a Gaussian image has a relative error of
        `n ** -0.5`.
    """
    shortest, longest = np.log(SIDES)
    side = np.exp(rng.uniform(shortest, longest, len(excess)))
    area = np.array(PARTS) / 2  # a real image has half of them to itself
    error = rng.standard_normal(excess.shape) / np.sqrt(side[:, None] ** 2 * area)
    result: np.ndarray = excess + (sigma[:, None] ** 2 + excess) * error
    return result
