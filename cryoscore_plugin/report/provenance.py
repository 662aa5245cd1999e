"""Whether a known particle had a part in the results, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryoscore_plugin.guidance.card import DOUBTS, guided_in_training


def reference_sentences(run: Mapping[str, Any]) -> list[str]:
    """What guided the results of a run, and the training of its model.

    Parameters
    ----------
    run : Mapping[str, Any]
        As `batch.run_facts` has it.
    """
    told = []
    if words := run.get("reference"):
        strength = run["settings"]["guidance"]
        told.append(f"Guided with strength {strength:g} by the reference {words}.")
        _, tier, _ = words.split()
        told += [f"Warning: {DOUBTS[tier]}."] if tier in DOUBTS else []
    training = run.get("card", {}).get("training", {})
    told += [
        f"The model was guided in training, with strength {one}."
        for one in guided_in_training(training)
    ]
    if not told:
        return ["No reference density was used."]
    return [*told, "What was found is not independent of it; the audit measures that."]
