"""The figures of one picker on one image, in all benchmarks here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryoscore_plugin.evaluation.pickers import Picks, find_picks, is_inside
from cryoscore_plugin.evaluation.picking import pick_quality


def picking_figures(
    response: NDArray[np.float32],
    truth_yx: NDArray[np.float64],
    *,
    min_distance: float,
    border: float,
    max_distance: float,
) -> dict[str, float]:
    """Average precision and best F1 of the local maxima of a response.

    All lengths are in px. Picks are at least `min_distance` apart and match a truth
    within `max_distance`; picks and truth nearer than `border` to an edge are left out.
    """
    return picks_figures(
        find_picks(response, min_distance=min_distance),
        truth_yx,
        shape=response.shape,
        border=border,
        max_distance=max_distance,
    )


def picks_figures(
    picks: Picks,
    truth_yx: NDArray[np.float64],
    *,
    shape: tuple[int, ...],
    border: float,
    max_distance: float,
) -> dict[str, float]:
    """The same of picks that a program has made, on an image of `shape`."""
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
