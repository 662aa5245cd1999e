"""`cryoscore evaluate denoising`: likeness to the truth, or to an independent half."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.records import MICROGRAPH, Row, record_option, tell_figures
from cryoscore_plugin.errors import InputError

if TYPE_CHECKING:
    from cryoscore_plugin.arrays import Image
    from cryoscore_plugin.micrograph import Micrograph

PATH = click.Path(path_type=Path, exists=True)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="DENOISED...", type=PATH)
@click.option("--truth", type=FOLDER, help="Folder of true images of the same names.")
@click.option(
    "--other-half",
    type=FOLDER,
    help="Folder of raw images of the same names, with independent noise.",
)
@click.option(
    "--raw", type=FOLDER, help="Folder of what was denoised, for the residual."
)
@record_option
@verbose_option
def denoising(
    *,
    images: tuple[Path, ...],
    truth: Path | None,
    other_half: Path | None,
    raw: Path | None,
    record: Path | None,
) -> None:
    """Likeness of denoised images to the truth, or to an independent half.

    With --truth: correlation, signal-to-noise ratio and slope of the truth on the image
    (1 is calibrated) from 1/250 to 1/10 1/Å, and the correlation in three parts of that
    band. With --other-half, one half denoised against the other half as it is: their
    mean squared difference (of two denoisers the better one has less) and their
    correlation. With --raw: how white the residual is (1 is white).
    """
    if truth is other_half is raw is None:
        msg = "Nothing to compare with. Give --truth, --other-half or --raw."
        raise click.UsageError(msg)
    from cryoscore_plugin.evaluation.likeness import (  # noqa: PLC0415
        figures_with_half,
        figures_with_raw,
        figures_with_truth,
    )
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415

    ways = {
        truth: figures_with_truth,
        other_half: figures_with_half,
        raw: figures_with_raw,
    }
    rows = []
    for path in _images(images):
        image = read_micrograph(path)
        row: Row = {MICROGRAPH: path.stem}
        for folder, figures in ways.items():
            if folder is not None:
                other = _read_like(folder / path.name, image)
                row |= figures(image.pixels, other, pixel_size=image.pixel_size)
        rows.append(row)
    tell_figures(rows, record)


def _images(given: Sequence[Path]) -> list[Path]:
    """Image files, and those directly in folders."""
    from cryoscore_plugin.batch.inputs import is_micrograph  # noqa: PLC0415

    found = []
    for path in given:
        found += (
            sorted(filter(is_micrograph, path.iterdir())) if path.is_dir() else [path]
        )
    if not found:
        msg = f"No images in {', '.join(map(str, given))}. Give MRC or TIFF files."
        raise InputError(msg)
    return found


def _read_like(path: Path, image: Micrograph) -> Image:
    """Pixels of the image that another one is compared with.

    Raises
    ------
    InputError
        If its size is another.
    """
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415

    pixels = read_micrograph(path, pixel_size=image.pixel_size).pixels
    if pixels.shape != image.pixels.shape:
        sizes = ["{1} x {0} px".format(*x.shape) for x in (pixels, image.pixels)]
        msg = f"{path} has {sizes[0]}, but {image.source} has {sizes[1]}. Compare like with like."
        raise InputError(msg)
    return pixels
