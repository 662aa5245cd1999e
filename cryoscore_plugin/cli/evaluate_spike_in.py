"""`cryoscore evaluate spike-in`: known particles in one's own micrographs.

Then any denoiser works on the result, and `cryoscore evaluate spiked` says how many of
the particles are found again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.particle_options import particle_options, read_particles
from cryoscore_plugin.cli.records import Row, write_record
from cryoscore_plugin.cli.spiked_places import IMAGES, PLACES, name_of, place_row
from cryoscore_plugin.constants import MICROMETRE
from cryoscore_plugin.files import make_new_folder

if TYPE_CHECKING:
    from cryoscore_plugin.micrograph import Micrograph

LABEL = "Particles added by cryoscore evaluate spike-in"

PATH = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command("spike-in", short_help="Add known particles to your own micrographs.")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=PATH)
@click.option(
    "--particle",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Atomic model (.pdb, .cif, also .gz, or .npz), or density map.",
)
@particle_options
@click.option("-o", "--output", required=True, metavar="DIR", type=PATH)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Particles in a micrograph, as far as there is room.",
)
@click.option(
    "--snr",
    "ratios",
    type=POSITIVE,
    multiple=True,
    default=(0.01, 0.02, 0.05),
    show_default=True,
    help="Variance of a particle's image over that of the pixels; may be repeated.",
)
@click.option(
    "--defocus",
    type=POSITIVE,
    default=1.5,
    show_default=True,
    help="In µm, for micrographs whose table has none.",
)
@click.option(
    "--pixel-size", type=POSITIVE, help="In Å/px. Default: from the header or table."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Another number gives other places and orientations.",
)
@verbose_option
def spike_in(  # noqa: PLR0913  one argument for each option
    *,
    inputs: tuple[Path, ...],
    particle: Path,
    about_particle: dict[str, object],
    output: Path,
    count: int,
    ratios: tuple[float, ...],
    defocus: float,
    pixel_size: float | None,
    seed: int,
) -> None:
    """Add views of a known particle to micrographs, and write where.

    Denoise DIR/Micrographs with whatever you want to compare, and let `cryoscore
    evaluate spiked` say how many of the added particles are found on each result.
    """
    # Not at the top: they need torch, and `cryoscore --help` answers at once.
    import numpy as np  # noqa: PLC0415

    from cryoscore_plugin.batch.inputs import find_micrographs  # noqa: PLC0415
    from cryoscore_plugin.batch.plan import plan_outputs  # noqa: PLC0415
    from cryoscore_plugin.evaluation.spike_in import spike  # noqa: PLC0415
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415
    from cryoscore_plugin.optics import Optics  # noqa: PLC0415

    [model] = read_particles([particle], about_particle)
    found = find_micrographs(inputs, output=output)
    tasks = plan_outputs(found, output / IMAGES)
    make_new_folder(output)
    assumed = Optics(defocus_u=defocus * MICROMETRE, defocus_v=defocus * MICROMETRE)
    rows: list[Row] = []
    for number, (one, task) in enumerate(zip(found, tasks, strict=True)):
        micrograph = read_micrograph(one.path, pixel_size=pixel_size or one.pixel_size)
        optics, rng = one.optics or assumed, np.random.default_rng([seed, number])
        result, places = spike(
            micrograph, model, optics, count=count, ratios=ratios, rng=rng
        )
        _write(task.output, result)
        name = name_of(task.output, output / IMAGES)
        rows += [place_row(name, place, optics) for place in places]
        added = sum(place.ratio > 0 for place in places)
        click.echo(f"{number + 1}/{len(found)}  {task.output.name}: {added} added")
    write_record(rows, output / PLACES)
    click.echo(_advice(output, model.diameter))


def _advice(output: Path, diameter: float) -> str:
    """What to do next; the diameter of the particle is in Å."""
    return (
        f"Denoise {output / IMAGES}, then type: cryoscore evaluate spiked {output} "
        f"{output / IMAGES} FOLDER-OF-RESULTS --diameter {diameter:.0f}"
    )


def _write(path: Path, micrograph: Micrograph) -> None:
    """Write a micrograph with particles, into a sub-folder that may be new."""
    from cryoscore_plugin.mrc import write_micrograph  # noqa: PLC0415  as above

    path.parent.mkdir(parents=True, exist_ok=True)
    write_micrograph(path, micrograph, labels=[LABEL])
