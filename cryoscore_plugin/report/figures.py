"""Images side by side, with a scale bar, as a PNG.

Pixels are shown as they are: no filter, no sharpening. Each panel has its own grey
scale, from the 0.5th to the 99.5th percentile of its pixels, because a noisy image
and a denoised one differ tenfold in spread; the caption says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_INCHES = 3.6
"""Side of a panel."""

DOTS_PER_INCH = 140

GREY_PERCENTILES = (0.5, 99.5)
"""Of the pixels, from black to white."""

CAPTION = "Pixels as they are, each panel on its own grey scale (0.5 to 99.5 %)."


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One image of a picture.

    Attributes
    ----------
    image : Image
        Its pixels.
    pixel_size : float
        In Å/px, for the scale bar.
    title : str
        What is written above it.
    """

    image: Image
    pixel_size: float
    title: str


def require_matplotlib() -> None:
    """Make sure that pictures can be made, before work is spent on them.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        msg = (
            f"Pictures need matplotlib, which cannot be imported ({error}). Install "
            "it: pip install 'cryoscore[report]'"
        )
        raise ConfigError(msg) from error


def write_picture(path: Path, rows: Sequence[Sequence[Panel]]) -> None:
    """Write rows of panels as one PNG.

    Parameters
    ----------
    path : Path
        The file to write.
    rows : Sequence[Sequence[Panel]]
        Panels from left to right, rows from top to bottom; rows have one length.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    size = (PANEL_INCHES * len(rows[0]), (PANEL_INCHES + 0.3) * len(rows) + 0.3)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, row_axes in zip(rows, axes, strict=True):
        for panel, panel_axes in zip(row, row_axes, strict=True):
            draw_panel(panel_axes, panel)
    figure.supxlabel(CAPTION, fontsize=9)
    _save(figure, path)


def scale_bar_length(width: float) -> float:
    """Length of a scale bar: 1, 2 or 5 times a power of ten, a tenth to a quarter.

    Parameters
    ----------
    width : float
        Width of the image in Å.

    Returns
    -------
    length : float
        In Å.
    """
    decade = 10 ** np.floor(np.log10(width / 4))
    return float(max(m * decade for m in (1, 2, 5) if m * decade <= width / 4))


def draw_panel(axes: Axes, panel: Panel) -> None:
    """Draw an image with its scale bar and its title.

    Parameters
    ----------
    axes : Axes
        Where to draw, of matplotlib.
    panel : Panel
        What to draw.
    """
    low, high = np.percentile(panel.image, GREY_PERCENTILES)
    axes.imshow(panel.image, cmap="gray", vmin=low, vmax=high)
    # With its height given, matplotlib does not measure all else to find it.
    axes.set_title(panel.title, fontsize=10, y=1.0)
    axes.set_axis_off()
    h, w = panel.image.shape
    length = scale_bar_length(w * panel.pixel_size)
    left, right = 0.04 * w, 0.04 * w + length / panel.pixel_size
    axes.plot([left, right], [0.95 * h, 0.95 * h], color="white", linewidth=3)
    axes.text(
        (left + right) / 2,
        0.93 * h,
        f"{length:g} Å",
        color="white",
        fontsize=9,
        horizontalalignment="center",
        bbox={"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 1.5},
    )


def _save(figure: Figure, path: Path) -> None:
    """Write so that there is never half a picture."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
