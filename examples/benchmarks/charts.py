"""Figures of the benchmarks here: a picture for each number that is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from grids import Pixels
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from tables import column, grouped, mean

from cryoscore_plugin.cli.records import Row
from cryoscore_plugin.report.curves import COLOURS, new_figure, save_figure
from cryoscore_plugin.report.figures import Panel, draw_panel

PANEL_WIDTH, LINE_HEIGHT = 3.4, 0.3  # inches
IN_A_ROW, SHOWN = 4, 512  # images, and px of each

Draw = Callable[[Axes, Sequence[Row], float, str], None]
"""Draws rows of one denoiser at a height, in a colour."""


def draw_over_dose(path: Path, rows: Sequence[Row], figure: str) -> None:
    """Mean of a figure over the dose, a curve for each denoiser."""
    drawing = new_figure(PANEL_WIDTH + 3.0, PANEL_WIDTH + 0.4)
    axes = drawing.subplots()
    doses = sorted({float(row["dose"]) for row in rows})
    for number, ((name,), own) in enumerate(grouped(rows, "denoiser").items()):
        by_dose = grouped(own, "dose")
        axes.plot(
            [float(dose) for (dose,) in by_dose],
            [mean(some, figure) for some in by_dose.values()],
            color=COLOURS[number % len(COLOURS)],
            linestyle="-" if number < len(COLOURS) else "--",
            marker=".",
            label=str(name),
        )
    axes.set_xscale("log")
    axes.set_xticks(doses, [f"{dose:g}" for dose in doses])
    axes.minorticks_off()
    axes.set_xlabel("dose (e/Å²)")
    axes.set_ylabel(figure.replace("_", " "))
    # A ratio in dB may be negative; other figures are read from 0 on.
    if not any(value < 0 for value in column(rows, figure)):
        axes.set_ylim(bottom=0)
    axes.grid(linewidth=0.4)
    # Not in the axes, where it would cover curves.
    drawing.legend(loc="outside right upper", fontsize=8)
    save_figure(drawing, path)


def draw_dots(
    path: Path, rows: Sequence[Row], figure: str, *, panel: str | None, colour: str
) -> None:
    """Every micrograph as a dot and their means as bars, a line for each denoiser.

    Parameters
    ----------
    path : Path
        The picture, a PNG.
    rows : Sequence[Row]
        Each with `denoiser`, the figure, and what tells panels and colours.
    figure : str
        The column that is drawn.
    panel : str or None
        Column that tells panels from each other; None for one panel.
    colour : str
        Column that tells colours.
    """

    def draw(axes: Axes, own: Sequence[Row], height: float, paint: str) -> None:
        values = column(own, figure)
        axes.plot(values, np.full(len(values), height), ".", color=paint, alpha=0.3)
        axes.plot([mean(own, figure)], [height], "|", color=paint, ms=9, mew=2)

    _draw_lines(path, rows, draw, panel=panel, colour=colour, label=figure)


def draw_shifts(
    path: Path, rows: Sequence[Row], *, panel: str | None, colour: str
) -> None:
    """How much better than raw each denoiser is, with the interval of the shift.

    The rows are those of `tables.compared_with_raw`; the others as in `draw_dots`.
    """

    def draw(axes: Axes, own: Sequence[Row], height: float, paint: str) -> None:
        for row in own:
            ends = [float(row["low"]), float(row["high"])]
            axes.plot(ends, [height, height], color=paint)
            axes.plot([float(row["shift"])], [height], "D", color=paint, ms=4)
        axes.axvline(0, color="grey", linewidth=0.6)

    label = f"{rows[0]['figure']}: difference to raw"
    _draw_lines(path, rows, draw, panel=panel, colour=colour, label=label)


def _draw_lines(
    path: Path,
    rows: Sequence[Row],
    draw: Draw,
    *,
    panel: str | None,
    colour: str,
    label: str,
) -> None:
    """A panel for each value of `panel`, in it a line for each denoiser."""
    panels = grouped(rows, panel) if panel else {("",): list(rows)}
    names = [name for (name,) in grouped(rows, "denoiser")]
    words = [word for (word,) in grouped(rows, colour)]
    width, height = 3.0 + PANEL_WIDTH * len(panels), 1.2 + LINE_HEIGHT * len(names)
    drawing = new_figure(width, height)
    every = drawing.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, ((title,), own) in zip(every, panels.items(), strict=True):
        for (name, word), some in grouped(own, "denoiser", colour).items():
            shift = 0.6 * ((words.index(word) + 0.5) / len(words) - 0.5)
            paint = f"C{words.index(word)}"
            draw(axes, some, names.index(name) + shift, paint)
        axes.set_title(str(title), fontsize=10)
        axes.set_xlabel(label.replace("_", " "))
        axes.grid(axis="x", linewidth=0.4)
    every[0].set_yticks(range(len(names)), [str(name) for name in names])
    every[0].invert_yaxis()
    marks = [Line2D([], [], color=f"C{number}", lw=2) for number in range(len(words))]
    drawing.legend(marks, list(map(str, words)), loc="outside right upper", fontsize=8)
    save_figure(drawing, path)


def draw_images(path: Path, images: Mapping[str, Pixels], *, pixel_size: float) -> None:
    """The middle of images side by side, each on its own grey scale.

    Parameters
    ----------
    path : Path
        The picture, a PNG.
    images : Mapping[str, Pixels]
        By name, all of one area.
    pixel_size : float
        Of all, in Å/px.
    """
    lines = -(-len(images) // IN_A_ROW)
    drawing = new_figure(PANEL_WIDTH * IN_A_ROW, (PANEL_WIDTH + 0.3) * lines)
    # About one dot for each pixel.
    drawing.set_dpi(SHOWN / PANEL_WIDTH)
    every = list(drawing.subplots(lines, IN_A_ROW, squeeze=False).flat)
    for axes in every:
        axes.set_axis_off()
    for axes, (name, image) in zip(every, images.items(), strict=False):
        top, left = (max(0, (side - SHOWN) // 2) for side in image.shape)
        middle = image[top : top + SHOWN, left : left + SHOWN]
        draw_panel(axes, Panel(image=middle, pixel_size=pixel_size, title=name))
    save_figure(drawing, path)
