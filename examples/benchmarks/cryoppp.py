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

`denoisers.py` says what a denoiser may be; `raw` is the baseline and always there. It may
also be a folder with what another program made, `FOLDER/10081/NAME.mrc`, on any grid that
covers the whole micrograph.

The picker is a Laplacian of Gaussian for the diameter of the table, dark particles, the
same for every image, on a grid on which a particle has 40 px, because time grows with
the third power of that; a position is good to 1/40 of a diameter. Local maxima are at least
half a diameter apart, and matched one to one. With `--programs` also `relion-log`,
RELION's Laplacian of Gaussian, and `topaz`, its pretrained detector, which expects raw
micrographs. Picks of either side nearer than half a diameter to an edge are left out, and
so are micrographs without an expert's pick.

Figures are those of each micrograph, and then the mean. The best F1 has the best
threshold of each: do not compare it with pickers that have one for all. The expert's picks
went through 2D classification and miss particles: compare denoisers with each other, and
do not read precision as absolute.

Pixel sizes are those of the headers, and matter for models and `band-pass` alone; that
of 10345 is reported to be wrong, about half of the true one (see `--pixel-size`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from cryoppp_data import Labelled, labelled_micrographs
from cryoppp_figures import Setup, make_denoiser, micrograph_rows
from denoisers import denoiser_option
from picking import LOG
from programs import find_programs, pickers_option, program_options, tell_missing
from tables import BASELINE, column, compared_with_raw, grouped, write_beside

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.errors import InputError, MicrographError

FIGURES = ("average_precision", "best_f1")


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Means over the micrographs, for each data set, denoiser and picker."""
    return [
        {"data_set": data_set, "denoiser": denoiser, "picker": picker}
        | {"micrographs": len(group)}
        | {
            name: float(np.mean(column(group, name)))
            for name in (*FIGURES, "at_picks", "at_picks_turned")
        }
        for (data_set, denoiser, picker), group in grouped(
            rows, "data_set", "denoiser", "picker"
        ).items()
    ]


def warn_of_y_axis(means: Sequence[Row]) -> None:
    """Say where the expert's picks would fit better with y the other way."""
    for row in means:
        if (row["denoiser"], row["picker"]) != (BASELINE, LOG):
            continue
        if row["at_picks_turned"] > row["at_picks"]:
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
@denoiser_option("band-pass", "particle")
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
@pickers_option
@program_options
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    folders: tuple[Path, ...],
    denoisers: tuple[str, ...],
    limit: int | None,
    flip_y: bool,
    pixel_size: float | None,
    max_distance: float,
    figure: str,
    with_programs: bool,
    topaz: Path | None,
    cache: Path,
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
    programs = find_programs(topaz, cache)
    if with_programs:
        tell_missing(programs)
    setup = Setup(
        denoisers={
            name: make_denoiser(name, everything, programs)
            for name in dict.fromkeys((BASELINE, *denoisers))
        },
        programs=programs if with_programs else None,
        pixel_size=pixel_size,
        max_distance=max_distance,
    )
    rows: list[Row] = []
    failed: list[str] = []
    for data_set in data_sets:
        found, unjudged = data_set_rows(data_set, setup, figure)
        rows += found
        failed += unjudged
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


def data_set_rows(
    data_set: Sequence[Labelled], setup: Setup, figure: str
) -> tuple[list[Row], list[str]]:
    """Figures of all micrographs, told one by one, and names of those without any."""
    rows: list[Row] = []
    failed: list[str] = []
    for one in data_set:
        try:
            found = list(micrograph_rows(one, setup))
        except MicrographError as error:
            failed.append(one.path.name)
            click.echo(f"Error: {error}", err=True)
        else:
            rows += found
            tell_micrograph(one, found, figure)
    return rows, failed


def tell_micrograph(one: Labelled, rows: Sequence[Row], figure: str) -> None:
    """One line of progress."""
    words = [f"{row['denoiser']} {row['picker']} {row[figure]:.3f}" for row in rows]
    click.echo(f"{one.data_set} {one.path.stem}: {', '.join(words)}")


def conclude(rows: Sequence[Row], figure: str, record: Path | None) -> None:
    """Print means and comparisons, and record these beside the figures."""
    means = mean_rows(rows)
    click.echo()
    print_table(means)
    warn_of_y_axis(means)
    compared = [
        row
        for own in grouped(rows, "picker").values()
        for row in compared_with_raw(
            own, figure, unit="micrograph", within=["data_set", "picker"]
        )
    ]
    if compared:
        click.echo(f"\n{figure}, compared with {BASELINE}")
        print_table(compared)
        write_beside(compared, record, "compared")


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
