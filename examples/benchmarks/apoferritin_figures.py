"""The figures of denoised apoferritin micrographs, as `apoferritin.py` explains them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import starfile
import torch
from apoferritin_data import PIXEL_SIZE, micrographs, read_pixels
from grids import Pixels
from picking import all_picks, picks_figures
from programs import Programs
from scipy.spatial.transform import Rotation

from cryoscore_plugin.cli.records import Row
from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.evaluation.fidelity import band_correlation
from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    template_correlation,
)
from cryoscore_plugin.local_mean import without_local_mean

DIAMETER = 120.0  # Å
BORDER = 45.0  # px
LEVEL = 120.0  # Å; standard deviation of the Gaussian mean that is the slow level
BANDS = ((250, 150), (150, 80), (80, 40), (40, 20), (250, 12))  # Å


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


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every denoiser is judged with.

    Attributes
    ----------
    data : Path
        Folder of the micrographs.
    reference : Path or None
        Atoms for the ring picker.
    max_distance : float
        Of a match, in Å.
    pickers : Programs or None
        Pickers beside ours.
    """

    data: Path
    reference: Path | None
    max_distance: float
    pickers: Programs | None

    @property
    def raws(self) -> list[Path]:
        """The raw micrographs."""
        return [raw for raw, _ in micrographs(self.data)]


def picks_by_picker(
    images: dict[Path, Pixels], setup: Setup
) -> dict[str, dict[str, Picks]]:
    """What each picker proposes on each image, by the name of the micrograph."""
    picks = all_picks(
        {raw.stem: image for raw, image in images.items()},
        diameter=DIAMETER,
        pixel_size=PIXEL_SIZE,
        programs=setup.pickers,
    )
    if setup.reference is not None:
        templates = {
            raw: ring_template(setup.reference, defocus)
            for raw, defocus in micrographs(setup.data)
        }
        picks["ring"] = {
            raw.stem: find_picks(
                template_correlation(image, templates[raw]),
                min_distance=DIAMETER / 2 / PIXEL_SIZE,
            )
            for raw, image in images.items()
        }
    return picks


def picking_rows(
    name: str, dose: str, images: dict[Path, Pixels], setup: Setup
) -> list[Row]:
    """A row for each picker and micrograph."""
    return [
        {"denoiser": name, "dose": dose, "picker": picker}
        | {"micrograph": raw.stem}
        | judge(raw, by_name[raw.stem], image.shape, setup.max_distance)
        for picker, by_name in picks_by_picker(images, setup).items()
        for raw, image in images.items()
    ]


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


def rest_rows(name: str, images: dict[Path, Pixels]) -> list[Row]:
    """Correlation of denoised frames with the rest of their movies, band by band."""
    rows: list[Row] = []
    for raw, image in images.items():
        rest = levelled(read_pixels(raw.with_name(f"{raw.stem}_rest.mrc")))
        frame = levelled(image)
        rows += [
            {"denoiser": name, "micrograph": raw.stem}
            | {"band": f"{long}-{short} Å"}
            | {
                "correlation": band_correlation(
                    frame, rest, pixel_size=PIXEL_SIZE, band=(1 / long, 1 / short)
                )
            }
            for long, short in BANDS
        ]
    return rows


def levelled(image: Pixels) -> Pixels:
    """An image without its slow level.

    Frame and rest have the same, and at the edges of an image it leaks into all bands.
    """
    pixels = torch.from_numpy(image.astype(np.float32))
    return without_local_mean(pixels, sigma=LEVEL / PIXEL_SIZE).numpy()
