"""How many added particles are found: by strength, defocus and view, in one figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cryoscore_plugin.evaluation.recall import ALL, Recall
from cryoscore_plugin.report.curves import Axis, Curve, Plot, write_plots

CAPTION = "Bars: 95 % interval, micrographs as witnesses. Dotted: found by chance."

APART = 0.06
"""Distance of the bars of two denoisers, in steps or as a ratio; else one hides the
other."""


def write_recall(path: Path, found: Mapping[str, Sequence[Recall]]) -> None:
    """Draw recall by signal-to-noise ratio, defocus and view, and false discoveries.

    Parameters
    ----------
    path : Path
        A PNG, PDF or SVG file.
    found : Mapping[str, Sequence[Recall]]
        By denoiser, as `recall_by_kind` has it.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    ratios = _kinds(found, "snr")
    strength = Axis(
        label="Signal-to-noise ratio of the added particles",
        log=True,
        ticks={float(ratio): f"{ratio:g}" for ratio in ratios},
    )
    share = Axis(label="Recall", low=-0.02, high=1.02)
    wrong = Axis(label="False discoveries", low=-0.02, high=1.02)
    write_plots(
        path,
        [
            Plot(curves=_by_ratio(found, _recall_curve), x=strength, y=share),
            Plot(curves=_by_ratio(found, _false_curve), x=strength, y=wrong),
            _by_class(found, "defocus", label="Defocus (µm)", y=share),
            _by_class(found, "view", label="View of the particle", y=share),
        ],
        caption=CAPTION,
    )


def _kinds(found: Mapping[str, Sequence[Recall]], column: str) -> list[str | float]:
    """What is told apart in a column, in order."""
    each = (one.kind[column] for rows in found.values() for one in rows)
    return [kind for kind in dict.fromkeys(each) if kind != ALL]


def _by_ratio(
    found: Mapping[str, Sequence[Recall]],
    draw: Callable[[str, np.ndarray, Sequence[Recall]], Curve],
) -> list[Curve]:
    """A curve over the signal-to-noise ratio for each denoiser."""
    curves = []
    for number, (name, rows) in enumerate(found.items()):
        own = [one for one in rows if one.kind["snr"] != ALL]
        x = np.array([one.kind["snr"] for one in own], dtype=np.float64)
        curves.append(draw(name, x * np.exp(_aside(number, len(found))), own))
    return curves


def _by_class(
    found: Mapping[str, Sequence[Recall]], column: str, *, label: str, y: Axis
) -> Plot:
    """Recall of each class of a column, side by side."""
    classes = _kinds(found, column)
    curves = []
    for number, (name, rows) in enumerate(found.items()):
        own = [one for one in rows if one.kind[column] != ALL]
        place = np.array([classes.index(one.kind[column]) for one in own], dtype=float)
        curves.append(_recall_curve(name, place + _aside(number, len(found)), own))
    ticks = {float(number): str(name) for number, name in enumerate(classes)}
    x = Axis(label=label, low=-0.5, high=len(classes) - 0.5, ticks=ticks)
    return Plot(curves=curves, x=x, y=y)


def _aside(number: int, count: int) -> float:
    """How far one of several denoisers stands beside its place."""
    return APART * (number - (count - 1) / 2)


def _recall_curve(name: str, x: np.ndarray, rows: Sequence[Recall]) -> Curve:
    shares = [(one.recall.share, one.recall.low, one.recall.high) for one in rows]
    y, low, high = np.array(shares).reshape(-1, 3).T
    chance = np.array([one.chance for one in rows])
    return Curve(name=name, x=x, y=y, low=low, high=high, chance=chance)


def _false_curve(name: str, x: np.ndarray, rows: Sequence[Recall]) -> Curve:
    return Curve(name=name, x=x, y=np.array([one.false_discoveries for one in rows]))
