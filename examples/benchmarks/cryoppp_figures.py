"""The figures of one micrograph of CryoPPP, as `cryoppp.py` explains them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryoppp_data import Labelled, upside_down
from denoisers import is_folder, named_denoiser
from grids import Pixels, on_grid
from numpy.typing import NDArray
from picking import all_picks, picks_figures
from programs import Programs

from cryoscore_plugin.cli.records import Row
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pickers import laplacian_of_gaussian
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_micrograph

PICKING_DIAMETER = 40.0  # px
Denoise = Callable[[Labelled, Micrograph], Pixels]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is done with each micrograph.

    Attributes
    ----------
    denoisers : dict[str, Denoise]
        By name.
    programs : Programs or None
        Pickers beside ours.
    pixel_size : float or None
        In Å/px, if the headers are wrong.
    max_distance : float
        Of a match, in diameters.
    """

    denoisers: dict[str, Denoise]
    programs: Programs | None
    pixel_size: float | None
    max_distance: float


def make_denoiser(
    name: str, labelled: Sequence[Labelled], programs: Programs
) -> Denoise:
    """From a word on the command line to a function; a folder must be complete."""
    if not is_folder(name):
        denoise = named_denoiser(name, programs)
        return lambda _, raw: denoise([raw])[0]

    def output(one: Labelled) -> Path:
        return Path(name) / one.data_set / one.path.name

    missing = [output(one) for one in labelled if not output(one).exists()]
    if missing:
        msg = (
            f"{name} should hold every micrograph, but {len(missing)} of "
            f"{len(labelled)} are missing, such as {missing[0]}. Denoise them, or "
            "use --limit."
        )
        raise InputError(msg)
    return lambda one, raw: (
        read_micrograph(output(one), pixel_size=raw.pixel_size).pixels
    )


def mean_response(response: Pixels, centers_yx: NDArray[np.float64]) -> float:
    """Mean at the nearest pixels, in standard deviations of the response above 0."""
    y, x = np.rint(centers_yx).astype(int).T
    h, w = response.shape
    seen = response[y.clip(0, h - 1), x.clip(0, w - 1)]
    return float(seen.mean() / max(response.std(), np.finfo(np.float32).tiny))


def micrograph_rows(one: Labelled, setup: Setup) -> Iterator[Row]:
    """A row for each denoiser and picker."""
    raw = read_micrograph(one.path, pixel_size=setup.pixel_size)
    scale = min(1.0, PICKING_DIAMETER / one.diameter)
    h, w = (round(side * scale) for side in raw.pixels.shape)
    factors, diameter = np.array([h, w]) / raw.pixels.shape, one.diameter * scale
    truth = one.centers_yx * factors
    turned = upside_down(one.centers_yx, len(raw.pixels)) * factors
    images = {
        name: on_grid(denoise(one, raw), (h, w))
        for name, denoise in setup.denoisers.items()
    }
    # All at once: a program takes longer to start than to pick.
    picks = all_picks(
        images, diameter=diameter, pixel_size=1.0, programs=setup.programs
    )
    for name, image in images.items():
        response = laplacian_of_gaussian(image, diameter=diameter)
        seen = {
            "at_picks": mean_response(response, truth),
            "at_picks_turned": mean_response(response, turned),
        }
        about: Row = {"data_set": one.data_set, "micrograph": one.path.stem}
        for picker, by_name in picks.items():
            figures = picks_figures(
                by_name[name],
                truth,
                shape=(h, w),
                border=diameter / 2,
                max_distance=diameter * setup.max_distance,
            )
            yield about | {"denoiser": name, "picker": picker} | figures | seen
