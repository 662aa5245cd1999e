"""The seam between a training run and whoever started it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True, eq=False)
class Progress:
    """A run as a user sees it.

    Attributes
    ----------
    step, steps : int
        Steps done, and to do in all.
    loss : float
        Mean since the last judgement, in units of the target's noise; NaN before the
        first step.
    risk : float or None
        Held-out risk of the weights at this step; None between judgements.
    start_risk : float
        That of the model that training started from.
    seconds_per_step : float
        In s, judgements included.
    """

    step: int
    steps: int
    loss: float
    risk: float | None
    start_risk: float
    seconds_per_step: float


@runtime_checkable  # The shape checks of the tests look at arguments.
class TrainingMonitor(Protocol):
    """Whoever started a run: is told how it goes, and may ask to stop."""

    def on_message(self, text: str) -> None:
        """Called with a sentence that the user should know."""

    def on_progress(self, progress: Progress) -> None:
        """Called after each step and each judgement."""

    def abort_requested(self) -> bool:
        """Asked before each step."""
        ...
