"""`cryoscore simulate`: micrographs of known truth, from atomic models and maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.particle_options import particle_options, read_particles
from cryoscore_plugin.cli.simulate_options import Choices, simulate_options
from cryoscore_plugin.constants import MICROMETRE

if TYPE_CHECKING:
    from cryoscore_plugin.simulation.dataset import DatasetSettings

VIEWS = 200
"""Orientations in a micrograph: about as many as it has particles."""


@click.command(short_help="Make micrographs of known truth from models or maps.")
@click.argument(
    "models",
    metavar="MODEL...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@particle_options
@simulate_options
@verbose_option
def simulate(
    *, models: tuple[Path, ...], about_particle: dict[str, object], choices: Choices
) -> None:
    """Simulate micrographs, and write the truth about them.

    MODEL is an atomic model (.pdb, .cif, also .gz, or .npz) or a density map (.mrc,
    .map, also .gz), which needs --mass or --threshold; each micrograph shows one of
    them. DIR can be used as a RELION project: micrographs.star has the defocus of each
    micrograph, Truth/particles.star the place and the angles of each particle, and
    Truth/ an image of what the particles alone contribute.
    """
    # Not at the top: it needs torch, and `cryoscore --help` answers at once.
    from cryoscore_plugin.simulation.dataset import (  # noqa: PLC0415
        TABLE,
        TRUTH,
        write_dataset,
    )

    output, settings = choices.output, _settings(choices)
    particles = read_particles(models, about_particle)
    for done, name in enumerate(write_dataset(output, particles, settings), start=1):
        click.echo(f"{done}/{settings.count}  {name}.mrc")
    click.echo(
        f"The truth is in {output / TRUTH}. Denoise them with: cryoscore denoise "
        f"{output / TABLE} --output denoised/"
    )


def _settings(choices: Choices) -> DatasetSettings:
    """What to make, in the units of the simulation.

    Raises
    ------
    InputError
        If the table of the modulation transfer cannot be used.
    """
    from cryoscore_plugin.simulation.dataset import (  # noqa: PLC0415  brings torch
        DatasetSettings,
    )
    from cryoscore_plugin.simulation.detector import (  # noqa: PLC0415
        read_modulation_transfer,
    )
    from cryoscore_plugin.simulation.micrographs import (  # noqa: PLC0415
        Exposure,
        SceneSettings,
    )

    mtf, defocus = choices.mtf, sorted(choices.defocus)
    return DatasetSettings(
        count=choices.count,
        exposure=Exposure(
            shape=(choices.size, choices.size),
            pixel_size=choices.pixel_size,
            dose=choices.dose,
            detector=None if mtf is None else read_modulation_transfer(mtf),
        ),
        scene=SceneSettings(
            occupancy=choices.occupancy,
            separation=choices.separation,
            background=choices.background,
            parts=choices.parts or None,
            preferred=choices.preferred,
            views=VIEWS,
        ),
        defocus=(defocus[0] * MICROMETRE, defocus[1] * MICROMETRE),
        voltage=choices.voltage,
        astigmatism=choices.astigmatism * MICROMETRE,
        phase_shift=choices.phase_shift,
        b_factor=choices.b_factor,
        halves=choices.halves,
        seed=choices.seed,
    )
