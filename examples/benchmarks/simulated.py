"""Likeness to the truth on simulated micrographs, raw and denoised, by dose.

    python simulated.py --models FOLDER/a.npz --models FOLDER/b.npz \
        --denoiser raw --denoiser band-pass --denoiser model.safetensors \
        --topaz /path/to/topaz --work work/ --json figures.json

Each model (PDB, mmCIF or .npz) that training left out fills `--scenes` micrographs
at 1.5 Å/px, with ice, carbon, contamination and debris; each is exposed to 2, 6, 20
and 50 e/Å². A scene is the same at every dose and for every denoiser.

A denoiser is `raw`, `band-pass` (Gaussian, 250 to 30 Å), a checkpoint or the name of a
packaged model, or a YAML file of settings. `--topaz` adds Topaz-Denoise, run as a separate program on whole
images at 1.5 and at 3 Å/px (files and outputs are kept in `--work` and used again);
`topaz (best)` is, for each dose, the sampling with the higher mean.

Figures, from 1/250 to 1/10 1/Å: correlation with the truth (1 is perfect); slope of
the truth on the output (1 is calibrated); and standard deviation in empty ice in units
of that in particles (0 is flat), in all frequencies.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from denoisers import Pixels, named_denoiser

from cryoscore_plugin.density.atomic_model import AtomicModel, read_atomic_model
from cryoscore_plugin.evaluation.fidelity import (
    band_correlation,
    calibration_slope,
    empty_ice_ratio,
    near_particles,
)
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph, write_micrograph
from cryoscore_plugin.rescaling import fourier_crop
from cryoscore_plugin.simulation.micrographs import (
    TYPICAL_BACKGROUND,
    Exposure,
    SceneSettings,
    SimulatedMicrograph,
    random_optics,
    simulate_micrograph,
)

PIXEL_SIZE = 1.5  # Å/px
DOSES = (2.0, 6.0, 20.0, 50.0)  # e/Å²
TOPAZ_SAMPLINGS = (1.5, 3.0)  # Å/px
Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One exposure of one scene."""

    name: str
    model: AtomicModel
    dose: float
    image: SimulatedMicrograph


def simulate(
    models: list[Path], *, size: int, scenes: int, seed: int, background: float
) -> Iterator[Case]:
    """Each scene at each dose; what is random begins anew, so the scene is the same."""
    for (index, path), scene in product(enumerate(models), range(scenes)):
        model = read_atomic_model(path)
        for dose in DOSES:
            rng = np.random.default_rng([seed, index, scene])
            image = simulate_micrograph(
                [model],
                random_optics(rng, voltage=300.0),
                SceneSettings(background=background),
                Exposure(shape=(size, size), pixel_size=PIXEL_SIZE, dose=dose),
                rng=rng,
            )
            yield Case(
                name=f"{model.name}_{scene}", model=model, dose=dose, image=image
            )


def at_sampling(pixels: Pixels, pixel_size: float) -> Pixels:
    """An image of 1.5 Å/px, Fourier-cropped to a coarser pixel size."""
    side = round(len(pixels) * PIXEL_SIZE / pixel_size)
    if side == len(pixels):
        return pixels
    return fourier_crop(torch.from_numpy(pixels), (side, side)).numpy()


def judge(case: Case, output: Pixels, pixel_size: float = PIXEL_SIZE) -> Figures:
    """All figures of one output."""
    truth = at_sampling(case.image.clean, pixel_size)
    diameter = case.model.diameter / pixel_size
    centers = case.image.centers_yx * PIXEL_SIZE / pixel_size
    shape = (output.shape[0], output.shape[1])
    inside = near_particles(centers, shape=shape, distance=diameter / 2)
    empty = ~near_particles(centers, shape=shape, distance=0.75 * diameter + 10)
    # Near the edge there may be particles whose centres are outside.
    rim = int(diameter)
    empty[:rim] = empty[-rim:] = empty[:, :rim] = empty[:, -rim:] = False
    return {
        "correlation": band_correlation(output, truth, pixel_size=pixel_size),
        "slope": calibration_slope(output, truth, pixel_size=pixel_size),
        "empty_ice": empty_ice_ratio(output, particles=inside, empty=empty)
        if empty.any() and inside.any()
        else float("nan"),
    }


def run_topaz(
    topaz: Path, cases: list[Case], work: Path, pixel_size: float
) -> list[Pixels]:
    """Denoise all cases at one sampling with one call of Topaz, as whole images."""
    folder = work / f"{pixel_size:g}"
    inputs, outputs = folder / "input", folder / "output"
    inputs.mkdir(parents=True, exist_ok=True)
    # Named by content: what was denoised in an earlier run is used again.
    files = [
        f"{hashlib.sha256(case.image.noisy.tobytes()).hexdigest()[:16]}.mrc"
        for case in cases
    ]
    for case, name in zip(cases, files, strict=True):
        pixels = at_sampling(case.image.noisy, pixel_size)
        write_micrograph(
            inputs / name, Micrograph(pixels=pixels, pixel_size=pixel_size)
        )
    left = [str(inputs / name) for name in files if not (outputs / name).exists()]
    if left:
        # Never `-m`: it is ignored. `-s -1`: no tiles, each has its own grey scale.
        command = [str(topaz), "denoise", "-d", "-1", "-j", "1", "--arch", "unet"]
        command += ["-s", "-1", "-o", str(outputs), *left]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment, capture_output=True)  # noqa: S603
    return [read_micrograph(outputs / name).pixels for name in files]


def show(rows: list[dict[str, object]], figure: str, names: list[str]) -> None:
    """One table: mean of a figure over the scenes, by denoiser and dose."""
    click.echo(f"\n{figure:<40}" + "".join(f"{dose:>9g}" for dose in DOSES) + "  e/Å²")
    for name in names:
        means = [mean(rows, figure, name, dose) for dose in DOSES]
        click.echo(f"{name[-39:]:<40}" + "".join(f"{value:9.3f}" for value in means))


def mean(rows: list[dict[str, object]], figure: str, name: str, dose: float) -> float:
    """Mean of a figure over the scenes; scenes where it is undefined do not count."""
    values = [
        row[figure] for row in rows if row["denoiser"] == name and row["dose"] == dose
    ]
    return float(np.nanmean(np.array(values, dtype=float)))


def add_best_topaz(rows: list[dict[str, object]]) -> None:
    """Repeat, for each dose, the rows of the sampling that did better there."""
    names = [f"topaz {pixel_size:g} Å/px" for pixel_size in TOPAZ_SAMPLINGS]
    for dose in DOSES:
        best = max(names, key=lambda name: mean(rows, "correlation", name, dose))
        rows += [
            row | {"denoiser": "topaz (best)"}
            for row in rows
            if row["denoiser"] == best and row["dose"] == dose
        ]


def measure(cases: list[Case], denoisers: tuple[str, ...]) -> list[dict[str, object]]:
    """A row for each case and denoiser of ours."""
    rows: list[dict[str, object]] = []
    for name in denoisers:
        denoise = named_denoiser(name)
        for case in cases:
            raw = Micrograph(pixels=case.image.noisy, pixel_size=PIXEL_SIZE)
            figures = judge(case, denoise(raw))
            rows.append(
                {"denoiser": name, "scene": case.name, "dose": case.dose} | figures
            )
    return rows


@click.command()
@click.option(
    "--models",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    required=True,
    help="Atomic model; may be repeated.",
)
@click.option("--denoiser", "denoisers", multiple=True, default=("raw", "band-pass"))
@click.option("--topaz", type=click.Path(path_type=Path, exists=True))
@click.option("--work", type=click.Path(path_type=Path), default=Path("simulated_work"))
@click.option("--size", default=1024, help="Side of a micrograph in px.")
@click.option("--scenes", default=2, help="Scenes of each model.")
@click.option("--seed", default=2026)
@click.option(
    "--background",
    default=TYPICAL_BACKGROUND,
    show_default=True,
    help="Strength of the background; 1 for an ugly micrograph.",
)
@click.option("--json", "record", type=click.Path(path_type=Path))
def main(  # noqa: PLR0913  one argument for each option
    *,
    models: tuple[Path, ...],
    denoisers: tuple[str, ...],
    topaz: Path | None,
    work: Path,
    size: int,
    scenes: int,
    seed: int,
    background: float,
    record: Path | None,
) -> None:
    """Print how like the truth each denoiser's output is, by dose."""
    cases = list(
        simulate(
            list(models), size=size, scenes=scenes, seed=seed, background=background
        )
    )
    rows = measure(cases, denoisers)
    names = list(denoisers)
    if topaz:
        for pixel_size in TOPAZ_SAMPLINGS:
            names.append(f"topaz {pixel_size:g} Å/px")
            for case, output in zip(
                cases, run_topaz(topaz, cases, work, pixel_size), strict=True
            ):
                figures = judge(case, output, pixel_size)
                rows.append(
                    {"denoiser": names[-1], "scene": case.name, "dose": case.dose}
                    | figures
                )
        add_best_topaz(rows)
        names.append("topaz (best)")
    for figure in ("correlation", "slope", "empty_ice"):
        show(rows, figure, names)
    if record:
        record.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
