"""The options of `cryoscore simulate` that say what is made, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from cryoscore_plugin.cli.options import gathered_options

POSITIVE = click.FloatRange(min=0, min_open=True)

PARTS = ("ice_thickness", "ice_texture", "carbon_film", "contamination", "debris")
"""Of the background; debris is fragments and aggregates."""

_OPTIONS = (
    click.option(
        "-o",
        "--output",
        metavar="DIR",
        required=True,
        type=click.Path(path_type=Path),
        help="New or empty folder.",
    ),
    click.option(
        "--count",
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        help="Number of micrographs.",
    ),
    click.option(
        "--size",
        type=click.IntRange(min=128),
        default=1024,
        show_default=True,
        help="Side of a micrograph in px.",
    ),
    click.option(
        "--pixel-size", type=POSITIVE, default=1.5, show_default=True, help="In Å/px."
    ),
    click.option(
        "--dose", type=POSITIVE, default=40.0, show_default=True, help="In e/Å²."
    ),
    click.option(
        "--defocus",
        type=(POSITIVE, POSITIVE),
        default=(0.8, 2.5),
        show_default=True,
        help="Smallest and largest defocus in µm.",
    ),
    click.option(
        "--voltage", type=POSITIVE, default=300.0, show_default=True, help="In kV."
    ),
    click.option(
        "--astigmatism",
        type=click.FloatRange(min=0),
        default=0.02,
        show_default=True,
        help="Mean difference of the two defoci in µm.",
    ),
    click.option(
        "--phase-shift",
        type=click.FloatRange(min=0, max=180),
        default=0.0,
        show_default=True,
        help="Of a phase plate, in degrees.",
    ),
    click.option(
        "--b-factor",
        type=click.FloatRange(min=0),
        default=80.0,
        show_default=True,
        help="Of the envelope, in Å².",
    ),
    click.option(
        "--occupancy",
        type=click.FloatRange(min=0, max=0.6),
        default=0.25,
        show_default=True,
        help="Part of the area that particles cover.",
    ),
    click.option(
        "--separation",
        type=POSITIVE,
        default=1.05,
        show_default=True,
        help="Smallest distance of neighbours in diameters; below 1 they may overlap.",
    ),
    click.option(
        "--background",
        type=click.FloatRange(min=0),
        default=0.4,
        show_default=True,
        help="Strength of carbon, ice, contamination and debris; 0 for none, 1 for ugly.",
    ),
    click.option(
        "--part",
        "parts",
        type=click.Choice(PARTS),
        multiple=True,
        help="Part of the background that each micrograph has; may be repeated. Default: "
        "each part now and then.",
    ),
    click.option(
        "--preferred",
        type=click.FloatRange(min=0, max=1),
        default=0.0,
        show_default=True,
        help="Part of the particles whose z axis lies near the beam.",
    ),
    click.option(
        "--mtf",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Modulation transfer of the detector, a STAR file as RELION takes it.",
    ),
    click.option(
        "--halves/--no-halves",
        default=False,
        show_default=True,
        help="Also write each micrograph in two halves with independent noise.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        help="Another number gives other micrographs.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The options of the command, as click gives them, by name."""

    output: Path
    count: int
    size: int
    pixel_size: float
    dose: float
    defocus: tuple[float, float]
    voltage: float
    astigmatism: float
    phase_shift: float
    b_factor: float
    occupancy: float
    separation: float
    background: float
    parts: tuple[str, ...]
    preferred: float
    mtf: Path | None
    halves: bool
    seed: int


simulate_options = gathered_options(Choices, _OPTIONS)
"""Add the options; the function of the command takes them as `choices`."""
