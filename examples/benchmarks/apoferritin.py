"""Picking on real apoferritin micrographs, raw and denoised, at three doses.

Needs a folder with, for each micrograph NAME: `NAME.mrc` (the full exposure),
`NAME_frame.mrc` (one movie frame), `NAME_rest.mrc` (everything but that frame) and
`NAME_picks.star` (hand picks in px), and one `micrographs.star` with the defoci.

    python apoferritin.py --data DIR --denoiser raw --denoiser band-pass
    python apoferritin.py --data DIR --write-inputs inputs/
    topaz denoise -d -1 --arch unet -s -1 -o topaz/full inputs/full/*.mrc   # and so on
    python apoferritin.py --data DIR --denoiser topaz/ --denoiser model.safetensors

With `--reference ATOMS.npz` also the ring picker.

A denoiser is `raw`, `band-pass`, a checkpoint or the name of a packaged model, a YAML
file of settings (such as `reference: apoferritin.safetensors` and `guidance: 0.5`), or a
folder with the denoised `full/NAME.mrc`, `quarter/NAME.mrc` and `frame/NAME.mrc`;
files with fewer pixels than the raw image are Fourier-padded to it.

Doses: `full`; `quarter`, which is `rest` with white noise added so that its noise
variance is fourfold (noise from the band 0.35 to 0.48 cycles/px, fixed seed); `frame`.

Pickers, the same for every image: `log`, a Laplacian of Gaussian for 120 Å, and
`ring`, local correlation with the rotational average of apoferritin's projections,
modulated by the micrograph's CTF. With `--programs` also `relion-log`, RELION's Laplacian
of Gaussian for 108 to 132 Å, and `topaz`, its pretrained detector, which expects raw
micrographs; both through their own programs, where they are found. Local maxima at least 60 Å apart, one-to-one
matching within 30 Å, average precision per micrograph, then the mean. Picks and
hand picks closer than 45 px to an edge are left out. Hand picks miss faint particles:
compare denoisers with each other, and do not read the precision as absolute.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import mrcfile
import numpy as np
import starfile
import torch
from denoisers import Pixels, is_folder, named_denoiser, on_grid
from other_programs import Programs, find_programs
from picking import picks_figures
from scipy.spatial.transform import Rotation

from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    laplacian_of_gaussian,
    template_correlation,
)
from cryoscore_plugin.micrograph import Micrograph
from relion_wrappers.micrographs_star import StarTable

PIXEL_SIZE = 1.5  # Å/px, as in micrographs.star
DIAMETER = 120.0  # Å
BORDER = 45.0  # px
DOSES = ("full", "quarter", "frame")
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
Denoise = Callable[[Path, str], Pixels]


def read_pixels(path: Path) -> Pixels:
    """The pixels of an MRC file as float32."""
    with mrcfile.open(path, permissive=True) as file:
        return np.array(file.data, dtype=np.float32)


def condition(raw: Path, dose: str) -> Pixels:
    """The micrograph `raw` at one of the three doses."""
    if dose == "full":
        return read_pixels(raw)
    if dose == "frame":
        return read_pixels(raw.with_name(f"{raw.stem}_frame.mrc"))
    rest = read_pixels(raw.with_name(f"{raw.stem}_rest.mrc"))
    seed = [2026, *raw.stem.encode()]
    noise = np.random.default_rng(seed).standard_normal(rest.shape, dtype=np.float32)
    return rest + np.float32(np.sqrt(3) * noise_deviation(rest)) * noise


def noise_deviation(image: Pixels) -> float:
    """Deviation of white noise with the power found at 0.35 to 0.48 cycles/px."""
    fy, fx = (np.fft.fftfreq(length) for length in image.shape)
    radius = np.hypot(fy[:, None], fx)
    power = np.abs(np.fft.fft2(image)) ** 2 / image.size
    return float(np.sqrt(power[(radius > 0.35) & (radius < 0.48)].mean()))


def make_denoiser(name: str) -> Denoise:
    """From the words on the command line to a function."""
    if is_folder(name):
        return lambda raw, dose: on_grid(
            read_pixels(Path(name) / dose / raw.name), read_pixels(raw).shape
        )
    denoise = named_denoiser(name)
    return lambda raw, dose: denoise(
        Micrograph(
            pixels=condition(raw, dose), pixel_size=PIXEL_SIZE, optics=optics_of(raw)
        )
    )


def optics_of(raw: Path) -> Optics | None:
    """How a micrograph was taken, for guidance."""
    rows = StarTable().read(raw.with_name("micrographs.star"), root=raw.parent)
    return next(row.optics for row in rows if row.path.name == raw.name)


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
    apart, defoci = DIAMETER / 2 / PIXEL_SIZE, dict(micrographs(data))
    picks: dict[str, dict[str, Picks]] = {"log": {}}
    for raw, image in images.items():
        response = laplacian_of_gaussian(image, diameter=DIAMETER / PIXEL_SIZE)
        picks["log"][raw.stem] = find_picks(response, min_distance=apart)
        if reference:
            template = ring_template(reference, defoci[raw])
            response = template_correlation(image, template)
            ring = picks.setdefault("ring", {})
            ring[raw.stem] = find_picks(response, min_distance=apart)
    if programs is not None:
        by_name = {raw.stem: image for raw, image in images.items()}
        picks |= programs.picks(by_name, diameter=DIAMETER, pixel_size=PIXEL_SIZE)
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


def micrographs(data: Path) -> list[tuple[Path, float]]:
    """Each micrograph of the folder with its defocus in Å."""
    table = starfile.read(data / "micrographs.star", always_dict=True)["micrographs"]
    names, defoci = table["rlnMicrographName"], table["rlnDefocusU"]
    return [(data / name, float(u)) for name, u in zip(names, defoci, strict=True)]


def write_inputs(data: Path, target: Path) -> None:
    """Write the three conditions as float32 MRC, for programs that read files."""
    for dose in DOSES:
        (target / dose).mkdir(parents=True, exist_ok=True)
        for raw, _ in micrographs(data):
            with mrcfile.new(target / dose / raw.name, overwrite=True) as file:
                file.set_data(condition(raw, dose))
                file.voxel_size = PIXEL_SIZE


@click.command()
@click.option("--data", type=FOLDER, required=True, help="The micrographs.")
@click.option(
    "--reference",
    type=click.Path(path_type=Path, exists=True),
    help="Atoms of apoferritin, .npz with `xyz` in Å; without it no ring picker.",
)
@click.option("--denoiser", "denoisers", multiple=True, help="May be repeated.")
@click.option(
    "--dose",
    "doses",
    type=click.Choice(DOSES),
    multiple=True,
    default=DOSES,
    help="May be repeated. Default: all.",
)
@click.option("--max-distance", default=30.0, help="Of a match, in Å.")
@click.option(
    "--programs/--no-programs",
    default=False,
    help="Also pick with RELION and with Topaz's detector, where they are found.",
)
@click.option("--topaz", type=click.Path(path_type=Path), help="Program of Topaz.")
@click.option("--write-inputs", "inputs", type=click.Path(path_type=Path))
@click.option("--json", "record", type=click.Path(path_type=Path))
def main(  # noqa: PLR0913  one argument for each option
    *,
    data: Path,
    reference: Path | None,
    denoisers: tuple[str, ...],
    doses: tuple[str, ...],
    max_distance: float,
    programs: bool,
    topaz: Path | None,
    inputs: Path | None,
    record: Path | None,
) -> None:
    """Print the average precision of the pickers for each denoiser and dose."""
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    if inputs:
        write_inputs(data, inputs)
    found = find_programs(topaz) if programs else None
    for name in denoisers:
        denoise = make_denoiser(name)
        own = []
        for dose in doses:
            images = {raw: denoise(raw, dose) for raw, _ in micrographs(data)}
            picks = picks_by_picker(data, images, reference=reference, programs=found)
            own += [
                {"denoiser": name, "dose": dose, "picker": picker}
                | {"micrograph": raw.stem}
                | judge(raw, by_name[raw.stem], image.shape, max_distance)
                for picker, by_name in picks.items()
                for raw, image in images.items()
            ]
        show(own, header=name == denoisers[0])
        rows += own
    if record:
        record.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def show(rows: list[dict[str, object]], *, header: bool) -> None:
    """A line of mean average precisions of one denoiser, by picker and dose."""
    columns: dict[str, list[object]] = {}
    for row in rows:
        title = f"{row['picker']} {row['dose']}"
        columns.setdefault(title, []).append(row["average_precision"])
    titles = sorted(columns, key=lambda title: title.split()[0])
    if header:
        words = "".join(f"{title:>20}" for title in titles)
        click.echo(f"{'mean average precision':<40}{words}")
    means = "".join(f"{np.mean(columns[title]):20.3f}" for title in titles)
    click.echo(f"{str(rows[0]['denoiser'])[-39:]:<40}{means}")


if __name__ == "__main__":
    main()
