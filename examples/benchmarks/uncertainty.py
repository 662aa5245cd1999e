"""Is `--uncertainty` right? Error of the restoration against the deviation predicted.

    python uncertainty.py --models FOLDER/a.npz --models FOLDER/b.npz --denoiser particle

The micrographs are those of `simulated.py`. In each, pixels are put into five groups of
one size by the predicted standard deviation, and for each group the root of the mean
squared error is divided by that of the mean predicted variance: 1 is right, more than 1
too sure. Last is the rank correlation of prediction and error over squares of 32 px.
The truth is levelled as the image was (`local_mean`), and has nothing beyond 6 Å.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from grids import Pixels, at_sampling
from scipy.stats import spearmanr
from simulated import DOSES, PIXEL_SIZE, Case, models_option, simulate

from cryoscore_plugin.denoiser import Denoiser, load_denoisers
from cryoscore_plugin.local_mean import without_local_mean
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.simulation.micrographs import TYPICAL_BACKGROUND

GROUPS = 5
SQUARE = 32  # px


def squared_error_and_variance(case: Case, denoiser: Denoiser) -> tuple[Pixels, Pixels]:
    """Of each pixel on the working grid: what happened, and what was predicted."""
    found = denoiser.denoise(Micrograph(pixels=case.image.noisy, pixel_size=PIXEL_SIZE))
    truth = torch.from_numpy(
        at_sampling(case.image.clean, PIXEL_SIZE, denoiser.working_pixel_size)
    )
    if denoiser.local_mean is not None:
        truth = without_local_mean(truth, sigma=denoiser.local_mean)
    # The level of an image is none of its particles.
    clean = found.micrograph.pixels - np.median(found.micrograph.pixels)
    return (clean - truth.numpy()) ** 2, found.uncertainty.pixels**2


def ratios(error: Pixels, variance: Pixels) -> list[float]:
    """Error over prediction, from the group that is predicted best to the worst."""
    order = np.argsort(variance, axis=None)
    return [
        float(np.sqrt(error.flat[part].mean() / variance.flat[part].mean()))
        for part in np.array_split(order, GROUPS)
    ]


def rank_correlation(error: Pixels, variance: Pixels) -> float:
    """Whether places that are predicted worse are worse."""
    side = len(error) // SQUARE * SQUARE
    shape = (side // SQUARE, SQUARE, side // SQUARE, SQUARE)
    means = [
        image[:side, :side].reshape(shape).mean(axis=(1, 3)).ravel()
        for image in (error, variance)
    ]
    return float(spearmanr(*means).statistic)


@click.command()
@models_option
@click.option("--denoiser", "name", default="particle", show_default=True)
@click.option("--probes", default=8, show_default=True)
@click.option("--size", default=1024, help="Side of a micrograph in px.")
@click.option("--seed", default=2026)
@click.option("--background", default=TYPICAL_BACKGROUND, show_default=True)
def main(
    *,
    models: tuple[Path, ...],
    name: str,
    probes: int,
    size: int,
    seed: int,
    background: float,
) -> None:
    """Print error over prediction by group, the mean over micrographs for each dose."""
    [denoiser] = load_denoisers(
        DenoiseSettings(
            model=name, uncertainty=True, probes=probes, write_binned=True, device="cpu"
        )
    )
    rows: dict[float, list[list[float]]] = {dose: [] for dose in DOSES}
    for case in simulate(models, size=size, scenes=1, seed=seed, background=background):
        error, variance = squared_error_and_variance(case, denoiser)
        whole = float(np.sqrt(error.mean() / variance.mean()))
        rows[case.dose].append(
            [whole, *ratios(error, variance), rank_correlation(error, variance)]
        )
    titles = ["all", *(f"fifth {n + 1}" for n in range(GROUPS)), "rank corr"]
    click.echo("e/Å²   " + "".join(f"{title:>10}" for title in titles))
    for dose, found in rows.items():
        means = np.mean(found, axis=0)
        click.echo(f"{dose:<7g}" + "".join(f"{value:10.2f}" for value in means))


if __name__ == "__main__":
    main()
