"""Particles that exist nowhere: random assemblies of protein-like lobes.

A network that has seen twenty structures knows twenty structures. Random shapes
(globules, shells, rods, rings and clusters of lobes, some hollow, some with
rotational symmetry) show it that a particle can have any form. They are filled
with atoms at the density of protein, uneven on the scale of secondary structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from cryoscore_plugin.density.atomic_model import (
    DISPLACED_VOLUME,
    ELEMENTS,
    SHARES,
    AtomicModel,
    centred_model,
)

Points = Float[np.ndarray, "n 3"]
Vector = Float[np.ndarray, "xyz=3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lobe:
    """An ellipsoid, solid or hollow.

    Attributes
    ----------
    centre_xyz, semi_axes : Points of one row
        In Å.
    rotation : Rotation
        Of its axes.
    hollow : float
        Size of the cavity relative to the lobe; 0 for a solid one.
    """

    centre_xyz: Vector
    semi_axes: Vector
    rotation: Rotation
    hollow: float = 0.0

    def contains(self, points: Points) -> Bool[np.ndarray, " n"]:
        """Which points lie in the lobe and not in its cavity."""
        inside = self.rotation.inv().apply(points - self.centre_xyz) / self.semi_axes
        radius = np.linalg.norm(inside, axis=1)
        within: Bool[np.ndarray, " n"] = (radius <= 1) & (radius >= self.hollow)
        return within


def random_shape(rng: np.random.Generator) -> AtomicModel:
    """A random particle that fits into a ball of 80 to 320 Å; a few are much smaller."""
    extent = np.exp(rng.uniform(np.log(80), np.log(320)))
    lobes = _random_lobes(rng)
    reach = max(np.linalg.norm(x.centre_xyz) + x.semi_axes.max() for x in lobes)
    points = _points_in(lobes, rng, scale=extent / (2 * reach))
    numbers = rng.choice(ELEMENTS, size=len(points), p=SHARES)
    return centred_model("procedural", points.astype(np.float32), numbers)


def _random_lobes(rng: np.random.Generator) -> list[Lobe]:
    """A few lobes, of any scale, repeated around an axis."""
    kind = rng.choice(["globule", "shell", "ring", "cluster"], p=[0.2, 0.2, 0.3, 0.3])
    if kind in {"globule", "shell"}:
        hollow = rng.uniform(0.5, 0.85) if kind == "shell" else 0.0
        axes = np.exp(rng.normal(0, 0.1 if kind == "shell" else 0.35, 3))
        return [
            Lobe(
                centre_xyz=np.zeros(3),
                semi_axes=axes,
                rotation=Rotation.identity(),
                hollow=hollow,
            )
        ]
    copies = int(rng.integers(3, 13)) if kind == "ring" else int(rng.integers(1, 4))
    unit = [
        Lobe(
            centre_xyz=rng.normal([1.2 if kind == "ring" else 0.5, 0, 0], 0.6),
            semi_axes=np.exp(rng.normal(-0.7, 0.3, 3)),
            rotation=Rotation.random(rng=rng),
        )
        for _ in range(int(rng.integers(1, 3 if kind == "ring" else 5)))
    ]
    turns = [
        Rotation.from_euler("z", 360 * i / copies, degrees=True) for i in range(copies)
    ]
    return [
        Lobe(
            centre_xyz=t.apply(x.centre_xyz),
            semi_axes=x.semi_axes,
            rotation=t * x.rotation,
        )
        for t in turns
        for x in unit
    ]


def _points_in(lobes: list[Lobe], rng: np.random.Generator, *, scale: float) -> Points:
    """Atoms at the density of protein, in lobes enlarged by `scale` to Å."""
    reach = max(np.linalg.norm(x.centre_xyz) + x.semi_axes.max() for x in lobes)
    volume = (2 * reach * scale) ** 3
    # Half of the candidates survive the uneven filling, hence the factor 2.
    points = rng.uniform(-reach, reach, (int(2 * volume / DISPLACED_VOLUME), 3))
    inside = np.zeros(len(points), dtype=bool)
    for lobe in lobes:
        inside |= lobe.contains(points)
    points = points[inside] * scale
    return points[rng.random(len(points)) < _filling(points, rng)]


def _filling(points: Points, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """Chance, 0 to 1 and one half on average, uneven on a scale of 9 to 25 Å."""
    waves = rng.normal(size=(24, 3))
    waves *= (
        2 * np.pi / rng.uniform(9, 25, (24, 1)) / np.linalg.norm(waves, axis=1)[:, None]
    )
    phases = rng.uniform(0, 2 * np.pi, 24)
    field = np.cos(points @ waves.T + phases).sum(1) / np.sqrt(12)
    chance: Float[np.ndarray, " n"] = 0.5 + 0.35 * np.tanh(field)
    return chance
