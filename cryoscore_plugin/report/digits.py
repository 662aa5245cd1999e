"""Numbers as a reader wants them: few digits, and no exponent without need."""

from __future__ import annotations


def short(value: float) -> str:
    """Three digits, of numbers from 1000 to a million all before the point.

    Parameters
    ----------
    value : float
        The number.
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
