"""The figures of denoised apoferritin micrographs, as `apoferritin.py` explains them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from apoferritin_data import (
    PIXEL_SIZE,
    hand_picks,
    micrographs,
    noise_deviation,
    read_pixels,
)
from grids import Pixels
from picking import all_picks, picks_figures
from programs import Programs
from scipy.spatial.transform import Rotation

from cryoscore_plugin.cli.records import Row
from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    template_correlation,
)
from cryoscore_plugin.evaluation.products import band_products
from cryoscore_plugin.local_mean import without_local_mean

DIAMETER = 120.0  # Å
BORDER = 45.0  # px
LEVEL = 120.0  # Å; standard deviation of the Gaussian mean that is the slow level
BANDS = ((250, 150), (150, 80), (80, 40), (40, 20), (250, 12))  # Å
SIGNAL_BAND = (1 / 250, 1 / 20)  # 1/Å; where a whole movie has more signal than noise


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
    return picks_figures(
        picks,
        hand_picks(raw),
        shape=shape,
        border=BORDER,
        max_distance=max_distance / PIXEL_SIZE,
    )


def rest_rows(name: str, images: dict[Path, Pixels]) -> list[Row]:
    """How like the rest of their movies denoised frames are, band by band.

    `correlation`; and `risk`, the mean square error in units of the signal, which frame
    and rest share: without bias, because their noise is independent. A blank image has 1.
    """
    rows: list[Row] = []
    for raw, image in images.items():
        frame, rest = frame_and_rest(raw)
        limits = [(1 / long, 1 / short) for long, short in BANDS]
        found, shared = (
            band_products(one, rest, pixel_size=PIXEL_SIZE, bands=limits)
            for one in (levelled(image), frame)
        )
        risk = 1 + (found.own - 2 * found.shared) / shared.shared
        rows += [
            {"denoiser": name, "micrograph": raw.stem, "band": f"{long}-{short} Å"}
            | {"correlation": float(one), "risk": float(another)}
            for (long, short), one, another in zip(
                BANDS, found.correlation, risk, strict=True
            )
        ]
    return rows


def frame_and_rest(raw: Path) -> tuple[Pixels, Pixels]:
    """A frame and the rest of its movie without their slow levels, on one grey scale.

    The rest is scaled so that its power above white noise is what it shares with the
    frame. What moved or was damaged meanwhile, so that the frame has it and the rest has
    not, counts as noise of the frame.
    """
    frame, rest = (
        read_pixels(raw.with_name(f"{raw.stem}_{name}.mrc"))
        for name in ("frame", "rest")
    )
    noise = noise_deviation(rest) ** 2
    frame, rest = levelled(frame), levelled(rest)
    both = band_products(frame, rest, pixel_size=PIXEL_SIZE, bands=[SIGNAL_BAND])
    scale = both.shared / (both.true - noise * both.count / rest.size)
    return frame, rest * np.float32(scale[0])


def levelled(image: Pixels) -> Pixels:
    """An image without its slow level.

    Frame and rest have the same, and at the edges of an image it leaks into all bands.
    """
    pixels = torch.from_numpy(image.astype(np.float32))
    return without_local_mean(pixels, sigma=LEVEL / PIXEL_SIZE).numpy()
