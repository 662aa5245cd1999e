"""Figures of the benchmarks here: a picture for each number that is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from grids import Pixels
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import Key, column, grouped, mean

from cryoscore_plugin.cli.records import Row
from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.curves import Axis, Curve, write_curves
from cryoscore_plugin.report.figures import Panel, draw_panel

DOTS_PER_INCH = 140
PANEL_WIDTH, LINE_HEIGHT = 3.4, 0.3  # inches
IN_A_ROW, SHOWN = 4, 512  # images, and px of each


def draw_over_dose(path: Path, rows: Sequence[Row], figure: str) -> None:
    """Mean of a figure over the dose, a curve for each denoiser."""
    curves = [
        Curve(
            name=str(name),
            x=np.array([dose for (dose,) in grouped(own, "dose")], dtype=float),
            y=np.array([mean(one, figure) for one in grouped(own, "dose").values()]),
        )
        for (name,), own in grouped(rows, "denoiser").items()
    ]
    write_curves(
        path,
        curves,
        x=Axis(label="Dose (e/Å²)", log=True),
        y=Axis(label=figure.replace("_", " "), low=0.0),
    )


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
    panels = grouped(rows, panel) if panel else {("",): list(rows)}
    names = [name for (name,) in grouped(rows, "denoiser")]
    height = 1.2 + LINE_HEIGHT * len(names)
    drawing = Figure(
        figsize=(1.6 + PANEL_WIDTH * len(panels), height),
        dpi=DOTS_PER_INCH,
        layout="constrained",
    )
    every = drawing.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, ((title,), own) in zip(every, panels.items(), strict=True):
        draw_lines(axes, own, figure, names=names, colour=colour)
        axes.set_title(str(title), fontsize=10)
        axes.set_xlabel(figure.replace("_", " "))
    every[0].set_yticks(range(len(names)), [str(name) for name in names])
    every[0].invert_yaxis()
    every[-1].legend(fontsize=8, title=colour.replace("_", " "), title_fontsize=8)
    with replacing(path) as temporary:
        drawing.savefig(temporary, format="png")


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
    drawing = Figure(
        figsize=(PANEL_WIDTH * IN_A_ROW, (PANEL_WIDTH + 0.3) * lines),
        dpi=DOTS_PER_INCH,
        layout="constrained",
    )
    every = list(drawing.subplots(lines, IN_A_ROW, squeeze=False).flat)
    for axes in every:
        axes.set_axis_off()
    for axes, (name, image) in zip(every, images.items(), strict=False):
        top, left = (max(0, (side - SHOWN) // 2) for side in image.shape)
        middle = image[top : top + SHOWN, left : left + SHOWN]
        draw_panel(axes, Panel(image=middle, pixel_size=pixel_size, title=name))
    with replacing(path) as temporary:
        drawing.savefig(temporary, format="png")


def draw_lines(
    axes: Axes,
    rows: Sequence[Row],
    figure: str,
    *,
    names: Sequence[str | float],
    colour: str,
) -> None:
    """Dots and means of one panel."""
    groups: dict[Key, list[Row]] = grouped(rows, colour)
    for number, ((word,), own) in enumerate(groups.items()):
        shift = 0.6 * ((number + 0.5) / len(groups) - 0.5)
        paint = f"C{number}"
        for (name,), some in grouped(own, "denoiser").items():
            height = names.index(name) + shift
            values = column(some, figure)
            axes.plot(values, np.full(len(values), height), ".", color=paint, alpha=0.3)
            axes.plot(
                [mean(some, figure)], [height], "|", color=paint, markersize=9, mew=2
            )
        axes.plot([], [], "|", color=paint, mew=2, label=str(word))
    axes.grid(axis="x", linewidth=0.4)
