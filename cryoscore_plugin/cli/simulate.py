"""`cryoscore simulate`: micrographs of known truth, from atomic models and maps."""

from __future__ import annotations

from pathlib import Path

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.particle_options import particle_options
from cryoscore_plugin.constants import MICROMETRE

VIEWS = 200
"""Orientations in a micrograph: about as many as it has particles."""

POSITIVE = click.FloatRange(min=0, min_open=True)

PARTS = ("ice_thickness", "ice_texture", "carbon_film", "contamination", "debris")
"""Of the background; debris is fragments and aggregates."""


@click.command(short_help="Make micrographs of known truth from models or maps.")
@click.argument(
    "models",
    metavar="MODEL...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@particle_options
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="New or empty folder.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of micrographs.",
)
@click.option(
    "--size",
    type=click.IntRange(min=128),
    default=1024,
    show_default=True,
    help="Side of a micrograph in px.",
)
@click.option(
    "--pixel-size", type=POSITIVE, default=1.5, show_default=True, help="In Å/px."
)
@click.option("--dose", type=POSITIVE, default=40.0, show_default=True, help="In e/Å².")
@click.option(
    "--defocus",
    type=(POSITIVE, POSITIVE),
    default=(0.8, 2.5),
    show_default=True,
    help="Smallest and largest defocus in µm.",
)
@click.option(
    "--voltage", type=POSITIVE, default=300.0, show_default=True, help="In kV."
)
@click.option(
    "--astigmatism",
    type=click.FloatRange(min=0),
    default=0.02,
    show_default=True,
    help="Mean difference of the two defoci in µm.",
)
@click.option(
    "--phase-shift",
    type=click.FloatRange(min=0, max=180),
    default=0.0,
    show_default=True,
    help="Of a phase plate, in degrees.",
)
@click.option(
    "--b-factor",
    type=click.FloatRange(min=0),
    default=80.0,
    show_default=True,
    help="Of the envelope, in Å².",
)
@click.option(
    "--occupancy",
    type=click.FloatRange(min=0, max=0.6),
    default=0.25,
    show_default=True,
    help="Part of the area that particles cover.",
)
@click.option(
    "--separation",
    type=POSITIVE,
    default=1.05,
    show_default=True,
    help="Smallest distance of neighbours in diameters; below 1 they may overlap.",
)
@click.option(
    "--background",
    type=click.FloatRange(min=0),
    default=0.4,
    show_default=True,
    help="Strength of carbon, ice, contamination and debris; 0 for none, 1 for ugly.",
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="Part of the background that each micrograph has; may be repeated. Default: "
    "each part now and then.",
)
@click.option(
    "--preferred",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    help="Part of the particles whose z axis lies near the beam.",
)
@click.option(
    "--mtf",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Modulation transfer of the detector, a STAR file as RELION takes it.",
)
@click.option(
    "--halves/--no-halves",
    default=False,
    show_default=True,
    help="Also write each micrograph in two halves with independent noise.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Another number gives other micrographs.",
)
@verbose_option
def simulate(  # noqa: PLR0913  one argument for each option
    *,
    models: tuple[Path, ...],
    about_particle: dict[str, object],
    output: Path,
    count: int,
    size: int,
    pixel_size: float,
    dose: float,
    defocus: tuple[float, float],
    voltage: float,
    astigmatism: float,
    phase_shift: float,
    b_factor: float,
    occupancy: float,
    separation: float,
    background: float,
    parts: tuple[str, ...],
    preferred: float,
    mtf: Path | None,
    halves: bool,
    seed: int,
) -> None:
    """Simulate micrographs, and write the truth about them.

    MODEL is an atomic model (.pdb, .cif, also .gz, or .npz) or a density map (.mrc,
    .map, also .gz), which needs --mass or --threshold; each micrograph shows one of
    them. DIR can be used as a RELION project: micrographs.star has the defocus of each
    micrograph, Truth/particles.star the place and the angles of each particle, and
    Truth/ an image of what the particles alone contribute.
    """
    # Not at the top: they need torch, and `cryoscore --help` answers at once.
    from cryoscore_plugin.density.particle import (  # noqa: PLC0415
        ParticleSettings,
        read_particle,
    )
    from cryoscore_plugin.simulation.dataset import (  # noqa: PLC0415
        TABLE,
        TRUTH,
        DatasetSettings,
        write_dataset,
    )
    from cryoscore_plugin.simulation.detector import (  # noqa: PLC0415
        read_modulation_transfer,
    )
    from cryoscore_plugin.simulation.micrographs import (  # noqa: PLC0415
        Exposure,
        SceneSettings,
    )

    settings = DatasetSettings(
        count=count,
        exposure=Exposure(
            shape=(size, size),
            pixel_size=pixel_size,
            dose=dose,
            detector=None if mtf is None else read_modulation_transfer(mtf),
        ),
        scene=SceneSettings(
            occupancy=occupancy,
            separation=separation,
            background=background,
            parts=parts or None,
            preferred=preferred,
            views=VIEWS,
        ),
        defocus=(min(defocus) * MICROMETRE, max(defocus) * MICROMETRE),
        voltage=voltage,
        astigmatism=astigmatism * MICROMETRE,
        phase_shift=phase_shift,
        b_factor=b_factor,
        halves=halves,
        seed=seed,
    )
    about = ParticleSettings.model_validate(about_particle)
    particles = [read_particle(path, about) for path in models]
    for done, name in enumerate(write_dataset(output, particles, settings), start=1):
        click.echo(f"{done}/{count}  {name}.mrc")
    click.echo(
        f"The truth is in {output / TRUTH}. Denoise them with: cryoscore denoise "
        f"{output / TABLE} --output denoised/"
    )
