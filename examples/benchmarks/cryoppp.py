"""Picking on real micrographs of CryoPPP, raw and denoised, against an expert's picks.

    python cryoppp.py --data 10081 --data 10093 --denoiser particle \
        --denoiser topaz_outputs/ --record figures.csv

CryoPPP (Dhakal et al. 2023, doi:10.1038/s41597-023-02280-2) has a folder for each data
set, named by its EMPIAR number, such as 10081, 10093, 10289, 10291, 10345 and 10532:

    10081/micrographs/NAME.mrc
    10081/ground_truth/particle_coordinates/NAME.csv

Of the tables the columns `X-Coordinate`, `Y-Coordinate` and `Diameter`, all in px, are
used. CryoPPP_Lite has 8-bit pictures instead of micrographs, and cannot be used here.

**The y axis.** The tables count y from the last row of the MRC file: the authors turn
each micrograph upside down before they draw picks on it (so they answer a question in
their repository BioinfoMachineLearning/cryoppp, and so does their CryoSegNet). We had
no data to see it with, so each data set is checked: `at_picks` is the mean response at
the picks, in standard deviations, and `at_picks_turned` that with y the other way. If
it is higher in raw micrographs, a warning is given. `--no-flip-y` does not turn them.

A denoiser is `raw` (the baseline, always there), `band-pass` (250 to 30 Å), a
checkpoint or the name of a packaged model, or a folder with what another program made,
`FOLDER/10081/NAME.mrc`, on any grid that covers the whole micrograph.

The picker is a Laplacian of Gaussian for the diameter of the table, dark particles, the
same for every image, on a grid on which a particle has 40 px, because time grows with
the third power of that; a position is good to 1/40 of a diameter. Local maxima are at least half
a diameter apart, and matched one to one. Picks of either side nearer than half a
diameter to an edge are left out, and so are micrographs without an expert's pick.
Figures are those of each micrograph, and then the mean. The best F1 has the best
threshold of each: do not compare it with pickers that have one for all. The expert's picks went through 2D classification and miss
particles: compare denoisers with each other, and do not read precision as absolute.

Pixel sizes are those of the headers, and matter for models and `band-pass` alone; that
of 10345 is reported to be wrong, about half of the true one (see `--pixel-size`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from cryoppp_data import Labelled, labelled_micrographs, upside_down
from denoisers import Pixels, is_folder, named_denoiser, on_grid
from numpy.typing import NDArray
from picking import picking_figures

from cryoscore_plugin.cli.evaluate_compare import comparison_rows
from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.evaluation.pickers import laplacian_of_gaussian
from cryoscore_plugin.evaluation.statistics import FEWEST_PAIRS
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph

BASELINE = "raw"
PICKING_DIAMETER = 40.0  # px
FIGURES = ("average_precision", "best_f1")
Denoise = Callable[[Labelled, Micrograph], Pixels]


def make_denoiser(name: str, labelled: Sequence[Labelled]) -> Denoise:
    """From a word on the command line to a function; a folder must be complete."""
    if not is_folder(name):
        denoise = named_denoiser(name)
        return lambda _, raw: denoise(raw)

    def output(one: Labelled) -> Path:
        return Path(name) / one.data_set / one.path.name

    missing = [output(one) for one in labelled if not output(one).exists()]
    if missing:
        msg = (
            f"{name} should hold every micrograph, but {len(missing)} of "
            f"{len(labelled)} are missing, such as {missing[0]}. Denoise them, or "
            "use --limit."
        )
        raise InputError(msg)
    return lambda one, raw: (
        read_micrograph(output(one), pixel_size=raw.pixel_size).pixels
    )


def judge(
    one: Labelled, image: Pixels, raw: Micrograph, max_distance: float
) -> dict[str, float]:
    """All figures of one image of a micrograph."""
    scale = min(1.0, PICKING_DIAMETER / one.diameter)
    h, w = (round(side * scale) for side in raw.pixels.shape)
    factors = np.array([h, w]) / raw.pixels.shape
    diameter = one.diameter * scale
    response = laplacian_of_gaussian(on_grid(image, (h, w)), diameter=diameter)
    truth = one.centers_yx * factors
    figures = picking_figures(
        response,
        truth,
        min_distance=diameter / 2,
        border=diameter / 2,
        max_distance=diameter * max_distance,
    )
    turned = upside_down(one.centers_yx, len(raw.pixels)) * factors
    return figures | {
        "at_picks": mean_response(response, truth),
        "at_picks_turned": mean_response(response, turned),
    }


def mean_response(response: Pixels, centers_yx: NDArray[np.float64]) -> float:
    """Mean at the nearest pixels, in standard deviations of the response above 0."""
    y, x = np.rint(centers_yx).astype(int).T
    h, w = response.shape
    seen = response[y.clip(0, h - 1), x.clip(0, w - 1)]
    return float(seen.mean() / max(response.std(), np.finfo(np.float32).tiny))


def micrograph_rows(
    one: Labelled,
    denoisers: dict[str, Denoise],
    *,
    pixel_size: float | None,
    max_distance: float,
) -> list[Row]:
    """A row for each denoiser."""
    raw = read_micrograph(one.path, pixel_size=pixel_size)
    about: Row = {"data_set": one.data_set, "micrograph": one.path.stem}
    return [
        about | {"denoiser": name} | judge(one, denoise(one, raw), raw, max_distance)
        for name, denoise in denoisers.items()
    ]


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Means over the micrographs, for each data set and denoiser."""
    groups: dict[tuple[str | float, str | float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["data_set"], row["denoiser"]), []).append(row)
    return [
        {"data_set": data_set, "denoiser": denoiser, "micrographs": len(group)}
        | {
            name: float(np.mean([row[name] for row in group]))
            for name in (*FIGURES, "at_picks", "at_picks_turned")
        }
        for (data_set, denoiser), group in groups.items()
    ]


def compared_with_raw(rows: Sequence[Row], figure: str) -> list[Row]:
    """Every denoiser against raw on the same micrographs, for each data set."""
    tables: dict[tuple[str | float, str | float], list[float]] = {}
    for row in rows:
        tables.setdefault((row["data_set"], row["denoiser"]), []).append(
            float(row[figure])
        )
    # The rows come micrograph by micrograph, so the lists have one order.
    methods = [
        (f"{data_set} {name}", list(zip(tables[data_set, BASELINE], own, strict=True)))
        for (data_set, name), own in tables.items()
        if name != BASELINE and len(own) >= FEWEST_PAIRS
    ]
    return comparison_rows(methods)


def warn_of_y_axis(means: Sequence[Row]) -> None:
    """Say where the expert's picks would fit better with y the other way."""
    for row in means:
        if row["denoiser"] == BASELINE and row["at_picks_turned"] > row["at_picks"]:
            click.echo(
                f"Warning: the picks of {row['data_set']} should lie on dark blobs, but "
                "fit better with y the other way. Look at a few, and try again with "
                "--no-flip-y (or --flip-y).",
                err=True,
            )


@click.command()
@click.option(
    "--data",
    "folders",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    required=True,
    help="Folder of a data set; may be repeated.",
)
@click.option(
    "--denoiser",
    "names",
    multiple=True,
    default=("band-pass", "particle"),
    show_default=True,
    help="May be repeated.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Micrographs of each data set. Default: all.",
)
@click.option(
    "--flip-y/--no-flip-y",
    default=True,
    show_default=True,
    help="Whether tables count y from the last row of the file.",
)
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    help="In Å/px, for all data sets, if the headers are wrong.",
)
@click.option(
    "--max-distance",
    type=click.FloatRange(min=0, min_open=True),
    default=0.25,
    show_default=True,
    help="Largest distance of a match, in diameters.",
)
@click.option(
    "--figure",
    type=click.Choice(FIGURES),
    default=FIGURES[0],
    show_default=True,
    help="What is compared with raw.",
)
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    folders: tuple[Path, ...],
    names: tuple[str, ...],
    limit: int | None,
    flip_y: bool,
    pixel_size: float | None,
    max_distance: float,
    figure: str,
    record: Path | None,
) -> None:
    """Print how well particles are picked after each denoiser, compared with raw.

    With `--record figures.csv` the figures of every micrograph are written there, after
    each data set, and the comparisons to `figures_compared.csv`.
    """
    data_sets = [
        labelled_micrographs(folder, flip_y=flip_y, limit=limit)
        for folder in dict.fromkeys(map(Path.resolve, folders))
    ]
    everything = [one for data_set in data_sets for one in data_set]
    denoisers = {
        name: make_denoiser(name, everything)
        for name in dict.fromkeys((BASELINE, *names))
    }
    rows: list[Row] = []
    failed: list[str] = []
    for data_set in data_sets:
        for one in data_set:
            try:
                found = micrograph_rows(
                    one, denoisers, pixel_size=pixel_size, max_distance=max_distance
                )
            except MicrographError as error:
                failed.append(one.path.name)
                click.echo(f"Error: {error}", err=True)
                continue
            rows += found
            tell_micrograph(one, found, figure)
        if rows:
            write_record(rows, record)
    if rows:
        conclude(rows, figure, record)
    if failed:
        msg = (
            f"{len(failed)} of {len(everything)} micrographs could not be judged, and "
            f"are in no figure: {', '.join(failed[:3])}. Repair them, or take them away."
        )
        raise InputError(msg)


def tell_micrograph(one: Labelled, rows: Sequence[Row], figure: str) -> None:
    """One line of progress."""
    words = [f"{row['denoiser']} {row[figure]:.3f}" for row in rows]
    click.echo(f"{one.data_set} {one.path.stem}: {', '.join(words)}")


def conclude(rows: Sequence[Row], figure: str, record: Path | None) -> None:
    """Print means and comparisons, and record these beside the figures."""
    means = mean_rows(rows)
    click.echo()
    print_table(means)
    warn_of_y_axis(means)
    compared = compared_with_raw(rows, figure)
    if compared:
        click.echo(f"\n{figure}, compared with {BASELINE}")
        print_table(compared)
        if record is not None:
            write_record(compared, record.with_stem(f"{record.stem}_compared"))


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
