"""Picking on real apoferritin micrographs, raw and denoised, at three doses.

Needs a folder with, for each micrograph NAME: `NAME.mrc` (the full exposure),
`NAME_frame.mrc` (one movie frame), `NAME_rest.mrc` (everything but that frame) and
`NAME_picks.star` (hand picks in px), and one `micrographs.star` with the defoci.

    python apoferritin.py --data DIR --denoiser raw --denoiser topaz --denoiser particle
    python apoferritin.py --data DIR --write-inputs inputs/   # for other programs
    python apoferritin.py --data DIR --denoiser raw --denoiser outputs/

With `--reference ATOMS.npz` also the ring picker.

`denoisers.py` says what a denoiser may be; it may also be a folder with the denoised
`full/NAME.mrc`, `quarter/NAME.mrc` and `frame/NAME.mrc`; files with fewer pixels than the
raw image are Fourier-padded to it.

Doses: `full`; `quarter`, which is `rest` with white noise added so that its noise
variance is fourfold (noise from the band 0.35 to 0.48 cycles/px, fixed seed); `frame`.

Pickers, the same for every image: `log`, a Laplacian of Gaussian for 120 Å, and
`ring`, local correlation with the rotational average of apoferritin's projections,
modulated by the micrograph's CTF. With `--programs` also `relion-log`, RELION's Laplacian
of Gaussian for 108 to 132 Å, and `topaz`, its pretrained detector, which expects raw
micrographs; both through their own programs, where they are found. Local maxima at least
60 Å apart, one-to-one matching within 30 Å, average precision and best F1 per micrograph,
then the mean. Picks and hand picks closer than 45 px to an edge are left out. Hand picks
miss faint particles: compare denoisers with each other, and do not read the precision as
absolute.

Of frames also what `rest` says of them, whose noise is independent, in bands of spatial
frequency, both without their slow level: `correlation`, and `risk`, the mean square error
in units of the signal (a blank image has 1; the rest is scaled to the signal of the
frame). Background is the same in both: it counts as signal there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import click
import torch
from apoferritin_data import (
    DOSES,
    PIXEL_SIZE,
    condition,
    optics_of,
    read_pixels,
    write_inputs,
)
from apoferritin_figures import Setup, picking_rows, rest_rows
from denoisers import denoiser_option, is_folder, label, named_denoiser
from grids import Pixels, on_grid
from programs import (
    Programs,
    find_programs,
    pickers_option,
    program_options,
    tell_missing,
)
from tables import compared_with_raw, grouped, pivot, write_beside

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.micrograph import Micrograph

FIGURES = ("average_precision", "best_f1")
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def denoised(
    name: str, dose: str, raws: Sequence[Path], programs: Programs
) -> dict[Path, Pixels]:
    """All micrographs at one dose, as a denoiser makes them."""
    if is_folder(name):
        return {
            raw: on_grid(
                read_pixels(Path(name) / dose / raw.name), read_pixels(raw).shape
            )
            for raw in raws
        }
    given = [
        Micrograph(
            pixels=condition(raw, dose), pixel_size=PIXEL_SIZE, optics=optics_of(raw)
        )
        for raw in raws
    ]
    return dict(zip(raws, named_denoiser(name, programs)(given), strict=True))


@click.command()
@click.option("--data", type=FOLDER, required=True, help="The micrographs.")
@click.option(
    "--reference",
    type=click.Path(path_type=Path, exists=True),
    help="Atoms of apoferritin, .npz with `xyz` in Å; without it no ring picker.",
)
@denoiser_option()
@click.option(
    "--dose",
    "doses",
    type=click.Choice(DOSES),
    multiple=True,
    default=DOSES,
    help="May be repeated. Default: all.",
)
@click.option("--max-distance", default=30.0, help="Of a match, in Å.")
@pickers_option
@program_options
@click.option("--write-inputs", "inputs", type=click.Path(path_type=Path))
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PNG with the first micrograph as all denoisers make it; at the first --dose.",
)
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    data: Path,
    reference: Path | None,
    denoisers: tuple[str, ...],
    doses: tuple[str, ...],
    max_distance: float,
    with_programs: bool,
    topaz: Path | None,
    cache: Path,
    inputs: Path | None,
    picture: Path | None,
    record: Path | None,
) -> None:
    """Print the average precision of the pickers for each denoiser and dose.

    With `--record figures.json` the figures of every micrograph are written there, how
    they compare with raw to `figures_compared.json`, and those of frames without picking
    to `figures_rest.json`.
    """
    torch.set_num_threads(1)
    if inputs:
        write_inputs(data, inputs)
    programs = find_programs(topaz, cache)
    if with_programs:
        tell_missing(programs)
    setup = Setup(
        data=data,
        reference=reference,
        max_distance=max_distance,
        pickers=programs if with_programs else None,
    )
    rows: list[Row] = []
    frames: list[Row] = []
    shown: dict[str, Pixels] = {}
    for name, dose in product(denoisers, doses):
        images = denoised(name, dose, setup.raws, programs)
        shown.setdefault(label(name), images[setup.raws[0]])
        rows += picking_rows(label(name), dose, images, setup)
        frames += rest_rows(label(name), images) if dose == "frame" else []
    if rows:
        conclude(rows, frames, record)
    if picture is not None:
        from charts import draw_images  # noqa: PLC0415  matplotlib is an extra

        draw_images(picture, shown, pixel_size=PIXEL_SIZE)


def conclude(rows: Sequence[Row], frames: Sequence[Row], record: Path | None) -> None:
    """Print means, and record the figures and how they compare with raw."""
    for figure in FIGURES:
        click.echo(f"\nmean {figure}, by picker and dose")
        print_table(pivot(rows, figure, line="denoiser", across=["picker", "dose"]))
    write_record(rows, record)
    if frames:
        for figure in ("correlation", "risk"):
            click.echo(
                f"\nmean {figure} of frames with the rest of their movies, by band"
            )
            print_table(pivot(frames, figure, line="denoiser", across=["band"]))
    # One family of tests for each picker and dose: that is a table's column.
    compared = [
        row
        for own in grouped(rows, "picker", "dose").values()
        for row in compared_with_raw(
            own, FIGURES[0], unit="micrograph", within=["picker", "dose"]
        )
    ]
    write_beside(compared, record, "compared")
    write_beside(frames, record, "rest")


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
