"""Options that say of a particle what its file does not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from cryoscore_plugin.cli.options import with_options

if TYPE_CHECKING:
    from cryoscore_plugin.density.atomic_model import AtomicModel

Callback = TypeVar("Callback", bound=Callable[..., object])

BELTS = ("detergent", "lipid")

OPTIONS = {
    "mass": click.option(
        "--mass",
        type=click.FloatRange(min=0, min_open=True),
        help="Of the particle in a density map, in kDa: sets the strength of the map, "
        "whose units are arbitrary.",
    ),
    "threshold": click.option(
        "--threshold",
        type=float,
        help="Contour level that encloses the particle in a density map; instead of "
        "the mass.",
    ),
    "belt": click.option(
        "--belt",
        type=click.Choice(BELTS),
        help="What surrounds an atomic model of a membrane protein; it is put where the "
        "protein is rich in carbon.",
    ),
}


def particle_options(callback: Callback) -> Callback:
    """Add `--mass`, `--threshold` and `--belt`; pass them on as one dictionary.

    Parameters
    ----------
    callback : Callback
        Of a click command; it takes `about_particle`, keyword-only, with the fields of
        `ParticleSettings`.
    """

    @functools.wraps(callback)
    def with_particle(*args: object, **values: object) -> object:
        about = {name: values.pop(name) for name in OPTIONS}
        return callback(*args, about_particle=about, **values)

    return with_options(cast("Callback", with_particle), list(OPTIONS.values()))


def read_particles(
    files: Iterable[Path], about_particle: Mapping[str, object]
) -> list[AtomicModel]:
    """The particles of files, of all of which the options say the same.

    Parameters
    ----------
    files : Iterable[Path]
        Atomic models and density maps.
    about_particle : Mapping[str, object]
        As `particle_options` passes it on.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    # Not at the top: torch comes with it, and `cryoscore --help` answers at once.
    from cryoscore_plugin.density.particle import (  # noqa: PLC0415
        ParticleSettings,
        read_particle,
    )

    about = ParticleSettings.model_validate(about_particle)
    return [read_particle(file, about) for file in files]
