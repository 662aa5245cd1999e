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

Of frames also the correlation with `rest`, whose noise is independent, in bands of
spatial frequency. Background is the same in both: it counts as signal there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import starfile
import torch
from apoferritin_data import (
    DOSES,
    PIXEL_SIZE,
    condition,
    micrographs,
    optics_of,
    read_pixels,
    write_inputs,
)
from denoisers import denoiser_option, is_folder, label, named_denoiser
from grids import Pixels, on_grid
from picking import all_picks, picks_figures
from programs import (
    Programs,
    find_programs,
    pickers_option,
    program_options,
    tell_missing,
)
from scipy.spatial.transform import Rotation
from tables import compared_with_raw, grouped, pivot, write_beside

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.evaluation.fidelity import band_correlation
from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    template_correlation,
)
from cryoscore_plugin.micrograph import Micrograph

DIAMETER = 120.0  # Å
BORDER = 45.0  # px
FIGURES = ("average_precision", "best_f1")
BANDS = ((250, 150), (150, 80), (80, 40), (40, 20), (250, 12))  # Å
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


def ring_template(model: Path, defocus: float, *, side: int = 160) -> Pixels:
    """Apoferritin as this micrograph shows it, averaged over in-plane rotations."""
    xyz = np.load(model)["xyz"].astype(np.float64)
    views = Rotation.random(12, rng=np.random.default_rng(0))
    radii = np.concatenate([np.hypot(*view.apply(xyz)[:, :2].T) for view in views])
    edges = np.arange(0, 100, PIXEL_SIZE)
    counts, _ = np.histogram(radii, edges)
    profile = counts / (edges[1:] ** 2 - edges[:-1] ** 2)
    y, x = (np.mgrid[:side, :side] - side // 2) * PIXEL_SIZE
    mass = np.interp(np.hypot(y, x), (edges[1:] + edges[:-1]) / 2, profile)
    optics = Optics(
        defocus_u=defocus,
        defocus_v=defocus,
        amplitude_contrast=0.07,
        # Nothing of a rotational average is left beyond about 1/20 Å.
        b_factor=400.0,
    )
    transfer = contrast_transfer(optics, shape=(side, side), pixel_size=PIXEL_SIZE)
    seen = torch.fft.irfft2(torch.fft.rfft2(torch.from_numpy(mass)) * transfer)
    return seen.numpy().astype(np.float32)


def picks_by_picker(
    data: Path,
    images: dict[Path, Pixels],
    *,
    reference: Path | None,
    programs: Programs | None,
) -> dict[str, dict[str, Picks]]:
    """What each picker proposes on each image, by the name of the micrograph."""
    picks = all_picks(
        {raw.stem: image for raw, image in images.items()},
        diameter=DIAMETER,
        pixel_size=PIXEL_SIZE,
        programs=programs,
    )
    if reference is not None:
        defoci = dict(micrographs(data))
        picks["ring"] = {
            raw.stem: find_picks(
                template_correlation(image, ring_template(reference, defoci[raw])),
                min_distance=DIAMETER / 2 / PIXEL_SIZE,
            )
            for raw, image in images.items()
        }
    return picks


def judge(
    raw: Path, picks: Picks, shape: tuple[int, ...], max_distance: float
) -> dict[str, float]:
    """Average precision and best F1 of one picker on one image."""
    table = starfile.read(raw.with_name(f"{raw.stem}_picks.star"))
    truth = table[["rlnCoordinateY", "rlnCoordinateX"]].to_numpy(dtype=np.float64)
    return picks_figures(
        picks,
        truth,
        shape=shape,
        border=BORDER,
        max_distance=max_distance / PIXEL_SIZE,
    )


def likeness_to_rest(name: str, raw: Path, image: Pixels) -> list[Row]:
    """Correlation of a denoised frame with the rest of its movie, band by band."""
    rest = read_pixels(raw.with_name(f"{raw.stem}_rest.mrc"))
    return [
        {"denoiser": name, "micrograph": raw.stem, "band": f"{long}-{short} Å"}
        | {
            "correlation": band_correlation(
                image, rest, pixel_size=PIXEL_SIZE, band=(1 / long, 1 / short)
            )
        }
        for long, short in BANDS
    ]


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
    found = find_programs(topaz, cache)
    if with_programs:
        tell_missing(found)
    rows: list[Row] = []
    frames: list[Row] = []
    for name in denoisers:
        for dose in doses:
            images = denoised(name, dose, [raw for raw, _ in micrographs(data)], found)
            picks = picks_by_picker(
                data,
                images,
                reference=reference,
                programs=found if with_programs else None,
            )
            rows += [
                {"denoiser": label(name), "dose": dose, "picker": picker}
                | {"micrograph": raw.stem}
                | judge(raw, by_name[raw.stem], image.shape, max_distance)
                for picker, by_name in picks.items()
                for raw, image in images.items()
            ]
            if dose == "frame":
                for raw, image in images.items():
                    frames += likeness_to_rest(label(name), raw, image)
    if rows:
        conclude(rows, frames, record)


def conclude(rows: Sequence[Row], frames: Sequence[Row], record: Path | None) -> None:
    """Print means, and record the figures and how they compare with raw."""
    for figure in FIGURES:
        click.echo(f"\nmean {figure}, by picker and dose")
        print_table(pivot(rows, figure, line="denoiser", across=["picker", "dose"]))
    write_record(rows, record)
    if frames:
        click.echo(
            "\nmean correlation of frames with the rest of their movies, by band"
        )
        print_table(pivot(frames, "correlation", line="denoiser", across=["band"]))
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
