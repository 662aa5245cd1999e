"""`cryoscore reference`: prepare a known particle for guidance."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.batch.inputs import find_micrographs, is_table
from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.guidance.card import DOUBTS, RESOLUTION, VIEWS, checked_card

if TYPE_CHECKING:
    from cryoscore_plugin.guidance.sources import ViewSettings
    from cryoscore_plugin.guidance.views import Views

DEFAULT_TIERS = {
    "shape": "R1",
    "atomic model": "R2",
    "map": "R2",
    "class averages": "R4",
}
"""Where a reference is from, if the user does not say: averages are mostly one's own."""

POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command(short_help="Prepare a known particle for guidance.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The reference to write, such as particle.safetensors.",
)
@click.option("--name", help="In labels and reports. Default: that of the file.")
@click.option(
    "--tier",
    type=click.Choice(["R2", "R3", "R4"]),
    help="Where it is from: R2 other data, R3 the same data set, R4 these very "
    "micrographs. Default: R2 for atomic models and maps, R4 for class averages.",
)
@click.option(
    "--made-from",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Micrographs, folders or tables (also of particles) that a reference of tier R4 "
    "was made from; these it does not guide. May be repeated.",
)
@click.option(
    "--diameter",
    type=POSITIVE,
    help="Without FILE: a ball of this diameter in Å, the generic shape (tier R1).",
)
@click.option(
    "--resolution",
    type=POSITIVE,
    default=RESOLUTION,
    show_default=True,
    help="Finest detail that may guide, in Å.",
)
@click.option(
    "--views",
    type=click.IntRange(min=1),
    default=VIEWS,
    show_default=True,
    help="Orientations; of class averages, turns in the plane for all together.",
)
@click.option(
    "--pixel-size",
    type=POSITIVE,
    help="Of a map or of class averages in Å/px. Default: what the file says.",
)
@click.option(
    "--invert/--no-invert",
    default=False,
    show_default=True,
    help="The map or the class averages show protein dark.",
)
@verbose_option
def reference(  # noqa: PLR0913  one argument for each option
    *,
    file: Path | None,
    output: Path,
    name: str | None,
    tier: str | None,
    made_from: tuple[Path, ...],
    diameter: float | None,
    resolution: float,
    views: int,
    pixel_size: float | None,
    invert: bool,
) -> None:
    """Make a reference for `cryoscore denoise --reference`.

    FILE is an atomic model (.pdb, .cif, also .gz, or .npz), a density map (.mrc, .map)
    or a stack of 2D class averages (.mrcs). Say honestly with --tier where it is from:
    name, tier and hash of the reference are written into every image that it guides.
    """
    _check_words(file, diameter, tier)
    # Not at the top: they bring torch, and `cryoscore --help` answers at once.
    from cryoscore_plugin.guidance.reference import save_reference  # noqa: PLC0415
    from cryoscore_plugin.guidance.sources import ViewSettings  # noqa: PLC0415

    facts = _origin(file, name, tier) | {
        "resolution": resolution,
        "made_from": _micrographs_of(made_from),
    }
    checked_card(pixel_size=1.0, **facts)  # Before the work.
    settings = ViewSettings(
        resolution=resolution, count=views, pixel_size=pixel_size, invert=invert
    )
    made = _views(file, diameter, settings)
    card = checked_card(pixel_size=made.pixel_size, **facts)
    sha256 = save_reference(output, made, card)
    click.echo(
        f"{output}: {card.kind} {card.name}, tier {card.tier}, {len(made.pictures)} views of "
        f"{made.diameter:.0f} Å to {resolution:g} Å, {sha256[:12]}"
    )
    if doubt := DOUBTS.get(card.tier):
        click.echo(f"Warning: {doubt}.", err=True)
    if made.looks_dark:
        _warn_of_contrast(file, invert=invert)


def _check_words(file: Path | None, diameter: float | None, tier: str | None) -> None:
    """Refuse a file and a shape at once, neither, or a tier that a shape cannot have.

    Raises
    ------
    ConfigError
        If they do not fit together.
    """
    if (file is None) == (diameter is None):
        msg = (
            "Expected either a FILE or, for a generic shape, --diameter, but found "
            f"{'neither' if file is None else 'both'}. Give one of them."
        )
        raise ConfigError(msg)
    if file is None and tier is not None:
        msg = f"A generic shape is of tier R1, but --tier is {tier}. Leave it out."
        raise ConfigError(msg)


def _origin(file: Path | None, name: str | None, tier: str | None) -> dict[str, object]:
    """What a card says of where a reference is from; of a ball, without a file."""
    from cryoscore_plugin.guidance.reference import (  # noqa: PLC0415  brings torch
        hash_of_source,
    )
    from cryoscore_plugin.guidance.sources import kind_of  # noqa: PLC0415  as above

    kind = "shape" if file is None else kind_of(file)
    return {
        "name": name or ("ball" if file is None else _short_name(file)),
        "tier": tier or DEFAULT_TIERS[kind],
        "kind": kind,
        "sources": {} if file is None else hash_of_source(file),
    }


def _views(file: Path | None, diameter: float | None, settings: ViewSettings) -> Views:
    """Views of the particle in a file, or, without one, of a ball."""
    if file is None:
        from cryoscore_plugin.guidance.view_making import (  # noqa: PLC0415  brings torch
            view_of_ball,
        )

        return view_of_ball(diameter or 0.0, resolution=settings.resolution)
    from cryoscore_plugin.guidance.sources import read_views  # noqa: PLC0415  as above

    return read_views(file, settings)


def _warn_of_contrast(file: Path | None, *, invert: bool) -> None:
    advice = "leave out --invert" if invert else "give --invert if that is so"
    click.echo(
        f"Warning: in {file} the particle looks darker than what is around it, and "
        f"bright protein is expected. Look at it, and {advice}.",
        err=True,
    )


def _micrographs_of(words: Iterable[Path]) -> list[str]:
    """Names of all micrographs that the user means, in order."""
    return sorted(set[str]().union(*map(_named_by, words)))


def _named_by(path: Path) -> set[str]:
    """Names of the micrographs that a word of the user means, without ending.

    Raises
    ------
    InputError
        If it is neither a micrograph, nor a table or folder of them, nor a table of
        particles.
    """
    try:
        return {one.path.stem for one in find_micrographs([path])}
    except InputError:
        if not is_table(path):
            raise
        # Not at the top: torch comes with it.
        from cryoscore_plugin.evaluation.pick_tables import (  # noqa: PLC0415
            read_picks,
        )

        try:
            return set(read_picks([path]))
        except InputError as error:
            msg = (
                f"{path} should list the micrographs that the reference was made from, "
                f"or particles of them, but: {error}"
            )
            raise InputError(msg) from error


def _short_name(file: Path) -> str:
    """The name of a file without ending, as a label of an MRC file can hold it."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "-", file.name.split(".")[0])[:20]
