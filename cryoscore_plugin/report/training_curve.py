"""How a training run went, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.figures import DOTS_PER_INCH, require_matplotlib
from cryoscore_plugin.training.curve import read_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (7.0, 5.0)
"""Width and height in inches."""


def write_curve_picture(path: Path, curve: Path, *, start: str | None) -> None:
    """Draw loss and held-out risk over the steps.

    Parameters
    ----------
    path : Path
        The picture to write; its ending says in which format, such as `.png` or `.pdf`.
    curve : Path
        Table of the run, with at least one row.
    start : str or None
        Name of the model that training started from, if its risk is the first row.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    rows = read_curve(curve)
    steps = [row.step for row in rows]
    figure = Figure(figsize=_SIZE, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(steps, [row.risk for row in rows], "o-", label="this training")
    if start is not None:
        above.axhline(rows[0].risk, linestyle="--", color="grey", label=start)
    above.legend()
    _name(above, "Risk on what was\nheld out")
    below.plot(steps, [row.loss for row in rows], "o-")
    _name(below, "Loss in training")
    below.set_xlabel("Step")
    kind = path.suffix.removeprefix(".")
    # No date: the same run gives the same bytes.
    metadata = {"CreationDate": None} if kind == "pdf" else {}
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)


def _name(axes: Axes, words: str) -> None:
    axes.set_ylabel(words)
    axes.ticklabel_format(useOffset=False)
