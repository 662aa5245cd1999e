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
modulated by the micrograph's CTF. Local maxima at least 60 Å apart, one-to-one
matching within 30 Å, average precision per micrograph, then the mean. Picks and
hand picks closer than 45 px to an edge are left out. Hand picks miss faint particles:
compare denoisers with each other, and do not read the precision as absolute.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import click
import mrcfile
import numpy as np
import starfile
import torch
from denoisers import Pixels, is_folder, named_denoiser, on_grid
from picking import picking_figures
from scipy.spatial.transform import Rotation

from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.evaluation.pickers import (
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


def responses(
    image: Pixels, reference: Path | None, defocus: float
) -> dict[str, Pixels]:
    """What each picker sees in an image."""
    found = {"log": laplacian_of_gaussian(image, diameter=DIAMETER / PIXEL_SIZE)}
    if reference:
        found["ring"] = template_correlation(image, ring_template(reference, defocus))
    return found


def judge(raw: Path, response: Pixels, max_distance: float) -> dict[str, float]:
    """Average precision and best F1 of one picker on one image."""
    table = starfile.read(raw.with_name(f"{raw.stem}_picks.star"))
    truth = table[["rlnCoordinateY", "rlnCoordinateX"]].to_numpy(dtype=np.float64)
    return picking_figures(
        response,
        truth,
        min_distance=DIAMETER / 2 / PIXEL_SIZE,
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
@click.option("--max-distance", default=30.0, help="Of a match, in Å.")
@click.option("--write-inputs", "inputs", type=click.Path(path_type=Path))
@click.option("--json", "record", type=click.Path(path_type=Path))
def main(
    data: Path,
    reference: Path | None,
    denoisers: tuple[str, ...],
    max_distance: float,
    inputs: Path | None,
    record: Path | None,
) -> None:
    """Print the average precision of the pickers for each denoiser and dose."""
    torch.set_num_threads(1)
    rows = []
    if inputs:
        write_inputs(data, inputs)
    for name in denoisers:
        denoise, line = make_denoiser(name), {}
        for dose, (raw, defocus) in product(DOSES, micrographs(data)):
            seen = responses(denoise(raw, dose), reference, defocus)
            for picker, response in seen.items():
                figures = judge(raw, response, max_distance)
                line.setdefault(f"{picker} {dose}", []).append(
                    figures["average_precision"]
                )
                rows.append(
                    {"denoiser": name, "dose": dose, "picker": picker}
                    | {"micrograph": raw.stem, **figures}
                )
        columns = sorted(line, key=lambda title: title.split()[0])
        if name == denoisers[0]:
            click.echo(
                f"{'mean average precision':<40}"
                + "".join(f"{title:>14}" for title in columns)
            )
        means = "".join(f"{np.mean(line[title]):14.3f}" for title in columns)
        click.echo(f"{name[-39:]:<40}{means}")
    if record:
        record.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
