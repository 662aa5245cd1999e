"""A particle as a cloud of atoms: where they are and how strongly they scatter.

What a micrograph shows of a particle is its potential minus that of the ice it
displaces. Each atom here carries both: a potential, in V Å³, and the volume of
ice that it pushes aside. Hydrogens, absent from most models, ride on the heavy
atoms.

References
----------
Peng, Ren, Dudarev and Whelan (1996), Acta Cryst. A52, 257-276 (scattering
factors, through gemmi). Fraser, MacRae and Suzuki (1978), J. Appl. Cryst. 11,
693-694 (displaced solvent).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Bool, Float32

from cryoscore_plugin.constants import VOLT_SQUARE_ANGSTROM
from cryoscore_plugin.errors import InputError

PositionsXYZ = Float32[np.ndarray, "n 3"]
"""Positions in Å; x first, as in coordinate files."""

DISPLACED_VOLUME = 17.3
"""Ice displaced by one heavy atom with its hydrogens, in Å³: protein has a partial
specific volume of 0.73 cm³/g, which is 1.21 Å³/Da, and 14.3 Da per heavy atom."""

HYDROGENS_PER_ATOM = 1.0
"""Mean number of hydrogens on a heavy atom of protein."""

ELEMENTS, SHARES = np.array([6, 7, 8, 16]), np.array([0.63, 0.17, 0.19, 0.01])
"""Atomic numbers of the heavy atoms of protein, and how common they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AtomicModel:
    """A particle, centred on its mean position.

    Attributes
    ----------
    name : str
        For tables and model cards.
    positions_xyz : PositionsXYZ
        In Å.
    potentials : Float32[np.ndarray, "n"]
        Integrated potential of each atom, in V Å³.
    volumes : Float32[np.ndarray, "n"]
        Ice that each atom displaces, in Å³.
    """

    name: str
    positions_xyz: PositionsXYZ
    potentials: Float32[np.ndarray, " n"]
    volumes: Float32[np.ndarray, " n"]

    @property
    def diameter(self) -> float:
        """Twice the distance from the centre that holds 98 % of the atoms, in Å."""
        distances = np.linalg.norm(self.positions_xyz, axis=1)
        return float(2 * np.quantile(distances, 0.98))


def centred_model(
    name: str, positions_xyz: PositionsXYZ, atomic_numbers: np.ndarray
) -> AtomicModel:
    """Model of protein atoms of known elements, centred."""
    return AtomicModel(
        name=name,
        positions_xyz=(positions_xyz - positions_xyz.mean(0)).astype(np.float32),
        potentials=integrated_potentials(atomic_numbers, hydrogens=HYDROGENS_PER_ATOM),
        volumes=np.full(len(positions_xyz), DISPLACED_VOLUME, dtype=np.float32),
    )


def chosen_atoms(model: AtomicModel, chosen: Bool[np.ndarray, " n"]) -> AtomicModel:
    """Some atoms of a model, where they are."""
    return replace(
        model,
        positions_xyz=model.positions_xyz[chosen],
        potentials=model.potentials[chosen],
        volumes=model.volumes[chosen],
    )


def joined_models(name: str, parts: Sequence[AtomicModel]) -> AtomicModel:
    """All atoms of some models, where they are to each other; centred."""
    positions = np.concatenate([part.positions_xyz for part in parts])
    return AtomicModel(
        name=name,
        positions_xyz=(positions - positions.mean(0)).astype(np.float32),
        potentials=np.concatenate([part.potentials for part in parts]),
        volumes=np.concatenate([part.volumes for part in parts]),
    )


def fragment(
    model: AtomicModel, radius: float, rng: np.random.Generator
) -> AtomicModel:
    """What is left of a particle within `radius` (Å) of one of its atoms."""
    centre = model.positions_xyz[rng.integers(len(model.positions_xyz))]
    near = np.linalg.norm(model.positions_xyz - centre, axis=1) <= radius
    return joined_models(f"fragment of {model.name}", [chosen_atoms(model, near)])


def integrated_potentials(
    atomic_numbers: np.ndarray, *, hydrogens: float
) -> Float32[np.ndarray, " n"]:
    """Potential of heavy atoms, each with the hydrogens on it, in V Å³.

    Parameters
    ----------
    atomic_numbers : np.ndarray
        Of the heavy atoms; their scattering factors are those of gemmi.
    hydrogens : float
        Mean number of hydrogens on each.
    """
    elements, which = np.unique(atomic_numbers, return_inverse=True)
    factors = np.array([gemmi.Element(int(z)).c4322.calculate_sf(0) for z in elements])
    riding = gemmi.Element("H").c4322.calculate_sf(0) * hydrogens
    potentials: Float32[np.ndarray, " n"] = (
        VOLT_SQUARE_ANGSTROM * (factors[which] + riding)
    ).astype(np.float32)
    return potentials


def read_atomic_model(path: Path) -> AtomicModel:
    """Read a model from PDB, mmCIF (also .gz) or a table of atoms (.npz).

    Parameters
    ----------
    path : Path
        As for `read_atoms`.

    Raises
    ------
    InputError
        As for `read_atoms`.
    """
    return centred_model(model_name(path), *read_atoms(path))


def model_name(path: Path) -> str:
    """Name of what a file holds: up to the first dot."""
    return path.name.split(".")[0]


def read_atoms(path: Path) -> tuple[PositionsXYZ, np.ndarray]:
    """Positions in Å and atomic numbers of the heavy atoms in a file.

    Waters, hydrogens and alternative conformations are left out; the first
    biological assembly is built. A table has `xyz` (n, 3) in Å and `Z` (n).

    Parameters
    ----------
    path : Path
        PDB, mmCIF (also .gz) or .npz.

    Raises
    ------
    InputError
        If the file cannot be read or holds no atoms.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path) as table:
                positions, numbers = table["xyz"].astype(np.float32), table["Z"]
        else:
            positions, numbers = _atoms_of_structure(path)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        msg = (
            f"Cannot read atoms from {path}: {error}. Expected PDB or mmCIF, or a .npz "
            "table with xyz and Z."
        )
        raise InputError(msg) from error
    if len(positions) == 0:
        msg = f"{path} holds no atoms. Expected a model of a protein or its complex."
        raise InputError(msg)
    return positions, numbers


def _atoms_of_structure(path: Path) -> tuple[PositionsXYZ, np.ndarray]:
    """Positions in Å and atomic numbers of the first biological assembly."""
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    structure.remove_alternative_conformations()
    model = structure[0]
    if structure.assemblies:
        # Before waters are removed: gemmi otherwise misses their sub-chains.
        short = gemmi.HowToNameCopiedChain.Short
        model = gemmi.make_assembly(structure.assemblies[0], model, short)
    whole = gemmi.Structure()
    whole.add_model(model)
    whole.remove_hydrogens()
    whole.remove_waters()
    atoms = [site.atom for site in whole[0].all()]
    positions = np.array([atom.pos.tolist() for atom in atoms], dtype=np.float32)
    return positions.reshape(-1, 3), np.array(
        [atom.element.atomic_number for atom in atoms]
    )
