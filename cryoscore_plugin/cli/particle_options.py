"""Options that say of a particle what its file does not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar, cast

import click

from cryoscore_plugin.cli.options import with_options

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
