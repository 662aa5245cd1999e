"""`cryoscore evaluate spike-in` and `spiked`: known particles in one's own micrographs.

The first adds particles; then any denoiser works on the result; the second says how
many of them are found again, and writes which.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.particle_options import particle_options
from cryoscore_plugin.cli.records import (
    MICROGRAPH,
    Row,
    checked_record,
    print_table,
    record_option,
    write_record,
)
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import make_new_folder

if TYPE_CHECKING:
    from cryoscore_plugin.evaluation.spike_in import Place
    from cryoscore_plugin.optics import Optics

IMAGES, PLACES = "Micrographs", "places.csv"
"""What the output folder holds: micrographs with particles, and where they are."""

MICROMETRE = 1e4
"""In Å."""

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
    from cryoscore_plugin.density.particle import (  # noqa: PLC0415
        ParticleSettings,
        read_particle,
    )
    from cryoscore_plugin.evaluation.spike_in import spike  # noqa: PLC0415
    from cryoscore_plugin.mrc import read_micrograph, write_micrograph  # noqa: PLC0415
    from cryoscore_plugin.optics import Optics  # noqa: PLC0415

    about = ParticleSettings.model_validate(about_particle)
    model = read_particle(particle, about)
    found = find_micrographs(inputs, output=output)
    tasks = plan_outputs(found, output / IMAGES)
    make_new_folder(output)
    assumed = Optics(defocus_u=defocus * MICROMETRE, defocus_v=defocus * MICROMETRE)
    rows: list[Row] = []
    for number, (one, task) in enumerate(zip(found, tasks, strict=True)):
        size = pixel_size if pixel_size is not None else one.pixel_size
        micrograph = read_micrograph(one.path, pixel_size=size)
        optics = one.optics or assumed
        result, places = spike(
            micrograph,
            model,
            optics,
            count=count,
            ratios=ratios,
            rng=np.random.default_rng([seed, number]),
        )
        task.output.parent.mkdir(parents=True, exist_ok=True)
        write_micrograph(task.output, result, labels=[LABEL])
        # With its sub-folders: two days may have micrographs of one name.
        name = str(task.output.relative_to(output / IMAGES).with_suffix(""))
        rows += [_row(name, place, optics) for place in places]
        added = sum(place.ratio > 0 for place in places)
        click.echo(f"{number + 1}/{len(found)}  {task.output.name}: {added} added")
    write_record(rows, output / PLACES)
    click.echo(
        f"Denoise {output / IMAGES}, then type: cryoscore evaluate spiked {output} "
        f"{output / IMAGES} FOLDER-OF-RESULTS --diameter {model.diameter:.0f}"
    )


@click.command(short_help="Say how many added particles are found after denoising.")
@click.argument(
    "spiked",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@click.argument(
    "folders",
    metavar="FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@click.option(
    "--diameter", required=True, type=POSITIVE, help="Of the added particle, in Å."
)
@click.option(
    "--others",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Particles that a micrograph had before, about.",
)
@click.option(
    "--max-distance",
    type=POSITIVE,
    default=None,
    help="Largest distance of a match, in Å. Default: a quarter of the diameter.",
)
@click.option(
    "--places",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=checked_record,
    help="File for what became of each added particle, .csv or .json.",
)
@record_option
@verbose_option
def spiked(  # noqa: PLR0913  one argument for each option
    *,
    spiked: Path,
    folders: tuple[Path, ...],
    diameter: float,
    others: int,
    max_distance: float | None,
    places: Path | None,
    record: Path | None,
) -> None:
    """Say how many of the particles that `spike-in` added are found in images.

    DIR is what `spike-in` made; each FOLDER holds its micrographs, denoised by
    something, or DIR/Micrographs as they are. On each image a blob picker (Laplacian of
    Gaussian) proposes particles; the best ones count, as many as were added to it and
    --others together. Recall is the part of the added particles among them. Chance is
    the part of the places where nothing was added.
    """
    from cryoscore_plugin.evaluation.pickers import (  # noqa: PLC0415
        find_picks,
        laplacian_of_gaussian,
    )
    from cryoscore_plugin.evaluation.spike_in import Place, found_places  # noqa: PLC0415
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415

    known = _read_places(spiked / PLACES)
    reach = diameter / 4 if max_distance is None else max_distance
    fates: list[Row] = []
    for folder in folders:
        for name, rows in known.items():
            image = read_micrograph(_image(folder, name))
            size = image.pixel_size
            response = laplacian_of_gaussian(image.pixels, diameter=diameter / size)
            picks = find_picks(
                response, min_distance=0.8 * diameter / size, border=diameter / 2 / size
            )
            where = [Place(y=row["y"], x=row["x"], ratio=row["snr"]) for row in rows]
            added = sum(place.ratio > 0 for place in where)
            met = found_places(
                picks, where, most=added + others, max_distance=reach / size
            )
            fates += [
                {"images": str(folder), MICROGRAPH: name, **row, "found": int(hit)}
                for row, hit in zip(rows, met, strict=True)
            ]
    write_record(fates, places)
    summary = _summary(fates)
    print_table(summary)
    write_record(summary, record)


def _row(micrograph: str, place: Place, optics: Optics) -> Row:
    """A line of the table of places."""
    rot, tilt, psi = place.angles
    return {
        MICROGRAPH: micrograph,
        "x": place.x,
        "y": place.y,
        "snr": place.ratio,
        "rot": rot,
        "tilt": tilt,
        "psi": psi,
        "defocus": optics.defocus_u,
    }


def _read_places(path: Path) -> dict[str, list[dict[str, float]]]:
    """The table of places, by micrograph.

    Raises
    ------
    InputError
        If it is not there or is something else.
    """
    places: dict[str, list[dict[str, float]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = row.pop(MICROGRAPH)
                numbers = {key: float(value) for key, value in row.items()}
                places.setdefault(name, []).append(numbers)
    except (OSError, KeyError, ValueError, TypeError) as error:
        msg = (
            f"{path.parent} should be a folder that `cryoscore evaluate spike-in` made, "
            f"but its {path.name} cannot be read: {error}."
        )
        raise InputError(msg) from error
    return places


def _image(folder: Path, name: str) -> Path:
    """The image of a micrograph in a folder of results."""
    for suffix in (".mrc", ".tif", ".tiff"):
        if (folder / f"{name}{suffix}").exists():
            return folder / f"{name}{suffix}"
    msg = f"{folder} should hold {name}.mrc, but does not. Denoise all micrographs."
    raise InputError(msg)


def _summary(fates: Sequence[Row]) -> list[Row]:
    """Recall by folder and signal-to-noise ratio."""
    rows: list[Row] = []
    for images in dict.fromkeys(fate["images"] for fate in fates):
        own = [fate for fate in fates if fate["images"] == images]
        chance = _share(fate for fate in own if fate["snr"] == 0)
        for ratio in sorted({fate["snr"] for fate in own} - {0}):
            added = [fate for fate in own if fate["snr"] == ratio]
            rows.append(
                {
                    "images": images,
                    "snr": ratio,
                    "added": len(added),
                    "recall": _share(added),
                    "chance": chance,
                }
            )
    return rows


def _share(fates: Iterable[Row]) -> float:
    """Part of the places that were found; NaN of none."""
    found = [float(fate["found"]) for fate in fates]
    return sum(found) / len(found) if found else math.nan
