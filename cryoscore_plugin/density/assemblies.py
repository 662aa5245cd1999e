"""Particles that exist nowhere, built of pieces of particles that do.

A network learns what protein looks like inside from atomic models; but a few models teach it
a few outlines only. Balls of atoms are cut out of them, put side by side, and repeated by a
random point group or along a helix: rings, stacks, rods, hollow shells, and lumps without
symmetry. `shapes` draws outlines still more freely, but knows no protein.

The tests hold that a symmetric assembly comes back to itself when it is turned, that pieces
do not lie in one another, and that a seed decides everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from cryoscore_plugin.density.atomic_model import (
    AtomicModel,
    chosen_atoms,
    fragment,
    joined_models,
)

Points = Float[np.ndarray, "n 3"]
Vector = Float[np.ndarray, "xyz=3"]

EXTENT = (80.0, 320.0)
"""Range of the size of an assembly in Å."""

PIECE_RADIUS = (18.0, 80.0)
"""Range of the radius of the balls that are cut out of models, in Å."""

KINDS = {"cyclic": 0.4, "dihedral": 0.25, "T": 0.08, "O": 0.1, "I": 0.07, "rod": 0.1}
"""How often each symmetry is drawn: rotations about one axis; such and across it; those of
tetrahedron, octahedron and icosahedron; and along a helix."""

CLOSE = (0.45, 0.9)
"""Range of the distance of neighbouring pieces, in diameters of a piece."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """How one part is repeated: turned, then shifted in radii of a piece."""

    turns: Rotation
    shifts: Points

    def of(self, point: Vector, *, scale: float = 1.0) -> Points:
        """Where the copies of a point are; shifts are enlarged by `scale`."""
        places: Points = self.turns.apply(point) + scale * self.shifts
        return places


def random_assembly(
    models: Sequence[AtomicModel], rng: np.random.Generator
) -> AtomicModel:
    """Pieces of some models, put together at random.

    Parameters
    ----------
    models : Sequence[AtomicModel]
        What pieces are cut out of.
    rng : np.random.Generator
        Source of everything random.
    """
    copies = _random_copies(rng)
    alone = len(copies.shifts) == 1
    parts = int(rng.integers(2, 8) if alone else rng.integers(1, 4))
    centres = _random_centres(copies, parts, rng)
    everywhere = np.concatenate([copies.of(centre) for centre in centres])
    extent = np.exp(rng.uniform(*np.log(EXTENT)))
    reach = np.linalg.norm(everywhere - everywhere.mean(0), axis=1).max() + 1
    radius = float(np.clip(extent / (2 * reach), *PIECE_RADIUS))
    pieces = [
        _piece(models[int(rng.integers(len(models)))], centre, radius, rng)
        for centre in radius * centres
    ]
    return _repeated(pieces, radius * centres, copies, scale=radius)


def _random_copies(rng: np.random.Generator) -> Copies:
    """A symmetry."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "rod":
        layers, twist = int(rng.integers(3, 9)), rng.uniform(0, 180)
        turns = Rotation.from_euler(
            "z", twist * np.arange(layers)[:, None], degrees=True
        )
        rise = 2 * rng.uniform(*CLOSE)
        shifts = rise * np.arange(layers)[:, None] * np.array([0.0, 0.0, 1.0])
        return Copies(turns=turns, shifts=shifts)
    if kind == "cyclic":
        kind = f"C{rng.integers(1, 13)}"
    elif kind == "dihedral":
        kind = f"D{rng.integers(2, 8)}"
    turns = Rotation.create_group(kind)  # type: ignore[arg-type]  # stubs know no C3
    return Copies(turns=turns, shifts=np.zeros((len(turns), 3)))


def _random_centres(copies: Copies, parts: int, rng: np.random.Generator) -> Points:
    """Of each part, in radii of a piece: the first touches its own copies."""
    first = _first_centre(copies, rng)
    centres = [first]
    while len(centres) < parts:
        beside = centres[int(rng.integers(len(centres)))]
        centres.append(beside + 2 * rng.uniform(*CLOSE) * _direction(rng))
    return np.stack(centres)


def _first_centre(copies: Copies, rng: np.random.Generator) -> Vector:
    """Where a piece touches its nearest copy; of some places, the one farthest off the axes."""
    tried = [_direction(rng) for _ in range(8)]
    apart = [_nearest(copies.turns.apply(place)) for place in tried]
    best = int(np.argmax(apart))
    if copies.shifts.any() or apart[best] == 0:
        return rng.uniform(0, 1.5) * tried[best]
    return 2 * rng.uniform(*CLOSE) / apart[best] * tried[best]


def _nearest(places: Points) -> float:
    """Distance of the first point to the nearest of the others; 0 if there are none."""
    if len(places) == 1:
        return 0.0
    return float(np.linalg.norm(places[1:] - places[0], axis=1).min())


def _direction(rng: np.random.Generator) -> Vector:
    vector = rng.normal(size=3)
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def _piece(
    model: AtomicModel, centre: Vector, radius: float, rng: np.random.Generator
) -> AtomicModel:
    """A ball of atoms of a model, turned and brought to its place."""
    cut = fragment(model, radius, rng)
    turned = Rotation.random(rng=rng).apply(cut.positions_xyz) + centre
    return replace(cut, positions_xyz=turned.astype(np.float32))


def _repeated(
    pieces: Sequence[AtomicModel], centres: Points, copies: Copies, *, scale: float
) -> AtomicModel:
    """All copies of all pieces; of each, what is nearer to its centre than to others."""
    places = np.concatenate([copies.of(centre, scale=scale) for centre in centres])
    moves = list(zip(copies.turns, scale * copies.shifts, strict=True))
    nearest = KDTree(places)
    parts = []
    for number, (piece, (turn, shift)) in enumerate(product(pieces, moves)):
        there = turn.apply(piece.positions_xyz) + shift
        moved = replace(piece, positions_xyz=there.astype(np.float32))
        parts.append(chosen_atoms(moved, nearest.query(there)[1] == number))
    return joined_models("assembly", parts)
