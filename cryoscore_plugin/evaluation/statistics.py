"""Whether one method is better than another, micrograph by micrograph.

The unit is the micrograph: particles of one share their ice, dose and defocus, and are
no independent witnesses. Two methods are compared by their differences on the same
micrographs:

* the shift, the median of all means of two differences (Hodges and Lehmann), which a
  few odd micrographs do not move;
* its interval, from resampling the micrographs (bootstrap);
* the probability that pure chance gives so one-sided a result (Wilcoxon's signed-rank
  test), raised where several methods are compared at once (Holm).

A share, such as that of particles that were found, has an interval that grows if the
particles of one micrograph share their fate.

The tests compare with scipy and with closed forms.

References
----------
Hodges and Lehmann (1963), Ann. Math. Stat. 34, 598-611.
Wilcoxon (1945), Biometrics Bulletin 1, 80-83.
Holm (1979), Scand. J. Statist. 6, 65-70.
Efron (1979), Ann. Stat. 7, 1-26.
Wilson (1927), J. Am. Stat. Assoc. 22, 209-212.
Kish (1965), Survey Sampling, Wiley (design effect).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from cryoscore_plugin.arrays import Values
from cryoscore_plugin.errors import InputError

FEWEST_PAIRS = 2
"""With one micrograph nothing can be said about chance."""


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """How much larger a figure is with the second method than with the first.

    Attributes
    ----------
    pairs : int
        Number of micrographs.
    shift : float
        Hodges-Lehmann estimate of the difference, second minus first.
    low, high : float
        Ends of its 95 % bootstrap interval.
    p_value : float
        Of Wilcoxon's signed-rank test, two-sided; 1 if all differences are zero.
    """

    pairs: int
    shift: float
    low: float
    high: float
    p_value: float


def compare_pairs(
    first: Values, second: Values, *, rng: np.random.Generator, resamples: int = 1000
) -> PairedComparison:
    """Compare two methods on the same micrographs.

    Parameters
    ----------
    first, second : Values
        The figure of each micrograph, in one order.
    rng : np.random.Generator
        For the bootstrap.
    resamples : int
        Of the bootstrap.

    Raises
    ------
    InputError
        If there are fewer than two micrographs, or a figure is not finite.
    """
    difference = second - first
    if len(difference) < FEWEST_PAIRS or not np.isfinite(difference).all():
        msg = (
            f"A comparison needs finite figures of at least {FEWEST_PAIRS} micrographs, "
            f"but {int(np.isfinite(difference).sum())} of {len(difference)} are. Give "
            "more micrographs, and leave out those without a figure."
        )
        raise InputError(msg)
    shifts = [
        hodges_lehmann(rng.choice(difference, len(difference)))
        for _ in range(resamples)
    ]
    low, high = np.quantile(shifts, (0.025, 0.975))
    p_value = stats.wilcoxon(difference).pvalue if difference.any() else 1.0
    return PairedComparison(
        pairs=len(difference),
        shift=hodges_lehmann(difference),
        low=float(low),
        high=float(high),
        p_value=float(p_value),
    )


def hodges_lehmann(values: Values) -> float:
    """Median of the means of all pairs of values, each value with itself included."""
    first, second = np.triu_indices(len(values))
    return float(np.median((values[first] + values[second]) / 2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Probabilities of several tests, raised so that together they mean what one does.

    Parameters
    ----------
    p_values : Sequence[float]
        Of each test alone.

    Returns
    -------
    adjusted : list[float]
        In the same order, at most 1. Those below 0.05 stand together: the chance that
        even one of them is an accident is below 0.05.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = raised
    return [float(p) for p in adjusted]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of many, and how sure it is.

    Attributes
    ----------
    share : float
        From 0 to 1; NaN of none.
    low, high : float
        Ends of its 95 % interval.
    """

    share: float
    low: float
    high: float


def share_of(found: Values, tried: Values) -> Share:
    """Share that was found, with its interval by Wilson.

    Particles of one micrograph are no independent witnesses. How much more the shares of
    micrographs scatter than chance would have it, the design effect, says how many
    independent ones they are worth.

    Parameters
    ----------
    found, tried : Values
        Numbers of each micrograph.
    """
    total = float(tried.sum())
    if total == 0:
        return Share(share=math.nan, low=math.nan, high=math.nan)
    share = float(found.sum()) / total
    witnesses = total / _design_effect(found, tried, share)
    z = float(stats.norm.ppf(0.975))
    scale = 1 + z**2 / witnesses
    middle = (share + z**2 / (2 * witnesses)) / scale
    inside = share * (1 - share) / witnesses + z**2 / (4 * witnesses**2)
    half = z * math.sqrt(inside) / scale
    # Rounding must not leave a share of 0 or 1 outside its own interval.
    return Share(
        share=share, low=min(middle - half, share), high=max(middle + half, share)
    )


def _design_effect(found: Values, tried: Values, share: float) -> float:
    """Variance of a share between micrographs over that of independent particles."""
    count, total = len(tried), float(tried.sum())
    chance = share * (1 - share) / total
    if count < FEWEST_PAIRS or chance == 0:
        return 1.0
    scatter = float(((found - share * tried) ** 2).sum()) / total**2
    return max(scatter * count / (count - 1) / chance, 1.0)
