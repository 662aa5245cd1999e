"""The belt of detergent or lipid around a membrane protein.

A model of a membrane protein has none, but its micrographs do: a ring of hydrocarbon
around the part that lay in the membrane, covered by head groups on both sides. It is
fluid, so that atoms at random places, at the density of such a liquid, are a fair
picture of it.

Where the membrane was, the protein says itself: there its atoms are rich in carbon. Of
all slabs, as thick as the hydrocarbon, the one is taken whose excess of carbon is largest
beside what chance would give. In soluble proteins no slab stands out, and they are
refused.

References
----------
Nagle and Tristram-Nagle (2000), doi:10.1016/S0304-4157(00)00016-2 (volumes of CH2 and
head groups, thickness). Tusnády, Dosztányi and Simon (2004),
doi:10.1093/bioinformatics/bth340 (membrane planes from coordinates alone).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.spatial import KDTree

from cryoscore_plugin.density.atomic_model import (
    AtomicModel,
    PositionsXYZ,
    centred_model,
    integrated_potentials,
    joined_models,
)
from cryoscore_plugin.errors import InputError

BeltKind = Literal["detergent", "lipid"]

CARBON, OXYGEN = 6, 8

METHYLENE_VOLUME = 27.6
"""Of a CH2 group in fluid hydrocarbon, in Å³."""

HEAD_VOLUME, HEAD_SHARE = 16.0, 0.5
"""Of a heavy atom of a head group, lipid or sugar, in Å³; and the part of the layer of
heads that they fill. The rest is water, which is as dark as the ice around."""

CONTACT = 3.0
"""Nearest distance of atoms of belt and protein, in Å."""

DIRECTIONS, STEP = 400, 2.0
"""Directions that are tried for the normal of the membrane, 8° apart, and the step
along each in Å."""

LEAST_EXCESS = 5.0
"""Excess of carbon, in standard deviations of chance, that makes a membrane. Cav1.1 has
9.4; the richest slabs of soluble complexes have 1.7 to 2.2."""


@dataclass(frozen=True, kw_only=True)
class Belt:
    """Shape of a belt, in Å.

    Attributes
    ----------
    core : float
        Thickness of the hydrocarbon, across the membrane.
    head : float
        Thickness of the layer of head groups on each side.
    width : float
        How far the belt reaches away from the protein.
    rounded : bool
        Whether its rim is round, as that of a micelle, or straight, as of a nanodisc.
    """

    core: float
    head: float
    width: float
    rounded: bool

    def inside(
        self,
        height: Float[np.ndarray, " n"],
        away: Float[np.ndarray, " n"],
        *,
        heads: bool,
    ) -> Bool[np.ndarray, " n"]:
        """Which places lie in the belt, or in its hydrocarbon alone.

        Parameters
        ----------
        height : Float[np.ndarray, "n"]
            From the middle of the membrane, in Å.
        away : Float[np.ndarray, "n"]
            Distance from the nearest atom of the protein, in Å.
        heads : bool
            Whether the head groups count.
        """
        half = self.core / 2 + self.head * heads
        reach = self.width - self.head * (not heads and self.rounded)
        within: Bool[np.ndarray, " n"] = (
            (height / half) ** 2 + (away / reach) ** 2 <= 1
            if self.rounded
            else (np.abs(height) <= half) & (away <= reach)
        )
        return within


BELTS: dict[BeltKind, Belt] = {
    "detergent": Belt(core=28.0, head=7.0, width=22.0, rounded=True),
    "lipid": Belt(core=28.8, head=8.0, width=30.0, rounded=False),
}
"""A micelle as of dodecyl maltoside, and a nanodisc of phospholipid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Membrane:
    """Where a membrane was.

    Attributes
    ----------
    normal : Float[np.ndarray, "3"]
        Unit vector across it.
    middle : float
        Of the membrane along the normal, in Å.
    excess : float
        Of carbon, in standard deviations of chance.
    """

    normal: Float[np.ndarray, "xyz=3"]
    middle: float
    excess: float


def find_membrane(
    positions_xyz: PositionsXYZ, atomic_numbers: np.ndarray, *, thickness: float
) -> Membrane:
    """The slab of a protein that is richest in carbon.

    Parameters
    ----------
    positions_xyz : PositionsXYZ
        In Å.
    atomic_numbers : np.ndarray
        Of its heavy atoms.
    thickness : float
        Of the slab, in Å.
    """
    carbon = (atomic_numbers == CARBON).astype(np.float64)
    share = carbon.mean()
    spread = np.sqrt(share * (1 - share)) or 1.0
    found = []
    for normal in _half_sphere(DIRECTIONS):
        along = positions_xyz @ normal
        place = ((along - along.min()) / STEP).astype(int)
        counts = np.bincount(place)
        surplus = np.bincount(place, weights=carbon - share)
        slab = np.ones(min(round(thickness / STEP), len(counts)))
        atoms, more = (np.convolve(x, slab, "valid") for x in (counts, surplus))
        excess = more / np.sqrt(np.maximum(atoms, 1)) / spread
        best = int(excess.argmax())
        middle = float(along.min()) + STEP * (best + len(slab) / 2)
        found.append((float(excess[best]), middle, normal))
    excess_of_best, middle, normal = max(found, key=lambda one: one[0])
    return Membrane(normal=normal, middle=middle, excess=excess_of_best)


def model_with_belt(
    name: str, positions_xyz: PositionsXYZ, atomic_numbers: np.ndarray, belt: Belt
) -> AtomicModel:
    """A membrane protein with its belt; the same atoms in each call.

    Parameters
    ----------
    name : str
        For tables and model cards.
    positions_xyz, atomic_numbers
        The protein, as `atomic_model.read_atoms` gives it.
    belt : Belt
        What surrounds it.

    Raises
    ------
    InputError
        If no part of the protein looks as if it lay in a membrane.
    """
    membrane = find_membrane(positions_xyz, atomic_numbers, thickness=belt.core)
    if membrane.excess < LEAST_EXCESS:
        msg = (
            f"A belt was asked for, but {name} does not look like a membrane protein: "
            "no slab of it is clearly rich in carbon (excess of "
            f"{membrane.excess:.1f} standard deviations, {LEAST_EXCESS:g} expected). "
            "Leave the belt out."
        )
        raise InputError(msg)
    protein = centred_model(name, positions_xyz, atomic_numbers)
    rng = np.random.default_rng(0)
    parts = [
        _filled(positions_xyz, membrane, belt, heads=heads, rng=rng)
        for heads in (False, True)
    ]
    where_it_was = replace(protein, positions_xyz=positions_xyz)
    return joined_models(name, [where_it_was, *parts])


def _filled(
    protein_xyz: PositionsXYZ,
    membrane: Membrane,
    belt: Belt,
    *,
    heads: bool,
    rng: np.random.Generator,
) -> AtomicModel:
    """Atoms of the hydrocarbon, or of the head groups."""
    reach = belt.width + belt.core + belt.head
    low, high = protein_xyz.min(0) - reach, protein_xyz.max(0) + reach
    share, volume = (HEAD_SHARE, HEAD_VOLUME) if heads else (1.0, METHYLENE_VOLUME)
    count = rng.poisson(float(np.prod(high - low)) * share / volume)
    points = rng.uniform(low, high, (count, 3)).astype(np.float32)
    height = points @ membrane.normal - membrane.middle
    # Most of the box is far from the membrane, and asks for no neighbour.
    near = np.abs(height) <= belt.core / 2 + belt.head
    points, height = points[near], height[near]
    nearest, _ = KDTree(protein_xyz).query(points, distance_upper_bound=belt.width)
    away = np.asarray(nearest)
    inside = belt.inside(height, away, heads=heads) & (away >= CONTACT)
    if heads:
        inside &= ~belt.inside(height, away, heads=False)
    kept = points[inside]
    numbers = rng.choice([CARBON, OXYGEN], size=len(kept)) if heads else CARBON
    hydrogens = 1.0 if heads else 2.0
    return AtomicModel(
        name="belt",
        positions_xyz=kept,
        potentials=integrated_potentials(
            np.broadcast_to(numbers, len(kept)), hydrogens=hydrogens
        ),
        volumes=np.full(len(kept), volume, dtype=np.float32),
    )


def _half_sphere(count: int) -> Float32[np.ndarray, "n 3"]:
    """Directions spread evenly over half a sphere, on a golden spiral."""
    place = np.arange(count) + 0.5
    z, turn = place / count, np.pi * (1 + np.sqrt(5)) * place
    ring = np.sqrt(1 - z**2)
    directions: Float32[np.ndarray, "n 3"] = np.stack(
        [ring * np.cos(turn), ring * np.sin(turn), z], axis=1
    ).astype(np.float32)
    return directions
