"""Likeness to the truth on simulated micrographs, raw and denoised, by dose.

    python simulated.py --models FOLDER/a.npz --models FOLDER/b.npz \
        --denoiser raw --denoiser band-pass --denoiser model.safetensors \
        --denoiser topaz --denoiser topaz:3 --record figures.json

Each model (PDB, mmCIF or .npz) that training left out fills `--scenes` micrographs
at 1.5 Å/px, with ice, carbon, contamination and debris; each is exposed to 2, 6, 20
and 50 e/Å². A scene is the same at every dose and for every denoiser.

`denoisers.py` says what a denoiser may be. Of Topaz-Denoise at several pixel sizes,
`topaz (best)` is, for each dose, the one with the highest mean correlation. With
`--guided particle` each scene is also denoised by that model guided by the structure it
is made of (`guided`), and by that of the next model in the list (`decoy-guided`).

Figures, from 1/250 to 1/10 1/Å: correlation with the truth (1 is perfect), and `snr_in_dB`,
the signal-to-noise ratio that follows from it; slope of the truth on the output (1 is
calibrated), of all micrographs of a dose in one regression; and standard deviation in empty
ice in units of that in particles (0 is flat), in all frequencies.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from denoisers import TOPAZ, denoiser_option, label, named_denoiser
from grids import Pixels
from guidance import guided_settings
from numpy.typing import NDArray
from programs import Programs, find_programs, program_options
from tables import compared_with_raw, grouped, mean, pivot, write_beside

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.cli.records import Row, print_table, record_option, write_record
from cryoscore_plugin.density.atomic_model import read_atomic_model
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.evaluation.fidelity import (
    PARTICLE_BAND,
    empty_ice_ratio,
    near_particles,
)
from cryoscore_plugin.evaluation.products import band_products
from cryoscore_plugin.micrograph import Micrograph
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
SHOWN_DOSE = 20.0  # e/Å²
FIGURES = ("correlation", "snr_in_dB", "slope", "empty_ice")
BEST_TOPAZ = "topaz (best)"
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Masks:
    """Where particles are in a scene, and where nothing is."""

    particles: Mask
    empty: Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One exposure of one scene; `index` is that of its model."""

    name: str
    index: int
    dose: float
    image: SimulatedMicrograph
    masks: Masks

    @property
    def micrograph(self) -> Micrograph:
        """What a denoiser gets."""
        return Micrograph(
            pixels=self.image.noisy, pixel_size=PIXEL_SIZE, optics=self.image.optics
        )


def find_masks(image: SimulatedMicrograph, *, diameter: float) -> Masks:
    """Pixels inside particles, and pixels far from all; the diameter in Å."""
    h, w = image.noisy.shape
    particles, filled = (
        near_particles(image.centers_yx, shape=(h, w), distance=distance)
        for distance in (
            diameter / PIXEL_SIZE / 2,
            0.75 * diameter / PIXEL_SIZE + 10,
        )
    )
    # Near the edge there may be particles whose centres are outside.
    rim = int(diameter / PIXEL_SIZE)
    empty = np.zeros((h, w), dtype=bool)
    empty[rim : h - rim, rim : w - rim] = ~filled[rim : h - rim, rim : w - rim]
    return Masks(particles=particles, empty=empty)


def simulate(
    models: Sequence[Path], *, size: int, scenes: int, seed: int, background: float
) -> Iterator[Case]:
    """Each scene at each dose; what is random begins anew, so the scene is the same."""
    for (index, path), scene in product(enumerate(models), range(scenes)):
        model, masks = read_atomic_model(path), None
        for dose in DOSES:
            rng = np.random.default_rng([seed, index, scene])
            image = simulate_micrograph(
                [model],
                random_optics(rng, voltage=300.0),
                SceneSettings(background=background),
                Exposure(shape=(size, size), pixel_size=PIXEL_SIZE, dose=dose),
                rng=rng,
            )
            # They take longer than the rest.
            masks = masks or find_masks(image, diameter=model.diameter)
            yield Case(
                name=f"{model.name}_{scene}",
                index=index,
                dose=dose,
                image=image,
                masks=masks,
            )


def judge(case: Case, output: Pixels) -> Row:
    """All figures of one output."""
    truth = case.image.clean
    masks = case.masks
    both = masks.empty.any() and masks.particles.any()
    products = band_products(
        output, truth, pixel_size=PIXEL_SIZE, bands=[PARTICLE_BAND]
    )
    [correlation], [slope], [power] = products.correlation, products.slope, products.own
    return {
        "correlation": float(correlation),
        "snr_in_dB": snr_in_db(float(correlation)),
        "slope": float(slope),
        "power": float(power),
        "empty_ice": empty_ice_ratio(
            output, particles=masks.particles, empty=masks.empty
        )
        if both
        else float("nan"),
    }


def snr_in_db(correlation: float) -> float:
    """Signal-to-noise ratio of an image, brought to the grey scale that suits it best.

    What is explained of the truth, `c²`, over what is not, `1 - c²`.
    """
    explained = max(correlation, 0.0) ** 2
    with np.errstate(divide="ignore"):
        return float(10 * (np.log10(explained) - np.log10(1 - explained)))


def measure(
    cases: Sequence[Case], denoiser: str, programs: Programs, *, name: str
) -> list[Row]:
    """A row for each case; the denoiser is called `name` there."""
    outputs = named_denoiser(denoiser, programs)([case.micrograph for case in cases])
    return [
        {"denoiser": name, "scene": case.name, "dose": case.dose} | judge(case, output)
        for case, output in zip(cases, outputs, strict=True)
    ]


def show_example(
    path: Path, case: Case, denoisers: Sequence[str], programs: Programs
) -> None:
    """One scene as every denoiser makes it, beside the truth."""
    from charts import draw_images  # noqa: PLC0415  matplotlib is an extra

    images = {"truth": case.image.clean}
    for name in denoisers:
        [images[label(name)]] = named_denoiser(name, programs)([case.micrograph])
    draw_images(path, images, pixel_size=PIXEL_SIZE)


def guided_rows(
    cases: Sequence[Case], models: Sequence[Path], programs: Programs, *, model: str
) -> list[Row]:
    """Each scene guided by what it is made of, and by the next model of the list."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
        path = Path(folder) / "guided.yaml"
        for shift, name in enumerate(("guided", "decoy-guided")):
            for index in range(len(models)):
                atoms = models[(index + shift) % len(models)]
                guided_settings(path, model=model, atoms=atoms)
                own = [case for case in cases if case.index == index]
                rows += measure(own, str(path), programs, name=name)
    return rows


def best_topaz(rows: Sequence[Row]) -> list[Row]:
    """The rows of Topaz at the pixel size that does best, dose by dose, once more."""
    found: list[Row] = []
    own = [row for row in rows if str(row["denoiser"]).partition(":")[0] == TOPAZ]
    for some in grouped(own, "dose").values():
        candidates = grouped(some, "denoiser").values()
        best = max(candidates, key=lambda one: mean(one, "correlation"))
        found += [row | {"denoiser": BEST_TOPAZ} for row in best]
    return found


models_option = click.option(
    "--models",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    required=True,
    help="Atomic model; may be repeated.",
)


@click.command()
@models_option
@denoiser_option("raw", "band-pass")
@click.option("--guided", help="A model of cryoscore that is guided as well.")
@program_options
@click.option("--size", default=1024, help="Side of a micrograph in px.")
@click.option("--scenes", default=2, help="Scenes of each model.")
@click.option("--seed", default=2026)
@click.option(
    "--background",
    default=TYPICAL_BACKGROUND,
    show_default=True,
    help="Strength of the background; 1 for an ugly micrograph.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"PNG with the first scene at {SHOWN_DOSE:g} e/Å² as all denoisers make it.",
)
@record_option
def main(  # noqa: PLR0913  one argument for each option
    *,
    models: tuple[Path, ...],
    denoisers: tuple[str, ...],
    guided: str | None,
    topaz: Path | None,
    cache: Path,
    size: int,
    scenes: int,
    seed: int,
    background: float,
    picture: Path | None,
    record: Path | None,
) -> None:
    """Print how like the truth each denoiser's output is, by dose.

    With `--record figures.json` the figures of every micrograph are written there, and
    the comparisons with raw to `figures_compared.json`.
    """
    torch.set_num_threads(1)
    if guided and len(models) == 1:
        msg = "With --guided there should be two --models, one the decoy of the other."
        raise ConfigError(msg)
    programs = find_programs(topaz, cache)
    cases = list(
        simulate(models, size=size, scenes=scenes, seed=seed, background=background)
    )
    rows: list[Row] = []
    for name in denoisers:
        rows += measure(cases, name, programs, name=label(name))
    rows += best_topaz(rows)
    if guided:
        rows += guided_rows(cases, models, programs, model=guided)
    conclude(rows, record)
    if picture is not None:
        shown = next(case for case in cases if case.dose == SHOWN_DOSE)
        show_example(picture, shown, denoisers, programs)


def conclude(rows: Sequence[Row], record: Path | None) -> None:
    """Print means, and record the figures and how they compare with raw."""
    for figure in FIGURES:
        click.echo(f"\n{figure}, by dose in e/Å²")
        print_table(pivot(rows, figure, line="denoiser", across=["dose"]))
    write_record(rows, record)
    compared = [
        row
        for own in grouped(rows, "dose").values()
        for row in compared_with_raw(own, "correlation", unit="scene", within=["dose"])
    ]
    write_beside(compared, record, "compared")


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
