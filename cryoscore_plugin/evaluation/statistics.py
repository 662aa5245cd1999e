"""Whether one method is better than another, micrograph by micrograph.

The unit is the micrograph: particles of one share their ice, dose and defocus, and are
no independent witnesses. Two methods are compared by their differences on the same
micrographs:

* the shift, the median of all means of two differences (Hodges and Lehmann), which a
  few odd micrographs do not move;
* its interval, from resampling the micrographs (bootstrap);
* the probability that pure chance gives so one-sided a result (Wilcoxon's signed-rank
  test), raised where several methods are compared at once (Holm).

The tests compare with scipy and with closed forms.

References
----------
Hodges and Lehmann (1963), Ann. Math. Stat. 34, 598-611.
Wilcoxon (1945), Biometrics Bulletin 1, 80-83.
Holm (1979), Scand. J. Statist. 6, 65-70.
Efron (1979), Ann. Stat. 7, 1-26.
"""

from __future__ import annotations

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
