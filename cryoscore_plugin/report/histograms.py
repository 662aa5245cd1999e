"""Small charts as SVG: how numbers are distributed, and how they went over the session.

Drawn here, not by a script, so that they are there on paper and without JavaScript. A
sentence says what each shows, for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from cryoscore_plugin.report.digits import short

_BINS = 40
_LEFT, _RIGHT, _WIDTH = 68, 412, 420
"""At the left there is room for a number such as 0.000748."""

_BLUE = "#1d5c8f"

_MOST_DOTS = 2000
"""Of a chart over the session; of more micrographs, every second, third and so on."""

_FEW_DOTS = 200
"""Up to so many, dots are large enough to be seen one by one."""


def histogram_svg(values: Sequence[float | None], *, label: str) -> str:
    """How many micrographs have which value.

    Parameters
    ----------
    values : Sequence[float or None]
        One for each micrograph; None where it has none.
    label : str
        What the values are.

    Returns
    -------
    svg : str
        The chart; empty if there are no values.
    """
    known = np.array([value for value in values if value is not None], dtype=float)
    if not known.size:
        return ""
    low, high = _limits(known)
    inside = np.clip(known, low, high)
    counts, edges = np.histogram(inside, bins=_BINS, range=(low, high))
    x = np.interp(edges, (low, high), (_LEFT, _RIGHT))
    heights = 100 * counts / counts.max()
    bars = "".join(
        f'<rect x="{left:.1f}" y="{115 - height:.1f}" width="{right - left - 1:.1f}" '
        f'height="{height:.1f}" fill="{_BLUE}"/>'
        for left, right, height in zip(x[:-1], x[1:], heights, strict=True)
        if height > 0
    )
    words = (
        f"{label} of {known.size} micrographs: median {np.median(known):.4g}, from "
        f"{known.min():.4g} to {known.max():.4g}. What lies beyond the ends of the "
        "scale is counted at its ends."
    )
    return _svg(
        f'{bars}<line x1="{_LEFT}" x2="{_RIGHT}" y1="115" y2="115" stroke="#505050"/>'
        f'<text x="{_LEFT}" y="132">{short(low)}</text>'
        f'<text x="{_RIGHT}" y="132" text-anchor="end">{short(high)}</text>'
        f'<text x="{_LEFT - 6}" y="22" text-anchor="end">{counts.max()}</text>',
        words,
    )


def session_svg(values: Sequence[float | None], *, label: str) -> str:
    """One dot for each micrograph, in the order of the list.

    Parameters
    ----------
    values : Sequence[float or None]
        One for each micrograph; None where it has none.
    label : str
        What the values are.

    Returns
    -------
    svg : str
        The chart; empty if there are no values.
    """
    points = [(i, value) for i, value in enumerate(values) if value is not None]
    if not points:
        return ""
    low, high = _limits(np.array([value for _, value in points]))
    step = -(-len(points) // _MOST_DOTS)
    last = max(len(values) - 1, 1)
    radius = 3 if len(points) <= _FEW_DOTS else 1.8
    dots = "".join(
        f'<circle cx="{_LEFT + (_RIGHT - _LEFT) * i / last:.1f}" '
        f'cy="{_height(value, low, high):.1f}" r="{radius}"/>'
        for i, value in points[::step]
    )
    known = [value for _, value in points]
    middle = len(known) // 2 or 1
    words = (
        f"{label} over the session: median {np.median(known[:middle]):.4g} in the "
        f"first half, {np.median(known[-middle:]):.4g} in the second."
    )
    return _svg(
        f'<g fill="{_BLUE}" fill-opacity="0.6">{dots}</g>'
        f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="118" y2="118" stroke="#505050"/>'
        f'<text x="{_LEFT - 6}" y="20" text-anchor="end">{short(high)}</text>'
        f'<text x="{_LEFT - 6}" y="115" text-anchor="end">{short(low)}</text>'
        f'<text x="{_LEFT}" y="134">1</text>'
        f'<text x="{_RIGHT}" y="134" text-anchor="end">{len(values)}</text>',
        words,
    )


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Ends of the scale: eight robust standard deviations at most.

    So one wild value does not press all others together. Where most are the same, there
    is nothing to press, and the ends are those of the values.
    """
    middle = float(np.median(values))
    spread = 8 * 1.4826 * float(np.median(np.abs(values - middle))) or math.inf
    low = max(float(values.min()), middle - spread)
    high = min(float(values.max()), middle + spread)
    if high - low <= 1e-9 * abs(middle):
        low, high = middle - (abs(middle) or 1) / 2, middle + (abs(middle) or 1) / 2
    return low, high


def _height(value: float, low: float, high: float) -> float:
    return 112 - 98 * (min(max(value, low), high) - low) / (high - low)


def _svg(content: str, words: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} 140" role="img" aria-label="{escape(words)}">'
        f"{content}</svg>"
    )
