"""A particle from whatever file a user has: an atomic model or a density map."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cryoscore_plugin.density.atomic_model import (
    AtomicModel,
    centred_model,
    model_name,
    read_atoms,
)
from cryoscore_plugin.density.belt import BELTS, BeltKind, model_with_belt
from cryoscore_plugin.density.density_map import read_density_map
from cryoscore_plugin.errors import InputError

MODEL_SUFFIXES = {".pdb", ".ent", ".cif", ".npz"}
"""Of atomic models; what has none of them is a map."""


class ParticleSettings(BaseModel):
    """What a file does not say about its particle.

    Attributes
    ----------
    mass : float or None
        Of the particle of a density map, in kDa.
    threshold : float or None
        Contour level of a density map; one of both is needed for a map.
    belt : {"detergent", "lipid"} or None
        What surrounds an atomic model of a membrane protein.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mass: float | None = Field(default=None, gt=0)
    threshold: float | None = None
    belt: BeltKind | None = None


NOTHING_MORE = ParticleSettings()
"""For atomic models that are complete."""


def is_atomic_model(path: Path) -> bool:
    """Whether a file is an atomic model by its name."""
    return bool({suffix.lower() for suffix in path.suffixes} & MODEL_SUFFIXES)


def read_particle(path: Path, settings: ParticleSettings = NOTHING_MORE) -> AtomicModel:
    """Read an atomic model (PDB, mmCIF, .npz) or fill a density map with atoms.

    Parameters
    ----------
    path : Path
        The file.
    settings : ParticleSettings
        What it does not say.

    Raises
    ------
    InputError
        If it cannot be read, or the settings do not fit it.
    """
    if not is_atomic_model(path):
        if settings.belt is not None:
            msg = (
                f"A belt was asked for, but {path} is a density map, which shows its own. "
                "Leave the belt out, or give an atomic model."
            )
            raise InputError(msg)
        return read_density_map(path, mass=settings.mass, threshold=settings.threshold)
    if settings.mass is not None or settings.threshold is not None:
        msg = (
            f"Mass and threshold are for density maps, but {path} is an atomic model. "
            "Leave them out."
        )
        raise InputError(msg)
    positions, numbers = read_atoms(path)
    if settings.belt is None:
        return centred_model(model_name(path), positions, numbers)
    return model_with_belt(model_name(path), positions, numbers, BELTS[settings.belt])
