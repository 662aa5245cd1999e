"""`cryoscore evaluate`: picks, denoised images and maps in numbers, and comparisons.

Each sub-command prints a table, a line for each micrograph and the mean last, and writes
it with `--record` as CSV or JSON; `compare` reads such CSV files again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.cli.evaluate_compare import compare
from cryoscore_plugin.cli.evaluate_images import denoising
from cryoscore_plugin.cli.evaluate_spike_in import spike_in
from cryoscore_plugin.cli.evaluate_spiked import spiked
from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.records import (
    MICROGRAPH,
    Row,
    plot_option,
    record_option,
    tell_figures,
    write_record,
)
from cryoscore_plugin.errors import InputError

if TYPE_CHECKING:
    from cryoscore_plugin.arrays import Volume
    from cryoscore_plugin.evaluation.picking import PickQuality
    from cryoscore_plugin.evaluation.resolution import ShellCorrelation

PATH = click.Path(path_type=Path, exists=True)

SAME_SAMPLING = 0.005
"""Voxel sizes that differ by less, relatively, are one that was rounded."""


@click.group(short_help="Judge picks, denoised images and maps; compare methods.")
def evaluate() -> None:
    """Judge picks, denoised images and maps in numbers, and compare methods."""


evaluate.add_command(denoising)
evaluate.add_command(compare)
evaluate.add_command(spike_in)
evaluate.add_command(spiked)


@evaluate.command()
@click.argument("picks", nargs=-1, required=True, metavar="PICKS...", type=PATH)
@click.option(
    "--truth",
    required=True,
    multiple=True,
    type=PATH,
    help="Files or folders of the true positions.",
)
@click.option(
    "--diameter",
    required=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Diameter of the particle, in px of the picked micrographs.",
)
@click.option(
    "--max-distance",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Largest distance of a match, in px. Default: a quarter of the diameter.",
)
@click.option(
    "--threshold",
    type=float,
    default=None,
    help="Also F1 of the picks that score at least this.",
)
@record_option
@plot_option
@verbose_option
def picks(  # noqa: PLR0913  one argument for each option
    *,
    picks: tuple[Path, ...],
    truth: tuple[Path, ...],
    diameter: float,
    max_distance: float | None,
    threshold: float | None,
    record: Path | None,
    plot: Path | None,
) -> None:
    """Precision and recall of picks, micrograph by micrograph.

    PICKS are files (.star, .csv, .box, or .txt of Topaz) or folders of them, in px.
    A pick is right if it is matched to a true particle; matches are one to one, as many
    as possible within the largest distance. Average precision is the area under the
    curve of precision over recall; F1 is their harmonic mean, and the best over all
    thresholds is given. Truth of micrographs without picks counts as missed.
    """
    # Not at the top: scipy takes a moment, and `cryoscore --help` answers at once.
    from cryoscore_plugin.evaluation.pick_tables import NO_PICKS, read_picks  # noqa: PLC0415
    from cryoscore_plugin.evaluation.picking import f1_above, pick_quality  # noqa: PLC0415

    proposed, true = read_picks(picks), read_picks(truth)
    _refuse_other_micrographs(proposed, true)
    reach = diameter / 4 if max_distance is None else max_distance
    rows: list[Row] = []
    qualities: dict[str, PickQuality] = {}
    for key, known in sorted(true.items()):
        found = proposed.get(key, NO_PICKS)
        quality = pick_quality(found, known.centers_yx, max_distance=reach)
        qualities[key] = quality
        row: Row = {
            MICROGRAPH: key,
            "picks": len(found),
            "particles": len(known),
            "average_precision": quality.average_precision,
            "best_f1": quality.best_f1,
        }
        if threshold is not None:
            row["f1"] = f1_above(
                found, known.centers_yx, max_distance=reach, threshold=threshold
            )
        rows.append(row)
    if plot is not None:
        _plot_precision(qualities, plot)
    tell_figures(rows, record)


@evaluate.command()
@click.argument("half1", type=PATH)
@click.argument("half2", type=PATH)
@click.option("--mask", type=PATH, help="Map from 0 to 1 with a soft edge.")
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, max=1),
    default=0.143,
    show_default=True,
    help="0.143 for two half maps, 0.5 for a map and the truth.",
)
@record_option
@plot_option
@verbose_option
def fsc(
    *,
    half1: Path,
    half2: Path,
    mask: Path | None,
    threshold: float,
    record: Path | None,
    plot: Path | None,
) -> None:
    """Fourier shell correlation of two maps, and where it falls below a threshold."""
    from cryoscore_plugin.evaluation.resolution import (  # noqa: PLC0415
        fourier_shell_correlation,
    )

    (first, second, *masks), size = _maps_of_one_size(
        [path for path in (half1, half2, mask) if path is not None]
    )
    curve = fourier_shell_correlation(
        first, second, voxel_size=size, mask=masks[0] if masks else None
    )
    rows: list[Row] = [
        {"frequency": float(k), "correlation": float(value)}
        for k, value in zip(curve.frequency, curve.correlation, strict=True)
    ]
    write_record(rows, record)
    if plot is not None:
        _plot_shells(curve, threshold, plot)
    click.echo(
        f"Resolution {curve.resolution(threshold):.2f} Å, where the Fourier shell "
        f"correlation first falls below {threshold:g}."
    )


def _refuse_other_micrographs(picks: Collection[str], truth: Collection[str]) -> None:
    """Refuse picks and a truth that are of different micrographs.

    Raises
    ------
    InputError
        If no micrograph has both.
    """
    if not set(picks) & set(truth):
        msg = (
            f"The picks are of {_some(picks)}, but the truth is of {_some(truth)}. "
            "Name files after their micrographs, or give the truth of these."
        )
        raise InputError(msg)


def _maps_of_one_size(paths: Sequence[Path]) -> tuple[list[Volume], float]:
    """Maps, and the voxel size of the first in Å.

    Raises
    ------
    InputError
        If one cannot be read, is an image, or has another size or sampling than the
        first.
    """
    from cryoscore_plugin.mrc import read_volume  # noqa: PLC0415  as above

    volumes = [read_volume(path) for path in paths]
    first, voxel_size = volumes[0]
    for path, (volume, side) in zip(paths, volumes, strict=True):
        if len(volume) == 1:
            msg = f"{path} should be a map, but is a single image. Give half maps."
            raise InputError(msg)
        if volume.shape != first.shape:
            sizes = ["x".join(map(str, x.shape)) for x in (volume, first)]
            msg = (
                f"{path} has {sizes[0]} voxels, but {paths[0]} has {sizes[1]}. Crop or "
                "pad them to one box."
            )
            raise InputError(msg)
        if not math.isclose(side, voxel_size, rel_tol=SAME_SAMPLING):
            msg = (
                f"{path} has voxels of {side:g} Å, but {paths[0]} of {voxel_size:g} Å. "
                "Bring them to one sampling, or correct the header that is wrong."
            )
            raise InputError(msg)
    return [volume for volume, _ in volumes], voxel_size


def _plot_precision(qualities: Mapping[str, PickQuality], path: Path) -> None:
    """Precision over recall, a curve for each micrograph."""
    from cryoscore_plugin.report.curves import Axis, Curve, write_curves  # noqa: PLC0415

    curves = [
        Curve(name=name, x=one.recall, y=one.precision)
        for name, one in qualities.items()
    ]
    write_curves(
        path,
        curves,
        x=Axis(label="Recall", low=0.0, high=1.0),
        y=Axis(label="Precision", low=0.0, high=1.02),
    )


def _plot_shells(curve: ShellCorrelation, threshold: float, path: Path) -> None:
    """The Fourier shell correlation over spatial frequency."""
    from cryoscore_plugin.report.curves import Axis, Curve, write_curves  # noqa: PLC0415

    name = f"{curve.resolution(threshold):.2f} Å at {threshold:g}"
    write_curves(
        path,
        [Curve(name=name, x=curve.frequency, y=curve.correlation)],
        x=Axis(label="Spatial frequency (1/Å)", low=0.0),
        y=Axis(label="Fourier shell correlation", high=1.02),
        threshold=threshold,
    )


def _some(keys: Iterable[str]) -> str:
    """A few names, in order."""
    return ", ".join(sorted(keys)[:3])
