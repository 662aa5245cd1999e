"""Which micrographs of many to show: a few of all kinds, and those unlike the rest.

A session has thousands, and nobody looks at more than a dozen. Micrographs spread
evenly over the session show how it went; those whose numbers differ most from the
others deserve a look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

MOST_PICTURES = 40
"""How many micrographs are pictured unless the user says otherwise."""

UNLIKE_FROM = 5.0
"""A micrograph further from the others than so many robust standard deviations is
called unlike the rest. Of 10 000 normal ones, fewer than one is."""

_LEAST_RELATIVE_SPREAD = 0.002
"""Of the median. Numbers may be so alike that one percent is many standard deviations;
nobody sees that in an image."""

_LEAST_SPREAD = {"clipped_fraction": 0.001}
"""Smaller standard deviations than these count as these. Most micrographs have no clipped
pixel, and one that has four of a million is like them; half a percent deserves a look."""

_MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def spread_evenly(total: int, count: int) -> list[int]:
    """Indices spread evenly over a list, from the first to the last.

    Parameters
    ----------
    total : int
        Length of the list.
    count : int
        How many indices; all, if the list is shorter.

    Returns
    -------
    indices : list[int]
        In rising order, each once.
    """
    chosen = np.linspace(0, total - 1, min(count, total)).round()
    return [int(index) for index in chosen]


def distances(qualities: Sequence[Mapping[str, float]]) -> list[float]:
    """How far the numbers of each micrograph are from the others'.

    Parameters
    ----------
    qualities : Sequence[Mapping[str, float]]
        Numbers of each micrograph by name; one that is missing counts as usual.

    Returns
    -------
    distances : list[float]
        The largest distance of any number from its median, in robust standard
        deviations; 0 for a micrograph that differs in nothing.
    """
    distance = np.zeros(len(qualities))
    for own in _distances_by_number(qualities).values():
        distance = np.fmax(distance, own)
    return [float(value) for value in distance]


def furthest_numbers(qualities: Sequence[Mapping[str, float]]) -> list[str]:
    """Which number of each micrograph is further from the others' than the rest of them.

    Parameters
    ----------
    qualities : Sequence[Mapping[str, float]]
        Numbers of each micrograph by name.

    Returns
    -------
    names : list[str]
        By `distances`; empty for a micrograph without numbers.
    """
    by_number = _distances_by_number(qualities)
    return [
        max(quality, key=lambda name: by_number[name][index], default="")
        for index, quality in enumerate(qualities)
    ]


def _distances_by_number(
    qualities: Sequence[Mapping[str, float]],
) -> dict[str, np.ndarray]:
    """As `distances`, for each number; not a number where a micrograph has none."""
    found = {}
    for name in sorted({name for quality in qualities for name in quality}):
        values = np.array([quality.get(name, np.nan) for quality in qualities])
        from_median = np.abs(values - np.nanmedian(values))
        spread = _MAD_TO_SIGMA * np.nanmedian(from_median)
        # Where most are the same, the few that differ are far from the rest.
        floor = _LEAST_RELATIVE_SPREAD * abs(float(np.nanmedian(values))) or 1e-12
        floor = max(floor, _LEAST_SPREAD.get(name, 0.0))
        found[name] = from_median / max(float(spread), floor)
    return found


def unlike_the_rest(qualities: Sequence[Mapping[str, float]], count: int) -> list[int]:
    """Indices of the micrographs whose numbers are furthest from the others'.

    Parameters
    ----------
    qualities : Sequence[Mapping[str, float]]
        Numbers of each micrograph by name; one that is missing counts as usual.
    count : int
        How many indices at most.

    Returns
    -------
    indices : list[int]
        The furthest first, by `distances`. A micrograph that differs in nothing is
        not among them.
    """
    distance = np.array(distances(qualities))
    order = np.argsort(-distance, kind="stable")
    return [int(index) for index in order[:count] if distance[index] > 0]
