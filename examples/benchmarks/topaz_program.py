"""Topaz-Denoise and Topaz's pretrained detector, as programs of Topaz 0.3.

Each function writes what the program reads, starts it once for all images, and reads what
it wrote.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from grids import Pixels, on_grid
from other_programs import run_program, write_images

from cryoscore_plugin.evaluation.pick_tables import NO_PICKS, read_picks
from cryoscore_plugin.evaluation.pickers import Picks
from cryoscore_plugin.mrc import read_micrograph

DETECTOR_DIAMETER = 20.0
"""Diameter of a particle in px on the grid that Topaz's detector looks at: what it was
trained on, about (8 Å/px)."""


def topaz_denoise(topaz: Path, images: Sequence[Pixels]) -> list[Pixels]:
    """Denoise images as wholes with the pretrained `unet`.

    Never `-m`, which version 0.3 ignores, and `-s -1`: each tile would have its own grey
    scale.
    """
    with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
        files = write_images(images, Path(folder) / "input")
        outputs = Path(folder) / "output"
        words = shlex.split("denoise -d -1 -j 1 --arch unet -s -1 -o")
        run_program([topaz, *words, outputs, *files])
        return [read_micrograph(outputs / file.name).pixels for file in files]


def topaz_picks(
    topaz: Path, images: Sequence[Pixels], *, diameter: float
) -> list[Picks]:
    """Picks of Topaz's pretrained detector; all lengths in px of the images."""
    scale = min(1.0, DETECTOR_DIAMETER / diameter)
    small = [
        on_grid(image, tuple(round(side * scale) for side in image.shape))
        for image in images
    ]
    with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
        files = write_images(small, Path(folder) / "input")
        normalized, table = Path(folder) / "normalized", Path(folder) / "picks.txt"
        words = shlex.split("preprocess -s 1 -d -1 -t 0 -j 1 -o")
        run_program([topaz, *words, f"{normalized}/", *files])
        words = ["extract", "-d", "-1", "-j", "1"]
        words += ["-r", str(round(diameter * scale / 2)), "-o", str(table)]
        run_program([topaz, *words, *(normalized / file.name for file in files)])
        found = read_picks([table])
    return [
        _rescaled(found.get(file.stem, NO_PICKS), coarse.shape, image.shape)
        for file, coarse, image in zip(files, small, images, strict=True)
    ]


def _rescaled(picks: Picks, coarse: tuple[int, ...], fine: tuple[int, ...]) -> Picks:
    """Picks on a finer grid of the same area."""
    factors = np.array(fine) / np.array(coarse)
    return Picks(
        centers_yx=(picks.centers_yx + 0.5) * factors - 0.5, scores=picks.scores
    )
