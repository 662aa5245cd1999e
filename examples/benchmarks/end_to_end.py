"""From picks to maps: reconstructions of what was picked raw, and denoised.

    python end_to_end.py --model rubisco.npz --topaz /path/to/topaz --work work/ \
        --record figures.csv

Needs RELION (3.1 or later). For each seed a few micrographs of a known particle are
simulated. One picker, a Laplacian of Gaussian, picks on them raw and as each denoiser
makes them, and at the true places (`truth`, the best that picking can do). Of every
micrograph the best picks count, as many as it has particles, so all methods have the
same number. Particles are always extracted from the **raw** micrographs, by RELION, and
split at random into two halves. RELION aligns each half on its own to the known structure
low-passed to 40 Å, a few rounds, and reconstructs it.

Figures of each seed and method: precision of the picks (a quarter of a diameter);
`half_maps`, resolution in Å where the Fourier shell correlation of the two maps falls
below 0.143; `truth`, where that of their mean with the known structure falls below 0.5;
and `agreement`, the mean correlation with the known structure from 50 Å to twice the
voxel size, which says more than one crossing. All behind one soft ball around the
particle; shells coarser than 50 Å are not asked, because images at small defocus hold
next to nothing there. The seeds are the pairs of the comparison with raw.

The reference is the truth, coarse: how a first map is found is no part of the question.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from denoisers import TOPAZ, denoiser_option, label, named_denoiser
from grids import Pixels
from other_programs import find_program
from picks_to_maps import (
    PIXEL_SIZE,
    Setup,
    best_picks,
    map_figures,
    precision,
    true_picks,
)
from programs import Programs, find_programs, program_options
from tables import BASELINE, column, compared_with_raw, grouped, write_beside

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.density.atomic_model import read_atomic_model
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.mrc import read_micrograph
from cryoscore_plugin.simulation.dataset import DatasetSettings, write_dataset
from cryoscore_plugin.simulation.micrographs import (
    TYPICAL_BACKGROUND,
    Exposure,
    SceneSettings,
)
from relion_wrappers.micrographs_star import StarTable

TRUTH = "truth"
FIGURES = ("precision", "half_maps", "truth", "agreement")
VIEWS = 200  # orientations of a micrograph, of which its particles are drawn
PATH = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)


def denoised(name: str, project: Path, programs: Programs) -> dict[str, Pixels]:
    """All micrographs of a project as a denoiser makes them."""
    rows = StarTable().read(project / "micrographs.star", root=project)
    given = [replace(read_micrograph(row.path), optics=row.optics) for row in rows]
    images = named_denoiser(name, programs)(given)
    return {
        f"Micrographs/{row.path.name}": image
        for row, image in zip(rows, images, strict=True)
    }


def seed_rows(
    project: Path,
    methods: Sequence[str],
    setup: Setup,
    *,
    programs: Programs,
    seed: int,
) -> list[Row]:
    """A row for each method."""
    truth = true_picks(project, setup)
    rows: list[Row] = []
    for method in methods:
        picks = truth
        if method != TRUTH:
            images = denoised(method, project, programs)
            picks = {
                name: best_picks(images[name], len(own), setup)
                for name, own in truth.items()
            }
        rows.append(
            {
                "seed": str(seed),
                "denoiser": label(method),
                "particle": setup.model.name,
                "picks": sum(map(len, picks.values())),
                "precision": precision(picks, truth, setup),
            }
            | map_figures(
                project, method, picks, setup, seed=seed, cache=programs.cache
            )
        )
        click.echo("  ".join(f"{name} {x}" for name, x in rounded(rows[-1]).items()))
    return rows


def rounded(row: Row) -> Row:
    """Figures with three digits, for people."""
    return {k: x if isinstance(x, str) else float(f"{x:.3g}") for k, x in row.items()}


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Mean and deviation over the seeds, for each method."""
    means: list[Row] = []
    for (method,), own in grouped(rows, "denoiser").items():
        means.append({"denoiser": method, "seeds": len(own)})
        for name in FIGURES:
            values = np.array(column(own, name))
            means[-1] |= {name: float(values.mean()), f"± {name}": float(values.std())}
    return means


@click.command()
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Atomic model (.pdb, .cif, .npz), best one that training left out.",
)
@denoiser_option("band-pass", "particle")
@program_options
@click.option("--work", type=PATH, default=Path("end_to_end_work"), show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=8, show_default=True)
@click.option(
    "--first-seed",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="To spread seeds over several runs.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Micrographs of a seed.",
)
@click.option(
    "--size",
    type=click.IntRange(min=128),
    default=720,
    show_default=True,
    help="Side of a micrograph in px of 3 Å.",
)
@click.option("--dose", type=POSITIVE, default=25.0, show_default=True, help="In e/Å².")
@click.option(
    "--background",
    type=click.FloatRange(min=0),
    default=TYPICAL_BACKGROUND,
    show_default=True,
)
@click.option(
    "--occupancy",
    type=click.FloatRange(min=0, max=0.6),
    default=0.1,
    show_default=True,
    help="Part of the area that particles cover.",
)
@click.option(
    "--symmetry", default="C1", show_default=True, help="Point group of the model."
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Rounds of alignment.",
)
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    model: Path,
    denoisers: tuple[str, ...],
    topaz: Path | None,
    cache: Path,
    work: Path,
    seeds: int,
    first_seed: int,
    count: int,
    size: int,
    dose: float,
    background: float,
    occupancy: float,
    symmetry: str,
    rounds: int,
    record: Path | None,
) -> None:
    """Print how good maps become that begin with picks on denoised micrographs."""
    torch.set_num_threads(1)
    refuse_without_relion()
    programs = find_programs(topaz, cache)
    if programs.topaz is None:
        click.echo("Topaz was not found, and is left out. Give it with --topaz.")
    known = [] if programs.topaz is None else [TOPAZ]
    methods = dict.fromkeys([TRUTH, BASELINE, *denoisers, *known])
    setup = Setup(model=read_atomic_model(model), symmetry=symmetry, rounds=rounds)
    settings = DatasetSettings(
        count=count,
        exposure=Exposure(shape=(size, size), pixel_size=PIXEL_SIZE, dose=dose),
        scene=SceneSettings(background=background, occupancy=occupancy, views=VIEWS),
        defocus=(8_000.0, 25_000.0),
    )
    rows: list[Row] = []
    for seed in range(first_seed, first_seed + seeds):
        project = work / f"seed{seed}"
        for _ in write_dataset(project, [setup.model], replace(settings, seed=seed)):
            pass
        rows += seed_rows(project, list(methods), setup, programs=programs, seed=seed)
        write_record(rows, record)
    conclude(rows, record)


def refuse_without_relion() -> None:
    """Say that nothing can be done without RELION, if it is not there.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if find_program("relion_refine") is None:
        msg = "This benchmark needs RELION, but `relion_refine` is not on PATH."
        raise ConfigError(msg)


def conclude(rows: Sequence[Row], record: Path | None) -> None:
    """Print means and comparisons, and record these beside the figures."""
    click.echo()
    print_table(mean_rows(rows))
    compared = [
        row
        for figure in FIGURES
        for row in compared_with_raw(rows, figure, unit="seed")
    ]
    if compared:
        click.echo(f"\nPaired with {BASELINE}, over the seeds")
        print_table(compared)
        write_beside(compared, record, "compared")


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
