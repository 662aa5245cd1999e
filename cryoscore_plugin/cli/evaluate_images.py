"""`cryoscore evaluate denoising`: likeness to the truth, or to an independent half."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.records import (
    MICROGRAPH,
    Row,
    plot_option,
    print_table,
    record_option,
    with_mean,
    write_record,
)
from cryoscore_plugin.errors import InputError

if TYPE_CHECKING:
    from cryoscore_plugin.arrays import Image
    from cryoscore_plugin.evaluation.likeness import Likeness
    from cryoscore_plugin.micrograph import Micrograph
    from cryoscore_plugin.report.denoising_figure import Series

PATH = click.Path(path_type=Path, exists=True)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
Given = TypeVar("Given")
"""The value of an option."""


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="DENOISED...", type=PATH)
@click.option(
    "--truth",
    type=FOLDER,
    multiple=True,
    help="Folder of true images of the same names.",
)
@click.option(
    "--other-half",
    type=FOLDER,
    multiple=True,
    help="Folder of raw images of the same names, with independent noise.",
)
@click.option(
    "--raw",
    type=FOLDER,
    multiple=True,
    help="Folder of what was denoised, for the residual.",
)
@click.option("--name", "names", multiple=True, help="What a folder is called.")
@click.option(
    "--dose",
    "doses",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    help="In e/Å², of the images of a folder.",
)
@record_option
@plot_option
@verbose_option
def denoising(  # noqa: PLR0913  one argument for each option
    *,
    images: tuple[Path, ...],
    truth: tuple[Path, ...],
    other_half: tuple[Path, ...],
    raw: tuple[Path, ...],
    names: tuple[str, ...],
    doses: tuple[float, ...],
    record: Path | None,
    plot: Path | None,
) -> None:
    """Likeness of denoised images to the truth, or to an independent half.

    With --truth: correlation, signal-to-noise ratio and slope of the truth on the image
    (1 is calibrated) from 1/250 to 1/10 1/Å, and in three parts of that band. With
    --other-half, one half denoised against the other half as it is: their mean squared
    difference (of two denoisers the better one has less) and their correlation. With
    --raw: how white the residual is (1 is white).

    Images of several folders, methods or doses, are told one after the other, and drawn
    together. Give --truth, --other-half, --raw, --name and --dose once for all of
    them, or once for each, in their order.
    """
    if not (truth or other_half or raw):
        msg = "Nothing to compare with. Give --truth, --other-half or --raw."
        raise click.UsageError(msg)
    groups = _images(images)
    others = [
        _for_each(truth, groups, "--truth"),
        _for_each(other_half, groups, "--other-half"),
        _for_each(raw, groups, "--raw"),
    ]
    called = _for_each(names, groups, "--name")
    exposed = _for_each(doses, groups, "--dose")
    from cryoscore_plugin.report.denoising_figure import (  # noqa: PLC0415
        Series,
        write_denoising,
    )

    series, rows = [], []
    for number, (folder, files) in enumerate(groups.items()):
        one = Series(
            name=called[number] or str(folder),
            dose=exposed[number],
            images=_measured(files, [folders[number] for folders in others]),
        )
        series.append(one)
        rows += _told(one, files, alone=len(groups) == 1)
    write_record(rows, record)
    if plot is not None:
        write_denoising(plot, series)


def _measured(files: Sequence[Path], others: Sequence[Path | None]) -> list[Likeness]:
    """All figures of images, compared with those of the same names in other folders."""
    from cryoscore_plugin.evaluation.likeness import likeness  # noqa: PLC0415
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415

    found = []
    for path in files:
        image = read_micrograph(path)
        truth, half, raw = (
            None if folder is None else _read_like(folder / path.name, image)
            for folder in others
        )
        found.append(
            likeness(
                image.pixels,
                pixel_size=image.pixel_size,
                truth=truth,
                half=half,
                raw=raw,
            )
        )
    return found


def _told(series: Series, files: Sequence[Path], *, alone: bool) -> list[Row]:
    """Print the figures of micrographs and the mean by band; the rows for the record."""
    from cryoscore_plugin.evaluation.likeness import by_band, whole_band  # noqa: PLC0415

    if not alone:
        click.echo(f"{series.label}:")
    about: Row = {} if alone else {"images": series.name}
    if series.dose is not None:
        about["dose"] = series.dose
    named = [
        (path.stem, image.figures)
        for path, image in zip(files, series.images, strict=True)
    ]
    whole: list[Row] = [{MICROGRAPH: name, **whole_band(x)} for name, x in named]
    print_table(with_mean(whole))
    click.echo()
    *_, mean = with_mean([{MICROGRAPH: name, **x} for name, x in named])
    parts = by_band({name: x for name, x in mean.items() if isinstance(x, float)})
    if parts:
        print_table([{"mean": band, **own} for band, own in parts.items()])
        click.echo()
    return [{**about, MICROGRAPH: name, **x} for name, x in named]


def _for_each(
    values: Sequence[Given], groups: Sized, option: str
) -> list[Given | None]:
    """An option that was given once for all folders of images, or once for each."""
    count = len(groups)
    if len(values) == count:
        return list(values)
    if len(values) <= 1:
        return [*values, None][:1] * count
    msg = (
        f"{option} should be given once for all {count} folders of images, or once for "
        f"each, but is given {len(values)} times."
    )
    raise click.UsageError(msg)


def _images(given: Sequence[Path]) -> dict[Path, list[Path]]:
    """Image files, and those directly in folders, by their folder."""
    from cryoscore_plugin.batch.inputs import is_micrograph  # noqa: PLC0415

    found: dict[Path, list[Path]] = {}
    for path in given:
        inside = (
            sorted(filter(is_micrograph, path.iterdir())) if path.is_dir() else [path]
        )
        found.setdefault(path if path.is_dir() else path.parent, []).extend(inside)
    for folder, files in found.items():
        if not files:
            msg = f"No images in {folder}. Give MRC or TIFF files."
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
