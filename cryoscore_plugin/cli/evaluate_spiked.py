"""`cryoscore evaluate spiked`: which added particles are found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.records import (
    MICROGRAPH,
    Row,
    checked_record,
    plot_option,
    print_table,
    record_option,
    write_record,
)
from cryoscore_plugin.cli.spiked_places import PLACES, image_of, read_places

if TYPE_CHECKING:
    from cryoscore_plugin.evaluation.pickers import Picks
    from cryoscore_plugin.evaluation.recall import Recall

POSITIVE = click.FloatRange(min=0, min_open=True)

KINDS = ("snr", "defocus", "view")
"""What recall is told by."""


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
@plot_option
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
    plot: Path | None,
) -> None:
    """Say how many of the particles that `spike-in` added are found in images.

    DIR is what `spike-in` made; each FOLDER holds its micrographs, denoised by
    something, or DIR/Micrographs as they are. On each image a blob picker (Laplacian of
    Gaussian) proposes particles; the best ones count, as many as were added to it and
    --others together. Recall is the part of the added particles among them, from `low`
    to `high` with 95 % confidence. Chance is the part of the places where nothing was
    added, and false discoveries the part of the recall that is chance.

    Recall is told by signal-to-noise ratio, by defocus (thirds of the micrographs, in
    µm), and by view: from the end of the particle's own axis, obliquely, or from the
    side. A denoiser that loses one kind of view is seen there.
    """
    from cryoscore_plugin.evaluation.spike_in import Place, found_places  # noqa: PLC0415

    known = read_places(spiked / PLACES)
    reach = diameter / 4 if max_distance is None else max_distance
    fates: list[Row] = []
    for folder in folders:
        for name, rows in known.items():
            picks, size = _picks(image_of(folder, name), diameter)
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
    recalls = recalls_of(fates)
    tell_recalls(recalls, record)
    if plot is not None:
        from cryoscore_plugin.report.recall_figure import write_recall  # noqa: PLC0415

        write_recall(plot, recalls)


def _picks(image: Path, diameter: float) -> tuple[Picks, float]:
    """Blobs of a diameter in Å, and the pixel size of the image in Å/px."""
    from cryoscore_plugin.evaluation.pickers import (  # noqa: PLC0415  brings scipy
        find_picks,
        laplacian_of_gaussian,
    )
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415  as above

    micrograph = read_micrograph(image)
    wide = diameter / micrograph.pixel_size
    response = laplacian_of_gaussian(micrograph.pixels, diameter=wide)
    picks = find_picks(response, min_distance=0.8 * wide, border=wide / 2)
    return picks, micrograph.pixel_size


def recalls_of(fates: Sequence[Row]) -> dict[str, list[Recall]]:
    """Recall of each folder, by kind of particle.

    Parameters
    ----------
    fates : Sequence[Row]
        A row for each place in each folder.
    """
    from cryoscore_plugin.evaluation.recall import Fate, recall_by_kind  # noqa: PLC0415

    found: dict[str, list[Fate]] = {}
    for row in fates:
        fate = Fate(
            micrograph=str(row[MICROGRAPH]),
            ratio=float(row["snr"]),
            defocus=float(row["defocus"]),
            view=float(row["view"]),
            found=bool(row["found"]),
        )
        found.setdefault(str(row["images"]), []).append(fate)
    return {images: recall_by_kind(own) for images, own in found.items()}


def tell_recalls(recalls: Mapping[str, Sequence[Recall]], record: Path | None) -> None:
    """Print a table for each of `KINDS`, and record all in one."""
    from cryoscore_plugin.evaluation.recall import ALL  # noqa: PLC0415

    rows: list[Row] = [
        {
            "images": images,
            **one.kind,
            "added": one.added,
            "recall": one.recall.share,
            "low": one.recall.low,
            "high": one.recall.high,
            "chance": one.chance,
            "false_discoveries": one.false_discoveries,
        }
        for images, found in recalls.items()
        for one in found
    ]
    for kind in KINDS:
        others = set(KINDS) - {kind}
        told = [row for row in rows if row[kind] != ALL]
        print_table([{k: x for k, x in row.items() if k not in others} for row in told])
        click.echo()
    write_record(rows, record)
