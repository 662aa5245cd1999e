"""What an audit found, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

LIMIT = 0.05
"""Largest part that may come from the reference alone (method.md, section 8)."""

MOST_LOST = 0.5
"""Largest part of the amplitude that may be missing where the reference lacks something.
A choice: half of it is still seen."""

ADVICE = "Lower --guidance, raise --guidance-empty, or leave the reference out."
"""What to do if a reference that guides was found wanting."""

ADVICE_FOR_MODEL = (
    "Take the model that it was trained from, or train with less --guidance or a smaller "
    "--guidance-share."
)
"""The same of a model that was guided in training."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is at fault with one input.

    Attributes
    ----------
    control : {"noise", "phases", "decoy", "halves", "leak", "cut"}
        Which input.
    amplitude : float
        Amplitude that guidance added, that is not confirmed, that leaked, or that was
        lost; relative to what is right.
    picks : float
        Picks that it added, or that are not confirmed, relative to all.
    """

    control: str
    amplitude: float
    picks: float = 0.0

    @property
    def limit(self) -> float:
        """Largest part that may be at fault."""
        return MOST_LOST if self.control == "cut" else LIMIT

    @property
    def passes(self) -> bool:
        """Whether both are within the limit."""
        return max(self.amplitude, self.picks) <= self.limit


def verdict(findings: Sequence[Finding], *, advice: str = ADVICE) -> str:
    """What an audit found, in a few sentences.

    Parameters
    ----------
    findings : Sequence[Finding]
        Of all micrographs.
    advice : str
        What to do if they fail.
    """
    worst = worst_of(findings)
    of_reference = [one for name, one in worst.items() if name not in ("leak", "cut")]
    amplitude = max(of_reference, key=lambda one: one.amplitude)
    picks = max(of_reference, key=lambda one: one.picks)
    explained = (
        f"At most {amplitude.amplitude:.1%} of the amplitude ({amplitude.control}) and "
        f"{picks.picks:.1%} of the picks ({picks.control}) are explained by the "
        f"reference alone; the limit is {LIMIT:.0%}."
    )
    said = [explained]
    if "cut" in worst:
        said.append(
            f"Of what the reference lacks, {1 - worst['cut'].amplitude:.0%} is kept; at "
            f"least {1 - MOST_LOST:.0%} should be."
        )
    if "leak" in worst and not worst["leak"].passes:
        said.append(
            f"{worst['leak'].amplitude:.1%} of a denoised half changes with the other "
            "half: the two are not independent."
        )
    said.append(
        "The guided images pass."
        if all(one.passes for one in findings)
        else f"The guided images FAIL: do not use them. {advice}"
    )
    return " ".join(said)


def worst_of(findings: Sequence[Finding]) -> Mapping[str, Finding]:
    """The largest figures of each control, over all micrographs.

    Parameters
    ----------
    findings : Sequence[Finding]
        Of all micrographs.
    """
    worst: dict[str, Finding] = {}
    for one in findings:
        before = worst.get(one.control, one)
        worst[one.control] = replace(
            one,
            amplitude=max(one.amplitude, before.amplitude),
            picks=max(one.picks, before.picks),
        )
    return worst
