"""The pickers of all benchmarks here, and the figures of one picker on one image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from grids import Pixels
from numpy.typing import NDArray
from programs import Programs

from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    is_inside,
    laplacian_of_gaussian,
)
from cryoscore_plugin.evaluation.picking import pick_quality

LOG = "log"
"""The picker that needs no program: a Laplacian of Gaussian."""


def all_picks(
    images: Mapping[str, Pixels],
    *,
    diameter: float,
    pixel_size: float,
    programs: Programs | None,
) -> dict[str, dict[str, Picks]]:
    """What each picker proposes on each image, by the name of the image.

    Parameters
    ----------
    images : Mapping[str, Pixels]
        The images, dark particles.
    diameter, pixel_size : float
        Of the particle in Å, and of all images in Å/px.
    programs : Programs or None
        Pickers beside ours.
    """
    pixels = diameter / pixel_size
    ours = {
        name: find_picks(
            laplacian_of_gaussian(image, diameter=pixels), min_distance=pixels / 2
        )
        for name, image in images.items()
    }
    others = (
        {}
        if programs is None
        else programs.picks(images, diameter=diameter, pixel_size=pixel_size)
    )
    return {LOG: ours} | others


def picks_figures(
    picks: Picks,
    truth_yx: NDArray[np.float64],
    *,
    shape: tuple[int, ...],
    border: float,
    max_distance: float,
) -> dict[str, float]:
    """Average precision and best F1 of picks on an image of `shape`.

    All lengths are in px. Picks match a truth within `max_distance`; picks and truth
    nearer than `border` to an edge are left out.
    """
    inside = is_inside(truth_yx, shape=shape, border=border)
    kept = is_inside(picks.centers_yx, shape=shape, border=border)
    picks = Picks(centers_yx=picks.centers_yx[kept], scores=picks.scores[kept])
    quality = pick_quality(picks, truth_yx[inside], max_distance=max_distance)
    return {
        "average_precision": quality.average_precision,
        "best_f1": quality.best_f1,
        "picks": float(len(picks)),
        "particles": float(inside.sum()),
    }
