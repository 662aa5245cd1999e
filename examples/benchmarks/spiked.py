"""Particles added to real micrographs, and how many are found again after denoising.

    python spiked.py --data DIR --particle rubisco.npz --denoiser raw \
        --denoiser topaz --denoiser particle --record figures.json

Needs the folder that `apoferritin.py` needs. To each of its full exposures up to 40 views
of another particle are added, as there is room, a quarter of them at each of four
signal-to-noise ratios (variance of a particle's image over that of the pixels), as the
transfer function of the micrograph shows them. A blob picker as wide as the added particle
proposes picks; as many count as there are hand picks and added particles. The same with a
folder of your own: `cryoscore evaluate spike-in` and `spiked`.

`recall` is the part of the added particles that a pick meets within a quarter of their
diameter, by signal-to-noise ratio. At ratio 0 nothing was added: there it is chance. `own`
is the part of the hand picks: added particles and those that were there before compete.
`denoisers.py` says what a denoiser may be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from apoferritin_data import (
    PIXEL_SIZE,
    hand_picks,
    micrographs,
    optics_of,
    read_pixels,
)
from denoisers import denoiser_option, label, named_denoiser
from grids import Pixels
from picking import LOG, all_picks
from programs import find_programs, program_options
from tables import compared_with_raw, grouped, pivot, write_beside

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.density.atomic_model import AtomicModel, read_atomic_model
from cryoscore_plugin.evaluation.spike_in import Place, found_places, spike
from cryoscore_plugin.micrograph import Micrograph

RATIOS = (0.02, 0.05, 0.1, 0.2)
COUNT = 40
FIGURE = "recall"
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One micrograph with added particles.

    Attributes
    ----------
    name : str
        Of the micrograph.
    micrograph : Micrograph
        What a denoiser gets.
    places : Sequence[Place]
        Where particles were added, and where not.
    own : Sequence[Place]
        Where it had particles before: the hand picks.
    """

    name: str
    micrograph: Micrograph
    places: Sequence[Place]
    own: Sequence[Place]


def spiked_cases(data: Path, model: AtomicModel, *, seed: int) -> Iterator[Case]:
    """Each full exposure of the folder, with particles added."""
    for number, (raw, _) in enumerate(micrographs(data)):
        optics = optics_of(raw)
        if optics is None:
            continue  # Its transfer function is not known.
        spiked, places = spike(
            Micrograph(pixels=read_pixels(raw), pixel_size=PIXEL_SIZE, optics=optics),
            model,
            optics,
            count=COUNT,
            ratios=RATIOS,
            rng=np.random.default_rng([seed, number]),
        )
        own = [Place(y=y, x=x, ratio=np.nan) for y, x in hand_picks(raw).tolist()]
        yield Case(name=raw.stem, micrograph=spiked, places=places, own=own)


def recall_rows(
    name: str, cases: Sequence[Case], images: Mapping[str, Pixels], *, diameter: float
) -> list[Row]:
    """A row for each micrograph and signal-to-noise ratio; the diameter in Å."""
    picks = all_picks(images, diameter=diameter, pixel_size=PIXEL_SIZE, programs=None)[
        LOG
    ]
    rows: list[Row] = []
    for case in cases:
        ratios = np.array([place.ratio for place in case.places])
        found, own = (
            found_places(
                picks[case.name],
                places,
                most=len(case.own) + int((ratios > 0).sum()),
                max_distance=diameter / 4 / PIXEL_SIZE,
            )
            for places in (case.places, case.own)
        )
        parts = {"own": own} | {f"{x:g}": found[ratios == x] for x in (0, *RATIOS)}
        rows += [
            {"denoiser": name, "micrograph": case.name, "snr": kind}
            | {FIGURE: float(part.mean())}
            for kind, part in parts.items()
        ]
    return rows


@click.command()
@click.option("--data", type=FOLDER, required=True, help="The micrographs.")
@click.option("--particle", type=FILE, required=True, help="Atoms of what is added.")
@denoiser_option("raw", "particle")
@program_options
@click.option("--seed", default=1, show_default=True, help="Of places and views.")
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    data: Path,
    particle: Path,
    denoisers: tuple[str, ...],
    topaz: Path | None,
    cache: Path,
    seed: int,
    record: Path | None,
) -> None:
    """Print which part of added particles is found, by denoiser and ratio."""
    torch.set_num_threads(1)
    programs = find_programs(topaz, cache)
    model = read_atomic_model(particle)
    cases = list(spiked_cases(data, model, seed=seed))
    rows: list[Row] = []
    for name in denoisers:
        outputs = named_denoiser(name, programs)([case.micrograph for case in cases])
        images = {
            case.name: output for case, output in zip(cases, outputs, strict=True)
        }
        rows += recall_rows(label(name), cases, images, diameter=model.diameter)
    click.echo("\nmean recall of added particles, by signal-to-noise ratio")
    print_table(pivot(rows, FIGURE, line="denoiser", across=["snr"]))
    write_record(rows, record)
    compared = [
        row
        for own in grouped(rows, "snr").values()
        for row in compared_with_raw(own, FIGURE, unit="micrograph", within=["snr"])
    ]
    write_beside(compared, record, "compared")


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
