"""What lies in the ice: particles at random places, in random orientations.

Everything here is a phase image: the projected potential times the interaction
constant, in rad. `micrographs` turns phase into contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from cryoscore_plugin.arrays import CentersYX, Image, View
from cryoscore_plugin.constants import interaction_constant
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.density.projection import projected_potential

WOBBLE = 10.0
"""Tilt of particles in the preferred orientation, in degrees (of each component)."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How a particle lies in an image.

    Attributes
    ----------
    rotation : Rotation
        Turns the model's coordinates `(x, y, z)`; the beam is along z.
    shift_yx : tuple[float, float]
        Displacement of its centre, in px.
    """

    rotation: Rotation
    shift_yx: tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewBank:
    """Phase images of one particle in random orientations.

    Attributes
    ----------
    name : str
        Of the particle.
    diameter : float
        In px.
    views : list[View]
        Square, one size, in rad; the particle's centre is within half a px of
        the middle.
    poses : list[Pose]
        Of each view.
    """

    name: str
    diameter: float
    views: list[View]
    poses: list[Pose]


def random_views(
    model: AtomicModel,
    count: int,
    *,
    pixel_size: float,
    voltage: float,
    rng: np.random.Generator,
    preferred: float = 0.0,
) -> ViewBank:
    """Project a particle `count` times, in random orientations and sub-pixel shifts.

    Parameters
    ----------
    model : AtomicModel
        The particle.
    count : int
        Number of views.
    pixel_size : float
        In Å/px.
    voltage : float
        In kV.
    rng : np.random.Generator
        Source of orientations and shifts.
    preferred : float
        Part of the views with the preferred orientation, 0 to 1.
    """
    reach = float(np.linalg.norm(model.positions_xyz, axis=1).max()) + 10.0
    size = 2 * int(np.ceil(reach / pixel_size)) + 2
    phase = np.float32(interaction_constant(voltage))
    poses = [
        Pose(
            rotation=random_rotation(rng, preferred=preferred),
            shift_yx=tuple(rng.uniform(-0.5, 0.5, 2).tolist()),
        )
        for _ in range(count)
    ]
    views = [
        phase
        * projected_potential(
            model,
            pose.rotation,
            size=size,
            pixel_size=pixel_size,
            shift_yx=pose.shift_yx,
        )
        for pose in poses
    ]
    return ViewBank(
        name=model.name,
        diameter=model.diameter / pixel_size,
        views=views,
        poses=poses,
    )


def random_rotation(rng: np.random.Generator, *, preferred: float) -> Rotation:
    """A random orientation, or one with the model's z axis near the beam.

    Parameters
    ----------
    rng : np.random.Generator
        Source of the orientation.
    preferred : float
        Chance of the preferred orientation: particles that lie on the air-water
        interface with one side, upright or upside down, tilted by about `WOBBLE`.
    """
    # Not drawn where nothing is preferred, so that old seeds give what they gave.
    if not preferred or rng.random() >= preferred:
        return Rotation.random(rng=rng)
    tilt = rng.rayleigh(WOBBLE) + 180 * int(rng.integers(2))
    about, spin = rng.uniform(0, 360, 2)
    return Rotation.from_euler("zyz", [about, tilt, spin], degrees=True)


def random_centers(
    shape: tuple[int, int],
    *,
    count: int,
    distance: float,
    rng: np.random.Generator,
) -> CentersYX:
    """At most `count` random points in an image, at least `distance` px apart.

    Distances are measured across the borders, as if the image were repeated: so
    an image can be wrapped around without overlaps. Gives up on a point after 20
    tries; a crowded image holds fewer than were asked for.
    """
    side = np.asarray(shape, dtype=float)
    centers = np.empty((0, 2))
    for _ in range(20 * count):
        if len(centers) == count:
            break
        point = rng.uniform(0, side)
        apart = np.abs(centers - point)
        apart = np.minimum(apart, side - apart)
        if (np.hypot(*apart.T) >= distance).all():
            centers = np.vstack([centers, point])
    return centers


def add_views(
    phase: Image,
    centers_yx: CentersYX,
    views: Sequence[View],
    *,
    rng: np.random.Generator,
) -> list[int]:
    """Add a random view at each centre, in place; views wrap around the borders.

    Returns
    -------
    chosen : list[int]
        Number of the view at each centre.
    """
    h, w = phase.shape
    chosen = []
    for y, x in np.floor(centers_yx).astype(int):
        chosen.append(int(rng.integers(len(views))))
        view = views[chosen[-1]]
        half, size = len(view) // 2, len(view)
        rows = (np.arange(size) + y - half) % h
        columns = (np.arange(size) + x - half) % w
        # Not +=: where a view is larger than the image it meets itself.
        np.add.at(phase, np.ix_(rows, columns), view)
    return chosen
