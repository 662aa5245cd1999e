"""Differences of methods to a baseline, micrograph by micrograph, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoscore_plugin.arrays import Values
from cryoscore_plugin.report.curves import COLOURS, SIZE, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.75
"""Height of a method in inches."""

CAPTION = (
    "Dots: micrographs. Diamond: Hodges-Lehmann shift, 95 % bootstrap interval.\n"
    "p: Wilcoxon's signed-rank test, by Holm for all methods together."
)

GOLDEN = 0.618034
"""Multiples of it, without their whole part, fill a range evenly in any number."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Differences:
    """How much larger a figure is with a method than with the baseline.

    Attributes
    ----------
    method : str
        Its name.
    values : Values
        The difference on each micrograph.
    shift, low, high : float
        Their Hodges-Lehmann estimate, and the ends of its interval.
    p_value : float
        That pure chance gives so one-sided a result, raised for all methods.
    """

    method: str
    values: Values
    shift: float
    low: float
    high: float
    p_value: float


def write_differences(
    path: Path, methods: Sequence[Differences], *, label: str
) -> None:
    """Draw the differences of each method, and their shift with its interval.

    Parameters
    ----------
    path : Path
        A PNG, PDF or SVG file.
    methods : Sequence[Differences]
        From top to bottom.
    label : str
        Of the axis: which figure, and what it is compared with.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    figure = new_figure(1.3 * SIZE[0], 1.3 + ROW * len(methods))
    axes = figure.subplots()
    axes.axvline(0, color="grey", linewidth=1, linestyle="--")
    for row, method in enumerate(methods):
        _draw_method(axes, method, row)
    axes.set_yticks(range(len(methods)), [method.method for method in methods])
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xlabel(label)
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(
        range(len(methods)), [f"p = {method.p_value:.2g}" for method in methods]
    )
    beside.tick_params(length=0)
    figure.supxlabel(CAPTION, fontsize=7)
    save_figure(figure, path)


def _draw_method(axes: Axes, method: Differences, row: int) -> None:
    """Dots below, and the shift above them."""
    colour = COLOURS[row % len(COLOURS)]
    order = np.arange(len(method.values))
    aside = row + 0.1 + 0.3 * ((order * GOLDEN) % 1)
    axes.plot(method.values, aside, "o", color=colour, markersize=4, alpha=0.5)
    # Rounding may put an end on the wrong side of the shift.
    away = np.maximum([[method.shift - method.low], [method.high - method.shift]], 0)
    axes.errorbar(
        *([method.shift], [row - 0.15]),
        xerr=away,
        fmt="D",
        color=colour,
        markersize=6,
        capsize=3,
    )
