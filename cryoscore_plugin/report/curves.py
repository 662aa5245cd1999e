"""Curves in one or more pairs of axes, as people put them into a paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoscore_plugin.arrays import Values
from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.figures import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (4.5, 3.4)
"""Width and height of a pair of axes in inches: a column of a journal."""

DOTS_PER_INCH = 300
"""What journals ask of pictures that are not drawn by lines."""

MOST_NAMED = 10
"""Curves up to which each is named; a longer legend would cover them."""

MOST_MARKED = 15
"""Points up to which each of a curve is marked; of more, the line says all."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by those who see no red or green (Okabe and Ito 2008)."""

MARKERS = "osD^vPX"
"""Told apart without any colour."""

STYLES = ("-", "--", "-.", ":")
"""Of the lines of one family."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One curve.

    Attributes
    ----------
    name : str
        For the legend.
    x, y : Values
        Its points, in order.
    low, high : Values or None
        Ends of the interval of each y, drawn as bars or, of a dense curve, as a shade.
    chance : Values or None
        Values of y that mean nothing, drawn as a dotted line in the same colour.
    family : str
        Curves of one family, such as those of one method, have one colour in all plots
        of a figure, and lines of their own. Without it a curve is a family.
    """

    name: str
    x: Values
    y: Values
    low: Values | None = None
    high: Values | None = None
    chance: Values | None = None
    family: str = ""


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
    ticks : dict[float, str] or None
        Values that are marked, and how they are called; None marks round ones.
    """

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    ticks: dict[float, str] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Plot:
    """A pair of axes with its curves.

    Attributes
    ----------
    curves : Sequence[Curve]
        From back to front.
    x, y : Axis
        The axes.
    threshold : float or None
        A value of y that is marked by a line.
    """

    curves: Sequence[Curve]
    x: Axis
    y: Axis
    threshold: float | None = None


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
    write_plots(path, [Plot(curves=curves, x=x, y=y, threshold=threshold)])


def write_plots(
    path: Path, plots: Sequence[Plot], *, columns: int = 2, caption: str = ""
) -> None:
    """Draw plots in rows, with one legend, and write them as the suffix says.

    Parameters
    ----------
    path : Path
        The file to write.
    plots : Sequence[Plot]
        From left to right, row by row; each is called by a letter if there are several.
    columns : int
        Plots in a row.
    caption : str
        What stands below all of them.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    columns = min(columns, len(plots))
    rows = -(-len(plots) // columns)
    figure = new_figure(SIZE[0] * columns, SIZE[1] * rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    families = list(dict.fromkeys(_family(x) for plot in plots for x in plot.curves))
    for letter, axes, plot in zip("abcdefghij", places, plots, strict=False):
        _draw_plot(axes, plot, families)
        if len(plots) > 1:
            axes.set_title(letter, loc="left", fontweight="bold")
    for axes in places[len(plots) :]:
        axes.set_axis_off()
    _add_legends(figure, places, plots)
    if caption:
        figure.supxlabel(caption, fontsize=8)
    save_figure(figure, path)


def _add_legends(figure: Figure, places: Iterable[Axes], plots: Sequence[Plot]) -> None:
    """One legend for plots of the same curves, else one in each."""
    named = [[curve.name for curve in plot.curves] for plot in plots]
    if len(plots) > 1 and named.count(named[0]) == len(plots):
        if len(named[0]) <= MOST_NAMED:
            handles, labels = next(iter(places)).get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=4)
        return
    for axes, names in zip(places, named, strict=False):
        if len(names) <= MOST_NAMED:
            axes.legend(fontsize=8)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as its suffix says, complete or not at all."""
    from matplotlib import rc_context  # noqa: PLC0415  an extra

    # TrueType: journals refuse the letters that matplotlib embeds without being asked.
    with replacing(path) as temporary, rc_context({"pdf.fonttype": 42}):
        figure.savefig(temporary, format=path.suffix.removeprefix("."))


def _family(curve: Curve) -> str:
    return curve.family or curve.name


def _draw_plot(axes: Axes, plot: Plot, families: Sequence[str]) -> None:
    """The curves of one plot, each in the colour of its family."""
    seen: Counter[str] = Counter()
    for curve in plot.curves:
        family = _family(curve)
        number, member = families.index(family), seen[family]
        seen[family] += 1
        # When the colours have all been used, the lines tell.
        style = STYLES[(number // len(COLOURS) + member) % len(STYLES)]
        _draw_curve(axes, curve, number=number, style=style)
    if plot.threshold is not None:
        axes.axhline(plot.threshold, color="grey", linewidth=1, linestyle="--")
    axes.set_xlabel(plot.x.label)
    axes.set_ylabel(plot.y.label)
    if plot.x.log:
        axes.set_xscale("log")
    if plot.y.log:
        axes.set_yscale("log")
    if plot.x.ticks is not None:
        axes.set_xticks(list(plot.x.ticks), list(plot.x.ticks.values()))
        axes.minorticks_off()
    axes.set_xlim(plot.x.low, plot.x.high)
    axes.set_ylim(plot.y.low, plot.y.high)


def _draw_curve(axes: Axes, curve: Curve, *, number: int, style: str) -> None:
    """A curve with its interval and what chance gives."""
    colour, dense = COLOURS[number % len(COLOURS)], len(curve.x) > MOST_MARKED
    marker = "" if dense else MARKERS[number % len(MARKERS)]
    axes.plot(
        *(curve.x, curve.y),
        style,
        color=colour,
        marker=marker,
        markersize=4,
        label=curve.name,
    )
    if curve.low is not None and curve.high is not None:
        if dense:
            axes.fill_between(
                curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0
            )
        else:
            # Rounding may put an end on the wrong side of its value.
            away = np.maximum([curve.y - curve.low, curve.high - curve.y], 0)
            axes.errorbar(
                *(curve.x, curve.y), away, fmt="none", ecolor=colour, capsize=2
            )
    if curve.chance is not None:
        axes.plot(curve.x, curve.chance, color=colour, linestyle=":")
