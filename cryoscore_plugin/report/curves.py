"""Curves in one pair of axes, as people put them into a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.arrays import Values
from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.figures import DOTS_PER_INCH, require_matplotlib

SIZE = (4.5, 3.4)
"""Width and height in inches: a column of a journal."""

MOST_NAMED = 10
"""Curves up to which each is named; a longer legend would cover them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One curve.

    Attributes
    ----------
    name : str
        For the legend.
    x, y : Values
        Its points, in order.
    """

    name: str
    x: Values
    y: Values


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What stands along an axis.

    Attributes
    ----------
    label : str
        The quantity with its unit.
    low, high : float or None
        Its ends; None leaves them to the curves.
    log : bool
        Whether equal ratios are equally far apart.
    """

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


def write_curves(
    path: Path,
    curves: Sequence[Curve],
    *,
    x: Axis,
    y: Axis,
    threshold: float | None = None,
) -> None:
    """Draw curves, and write them as PNG, PDF or SVG, as the suffix says.

    Parameters
    ----------
    path : Path
        The file to write.
    curves : Sequence[Curve]
        The curves.
    x, y : Axis
        The axes.
    threshold : float or None
        A value of y that is marked by a line.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    for curve in curves:
        axes.plot(curve.x, curve.y, marker=".", label=curve.name)
    if threshold is not None:
        axes.axhline(threshold, color="grey", linewidth=1, linestyle="--")
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    if x.log:
        axes.set_xscale("log")
    if y.log:
        axes.set_yscale("log")
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    if len(curves) <= MOST_NAMED:
        axes.legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix("."))
