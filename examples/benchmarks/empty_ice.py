"""Does a denoiser make something of nothing? Micrographs of ice alone, by dose.

    python empty_ice.py --models FOLDER/a.npz --models FOLDER/b.npz \
        --denoiser raw --denoiser particle --denoiser topaz --record figures.json

The ice changes in thickness and has the texture of water; there are no particles, no carbon,
no contamination and no fragments. Each is exposed to 2, 6, 20 and 50 e/Å². The figure,
`deviation`, is the standard deviation of the output in all frequencies, in units of the
contrast of particles: of the standard deviation that the truth has inside particles of a
model, seen by the same optics at the same dose. 0 is flat. (`empty_ice` of `simulated.py`
looks between the particles of a crowded micrograph, where fragments and carbon lie as well,
in units of what the output makes of the particles.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from denoisers import denoiser_option, label, named_denoiser
from programs import find_programs, program_options
from simulated import DOSES, PIXEL_SIZE, models_option
from tables import pivot

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.density.atomic_model import read_atomic_model
from cryoscore_plugin.evaluation.fidelity import near_particles
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.simulation.micrographs import (
    Exposure,
    SceneSettings,
    SimulatedMicrograph,
    random_optics,
    simulate_micrograph,
)

FULL = SceneSettings(parts=())
ICE = SceneSettings(occupancy=0.0, parts=("ice_thickness", "ice_texture"))
FIGURE = "deviation"


@dataclass(frozen=True, kw_only=True, eq=False)
class Ice:
    """One exposure of ice alone.

    Attributes
    ----------
    scene : str
        What it is called.
    dose : float
        In e/Å².
    micrograph : Micrograph
        What a denoiser gets.
    contrast : float
        Standard deviation of the truth inside particles at these optics and this dose.
    """

    scene: str
    dose: float
    micrograph: Micrograph
    contrast: float


def simulate_ice(
    models: Sequence[Path], *, size: int, scenes: int, seed: int
) -> Iterator[Ice]:
    """Each scene at each dose, with the contrast that particles would have there."""
    for (index, path), scene in product(enumerate(models), range(scenes)):
        model = read_atomic_model(path)
        optics = random_optics(
            np.random.default_rng([seed, index, scene]), voltage=300.0
        )
        for dose in DOSES:
            exposure = Exposure(shape=(size, size), pixel_size=PIXEL_SIZE, dose=dose)
            full, ice = (
                simulate_micrograph(
                    [model],
                    optics,
                    settings,
                    exposure,
                    rng=np.random.default_rng([seed, index, scene]),
                )
                for settings in (FULL, ICE)
            )
            yield Ice(
                scene=f"{model.name}_{scene}",
                dose=dose,
                micrograph=Micrograph(
                    pixels=ice.noisy, pixel_size=PIXEL_SIZE, optics=optics
                ),
                contrast=contrast_inside(full, diameter=model.diameter),
            )


def contrast_inside(image: SimulatedMicrograph, *, diameter: float) -> float:
    """Standard deviation of the truth inside particles; their diameter in Å."""
    h, w = image.clean.shape
    inside = near_particles(
        image.centers_yx, shape=(h, w), distance=diameter / PIXEL_SIZE / 2
    )
    return float(image.clean[inside].std())


@click.command()
@models_option
@denoiser_option("raw", "particle")
@program_options
@click.option("--size", default=512, help="Side of a micrograph in px.")
@click.option("--scenes", default=3, help="Scenes for each model.")
@click.option("--seed", default=2026)
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    models: tuple[Path, ...],
    denoisers: tuple[str, ...],
    topaz: Path | None,
    cache: Path,
    size: int,
    scenes: int,
    seed: int,
    record: Path | None,
) -> None:
    """Print what each denoiser makes of ice alone, by dose."""
    torch.set_num_threads(1)
    programs = find_programs(topaz, cache)
    all_ice = list(simulate_ice(models, size=size, scenes=scenes, seed=seed))
    rows: list[Row] = []
    for name in denoisers:
        outputs = named_denoiser(name, programs)([ice.micrograph for ice in all_ice])
        rows += [
            {"denoiser": label(name), "scene": ice.scene, "dose": ice.dose}
            | {FIGURE: float(output.std()) / ice.contrast}
            for ice, output in zip(all_ice, outputs, strict=True)
        ]
    click.echo(f"mean {FIGURE}, by dose in e/Å²")
    print_table(pivot(rows, FIGURE, line="denoiser", across=["dose"]))
    write_record(rows, record)


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
