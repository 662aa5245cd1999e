"""How good denoised images are, by spatial frequency and by dose, in one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from cryoscore_plugin.arrays import Values
from cryoscore_plugin.evaluation.likeness import RESIDUAL_RINGS, RINGS, Likeness
from cryoscore_plugin.evaluation.products import Products
from cryoscore_plugin.report.curves import Axis, Curve, Plot, write_plots

CAPTION = "Mean over the micrographs; shade and bars: nine tenths of them."

MOST_SHADED = 3
"""Curves up to which each has a shade; more of them would only mix."""

CORRELATION = Axis(label="Correlation with the truth", high=1.02)
SLOPE = Axis(label="Slope of the truth on the image", low=0.0, high=2.0)
HALVES = Axis(label="FRC with the other half, raw", high=1.02)
RISK = Axis(label="Cross-half risk (blank image: 1)", log=True)
WHITENESS = Axis(label="Power taken away (mean: 1)", log=True)

Stack = Float64[np.ndarray, "micrographs points"]
"""A row of values for each micrograph."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Denoised micrographs of one method at one dose.

    Attributes
    ----------
    name : str
        Of the method.
    dose : float or None
        In e/Å², if known.
    images : Sequence[Likeness]
        Of each micrograph.
    """

    name: str
    dose: float | None
    images: Sequence[Likeness]

    @property
    def label(self) -> str:
        """Name and dose."""
        return self.name if self.dose is None else f"{self.name}, {self.dose:g} e/Å²"


def write_denoising(path: Path, series: Sequence[Series]) -> None:
    """Draw likeness by spatial frequency, and by dose if there are several.

    Parameters
    ----------
    path : Path
        A PNG, PDF or SVG file.
    series : Sequence[Series]
        All were compared with the same things.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    plots = [*_over_frequency(series), *_over_dose(series)]
    write_plots(path, plots, caption=CAPTION)


def _over_frequency(series: Sequence[Series]) -> Iterator[Plot]:
    """Plots over spatial frequency of all that was measured."""
    first = series[0].images[0]
    if first.truth is not None:
        yield _plot(series, lambda one: _of(one.truth, "correlation"), CORRELATION)
        yield _plot(series, lambda one: _of(one.truth, "slope"), SLOPE, threshold=1.0)
    if first.half is not None:
        yield _plot(series, lambda one: _of(one.half, "correlation"), HALVES)
        yield _plot(
            series, lambda one: _of(one.half, "relative_error"), RISK, threshold=1.0
        )
    if first.residual is not None:
        yield _plot(series, lambda one: one.residual, WHITENESS, threshold=1.0)


def _of(products: Products | None, figure: str) -> Values | None:
    """A figure of each ring."""
    return None if products is None else getattr(products, figure)


def _plot(
    series: Sequence[Series],
    values: Callable[[Likeness], Values | None],
    y: Axis,
    *,
    threshold: float | None = None,
) -> Plot:
    """A curve over spatial frequency for each series."""
    shaded = len(series) <= MOST_SHADED
    curves = []
    for one in series:
        stack = np.array([values(image) for image in one.images], dtype=np.float64)
        edges = RINGS if stack.shape[1] == len(RINGS) - 1 else RESIDUAL_RINGS
        middle = (edges[:-1] + edges[1:]) / 2
        curve = _curve(one.label, middle, stack, spread=shaded)
        curves.append(replace(curve, family=one.name))
    x = Axis(label="Spatial frequency (1/Å)", low=0.0)
    return Plot(curves=curves, x=x, y=y, threshold=threshold)


def _over_dose(series: Sequence[Series]) -> Iterator[Plot]:
    """Plots over the dose of all that was measured, in the whole band."""
    doses = sorted({one.dose for one in series if one.dose is not None})
    if len(doses) < 2:
        return
    x = Axis(label="Dose (e/Å²)", log=True, ticks={dose: f"{dose:g}" for dose in doses})
    axes = {
        "correlation": (CORRELATION, None),
        "slope": (SLOPE, 1.0),
        "cross_half_correlation": (HALVES, None),
        "cross_half_risk": (Axis(label="Cross-half risk", log=True), None),
        "residual_whiteness": (Axis(label="Whiteness of the residual"), None),
    }
    for figure, (y, threshold) in axes.items():
        if figure in series[0].images[0].figures:
            names = dict.fromkeys(one.name for one in series)
            curves = [_dose_curve(name, series, figure) for name in names]
            yield Plot(curves=curves, x=x, y=y, threshold=threshold)


def _dose_curve(name: str, series: Sequence[Series], figure: str) -> Curve:
    """A figure of one method at all its doses."""
    own = sorted(
        (one for one in series if one.name == name and one.dose is not None),
        key=lambda one: one.dose or 0.0,
    )
    parts = [
        _curve(name, np.array([one.dose]), _column(one.images, figure)) for one in own
    ]
    x, y, low, high = (
        np.concatenate([getattr(part, end) for part in parts])
        for end in ("x", "y", "low", "high")
    )
    return Curve(name=name, x=x, y=y, low=low, high=high)


def _column(images: Sequence[Likeness], figure: str) -> Stack:
    return np.array([[one.figures[figure]] for one in images])


def _curve(name: str, x: Values, values: Stack, *, spread: bool = True) -> Curve:
    """Mean over the micrographs, and where nine tenths of them are.

    Points that no micrograph has are left out.
    """
    known = np.isfinite(values).any(0)
    values = np.where(np.isfinite(values), values, np.nan)[:, known]
    if not known.any():
        return Curve(name=name, x=x[known], y=x[known])
    low, high = np.nanquantile(values, (0.05, 0.95), axis=0)
    shade = {"low": low, "high": high} if spread else {}
    return Curve(name=name, x=x[known], y=np.nanmean(values, axis=0), **shade)
