"""Spike-in: put known particles into real micrographs, and see which are found again.

Real micrographs have no truth. But what is added to one is known: views of a particle
in random orientations, as the transfer function shows them, at chosen strengths. How
many of them a picker finds after a denoiser has worked says what the denoiser keeps,
at the noise and among the contamination of the user's own data.

The strength of an added particle is its signal-to-noise ratio: the variance of its
image inside its diameter over the variance of the micrograph's pixels.

A pick may meet an added particle by accident, the more likely the more picks there
are. So the same picks are held against *decoys*, places that were chosen in the same
way but where nothing was added: what they "find" is the recall of chance.

An average over all views hides that some are lost. Each particle has an axis of its own,
its long one, or the short one of a flat particle; seen along it a particle is in *end
view*, seen across it in *side view*. `recall` tells views and defocus apart.

The tests hold that an added particle has the ratio that is asked for, that places
keep their distance, that random picks find added particles and decoys alike, and that a
rod is in end view where its image is shortest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryoscore_plugin.ctf import contrast_transfer
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.evaluation.pickers import Picks, is_inside
from cryoscore_plugin.evaluation.picking import match_picks
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.optics import Optics
from cryoscore_plugin.simulation.dataset import euler_angles
from cryoscore_plugin.simulation.specimen import (
    ViewBank,
    add_views,
    random_centers,
    random_views,
)

SEPARATION = 1.3
"""Smallest distance of two places, in diameters: pickers keep one diameter."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in a micrograph where a particle was added, or might have been.

    Attributes
    ----------
    y, x : float
        In px.
    ratio : float
        Signal-to-noise ratio of the particle; 0 for a decoy.
    angles : tuple[float, float, float]
        Its rot, tilt and psi in degrees; zero for a decoy.
    view : float
        Angle between the line of sight and the particle's own axis, in degrees: 0 is
        the end view, 90 a side view. Zero for a decoy.
    """

    y: float
    x: float
    ratio: float = 0.0
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    view: float = 0.0


def spike(
    micrograph: Micrograph,
    model: AtomicModel,
    optics: Optics,
    *,
    count: int,
    ratios: Sequence[float],
    rng: np.random.Generator,
) -> tuple[Micrograph, list[Place]]:
    """Add views of a particle to a micrograph.

    Parameters
    ----------
    micrograph : Micrograph
        As it is; protein is dark.
    model : AtomicModel
        The particle.
    optics : Optics
        How the micrograph was taken.
    count : int
        Particles to add, as far as there is room; about as many decoys are chosen.
    ratios : Sequence[float]
        Signal-to-noise ratios, dealt out in turn.
    rng : np.random.Generator
        Source of places and orientations.

    Returns
    -------
    spiked : Micrograph
        The micrograph with the particles, in its own grey scale.
    places : list[Place]
        Where they are, and the decoys.
    """
    pixels, pixel_size = micrograph.pixels, micrograph.pixel_size
    shape = (pixels.shape[0], pixels.shape[1])
    bank = random_views(
        model, count, pixel_size=pixel_size, voltage=optics.voltage, rng=rng
    )
    free = random_centers(
        shape, count=2 * count, distance=SEPARATION * bank.diameter, rng=rng
    )
    free = np.floor(free[is_inside(free, shape=shape, border=bank.diameter / 2)])
    noise = 1.4826 * float(np.median(np.abs(pixels - np.median(pixels))))
    phase = np.zeros(shape, dtype=np.float32)
    axis = own_axis(model)
    places = [Place(y=float(y), x=float(x)) for y, x in free[1::2]]
    for number, (y, x) in enumerate(free[::2]):
        ratio = ratios[number % len(ratios)]
        strength = noise * np.sqrt(ratio) / _spread(bank, number, optics, pixel_size)
        view = np.float32(strength) * bank.views[number]
        add_views(phase, np.array([[y, x]]), [view], rng=rng)
        rotation = bank.poses[number].rotation
        places.append(
            Place(
                y=float(y),
                x=float(x),
                ratio=ratio,
                angles=euler_angles(rotation),
                view=angle_to_beam(rotation.apply(axis)),
            )
        )
    transfer = contrast_transfer(optics, shape=shape, pixel_size=pixel_size)
    signal = fft.irfft2(fft.rfft2(phase) * transfer.numpy(), s=shape)
    return replace(micrograph, pixels=(pixels + signal).astype(np.float32)), places


def own_axis(model: AtomicModel) -> NDArray[np.float64]:
    """The axis of a particle along which it differs most from across, a unit vector.

    Of the three main axes of its atoms it is the one whose spread is farthest from that
    of the other two. A ball has none, and gets one by chance.

    Parameters
    ----------
    model : AtomicModel
        The particle.
    """
    spread, axes = np.linalg.eigh(np.cov(model.positions_xyz.T.astype(np.float64)))
    is_long = spread[2] - spread[1] > spread[1] - spread[0]
    axis: NDArray[np.float64] = axes[:, 2 if is_long else 0]
    return axis


def angle_to_beam(axis_xyz: NDArray[np.float64]) -> float:
    """Angle between an axis, a unit vector, and the beam, from 0 to 90 degrees."""
    return float(np.degrees(np.arccos(min(abs(axis_xyz[2]), 1.0))))


def _spread(bank: ViewBank, number: int, optics: Optics, pixel_size: float) -> float:
    """Standard deviation inside the diameter of a view, as the microscope shows it."""
    view = bank.views[number]
    size = len(view)
    # Room for the fringes, which would otherwise wrap around.
    box = 4 * size
    start = box // 2 - size // 2
    wide = np.zeros((box, box), dtype=np.float32)
    wide[start : start + size, start : start + size] = view
    transfer = contrast_transfer(optics, shape=(box, box), pixel_size=pixel_size)
    seen = fft.irfft2(fft.rfft2(wide) * transfer.numpy(), s=wide.shape)
    y, x = np.indices((box, box)) - box // 2
    return float(seen[np.hypot(y, x) <= bank.diameter / 2].std())


def found_places(
    picks: Picks, places: Sequence[Place], *, most: int, max_distance: float
) -> NDArray[np.bool_]:
    """Which places the best picks of a micrograph meet.

    Parameters
    ----------
    picks : Picks
        All picks of the micrograph, after any denoiser.
    places : Sequence[Place]
        Added particles and decoys; the two do not compete for a pick.
    most : int
        Number of picks that count, the best ones: the same for every denoiser.
    max_distance : float
        Largest distance of a match, in px.
    """
    best = Picks(centers_yx=picks.centers_yx[:most], scores=picks.scores[:most])
    met = np.zeros(len(places), dtype=bool)
    decoy = np.array([place.ratio == 0 for place in places])
    centers = np.array([(place.y, place.x) for place in places])
    for kind in (decoy, ~decoy):
        rows = np.flatnonzero(kind)
        match = match_picks(best, centers[rows], max_distance=max_distance)
        met[rows[match[match >= 0]]] = True
    return met
