"""Whether training helped, in one sentence that says what to do."""

from __future__ import annotations

import numpy as np

from cryoscore_plugin.training.own_risk import HeldOutRisk


def gain(before: HeldOutRisk, after: HeldOutRisk) -> float:
    """How much better the second is, as a part of what the first explains.

    Parameters
    ----------
    before, after : HeldOutRisk
        Of the model that training started from, and of the new one, on the same
        micrographs.

    Returns
    -------
    gain : float
        Positive if the new one is better. Of what a blank image leaves, if the first
        model explains nothing.
    """
    explained = before.explained
    reference = explained if explained > 0 else float(before.blank.mean())
    return (before.mean - after.mean) / reference


def verdict(before: HeldOutRisk, after: HeldOutRisk, *, start: str) -> str:
    """Say whether to use the new model.

    Parameters
    ----------
    before, after : HeldOutRisk
        As for `gain`.
    start : str
        Name of the model that training started from.
    """
    change, count = gain(before, after), len(after.risk)
    better = int(np.count_nonzero(after.risk < before.risk))
    told = (
        f"by {100 * abs(change):.1f} %, judged by what it predicts of {count} "
        f"micrograph{'s' * (count != 1)} that training did not see"
    )
    if change <= 0:
        return f"Your model is worse than {start} {told}: keep {start}."
    if 2 * better <= count:
        return (
            f"Your model is better than {start} {told}, but only on {better} of them: "
            f"keep {start}."
        )
    return f"Your model is better than {start} {told}: use it."


def simulated_verdict(before: float, after: float, *, start: str) -> str:
    """The same for a model that learned from simulated micrographs.

    Parameters
    ----------
    before, after : float
        Weighted error on particles that were left out, of the model that training
        started from, and of the new one.
    start : str
        Name of the model that training started from.
    """
    change = (before - after) / before
    told = (
        f"by {100 * abs(change):.1f} %, judged by the error on particles that were held "
        "out"
    )
    if change <= 0:
        return f"Your model is worse than {start} {told}: keep {start}."
    return f"Your model is better than {start} {told}: use it."
