"""Recall of kinds of particles is what was found of them, and chance what decoys say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryoscore_plugin.evaluation.recall import (
    ALL,
    VIEWS,
    Fate,
    defocus_ranges,
    recall_by_kind,
)


def fate(found: bool = True, **about: object) -> Fate:
    plain = {"micrograph": "a", "ratio": 0.1, "defocus": 1e4, "view": 10.0}
    return Fate(found=found, **(plain | about))


def kind(found, column: str, value: object):
    [one] = [x for x in found if x.kind[column] == value]
    return one


def test_recall_counts_what_was_found_and_decoys_tell_chance():
    fates = [fate(True)] * 6 + [fate(False)] * 2 + [fate(False, ratio=0.05)] * 4
    fates += [fate(True, ratio=0.0)] * 1 + [fate(False, ratio=0.0)] * 4
    found = recall_by_kind(fates)
    strong, weak = kind(found, "snr", 0.1), kind(found, "snr", 0.05)
    assert (strong.added, strong.recall.share, strong.chance) == (8, 0.75, 0.2)
    assert strong.false_discoveries == pytest.approx(0.2 / 0.75)
    assert (weak.recall.share, weak.chance) == (0, 0.2)
    assert math.isnan(weak.false_discoveries)
    # By view, all strengths count: 6 of 12.
    assert kind(found, "view", "end").recall.share == 0.5
    assert kind(found, "view", "side").added == 0
    assert math.isnan(kind(found, "view", "side").recall.share)


def test_more_by_chance_than_in_truth_is_all_false():
    fates = [fate(True), fate(False), fate(True, ratio=0.0)]
    assert kind(recall_by_kind(fates), "snr", 0.1).false_discoveries == 1


def test_kinds_of_view_are_thirds_of_the_sphere():
    edges = [math.cos(math.radians(low)) for low, _ in VIEWS.values()]
    assert edges == pytest.approx([1, 2 / 3, 1 / 3], abs=1e-4)
    ends = [high for _, high in VIEWS.values()]
    assert ends[:-1] == [low for low, _ in VIEWS.values()][1:]
    assert ends[-1] > 90


def test_chance_is_that_of_the_same_defocus():
    near = {"micrograph": "near", "defocus": 1e4}
    far = {"micrograph": "far", "defocus": 3e4}
    fates = [fate(True, **near), fate(False, **far)]
    fates += [fate(True, ratio=0.0, **near), fate(False, ratio=0.0, **far)]
    found = recall_by_kind(fates)
    for name, share in {"1": 1, "3": 0}.items():
        one = kind(found, "defocus", name)
        assert (one.recall.share, one.chance, one.kind["view"]) == (share, share, ALL)


@pytest.mark.parametrize(
    ("defocus", "names"),
    [
        ([1e4], ["1"]),
        ([1e4, 1e4, 1e4], ["1"]),
        ([2e4, 1e4], ["1", "2"]),
        (list(np.linspace(1e4, 2.1e4, 12)), ["1-1.3", "1.4-1.7", "1.8-2.1"]),
    ],
)
def test_defocus_ranges_hold_as_many_micrographs_each(defocus, names):
    fates = [fate(micrograph=str(i), defocus=x) for i, x in enumerate(defocus)] * 2
    ranges = list(defocus_ranges(fates))
    assert [name for name, _, _ in ranges] == names
    for value in defocus:
        assert sum(low <= value <= high for _, low, high in ranges) == 1
