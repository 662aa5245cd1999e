"""Precision and recall follow their definition, whatever the picks and the truth."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pickers import Picks
from cryoscore_plugin.evaluation.picking import f1_above, match_picks, pick_quality

REACH = 3.0  # px


def positions(most: int):
    """A few positions on a small grid, so that many are near each other."""
    return hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, most), st.just(2)),
        elements=st.integers(0, 12).map(float),
    )


@st.composite
def picks(draw, most: int = 5) -> Picks:
    centers = draw(positions(most))
    scores = draw(
        hnp.arrays(np.float64, len(centers), elements=st.sampled_from([1.0, 2.0, 3.0]))
    )
    return Picks(centers_yx=centers, scores=-np.sort(-scores))


def distances(found: Picks, truth) -> np.ndarray:
    return np.linalg.norm(found.centers_yx[:, None] - truth[None], axis=2)


def best_matching(distance: np.ndarray) -> tuple[int, float]:
    """Most matches, then the least sum of squares, by trying all."""
    if distance.shape[0] > distance.shape[1]:
        distance = distance.T
    best = (0, 0.0)
    for order in permutations(range(distance.shape[1]), distance.shape[0]):
        chosen = [distance[i, j] for i, j in enumerate(order)]
        near = [d**2 for d in chosen if d <= REACH]
        best = min(best, (-len(near), sum(near)))
    return -best[0], best[1]


@given(picks(), positions(5))
def test_no_other_matching_is_better(found, truth):
    matches = match_picks(found, truth, max_distance=REACH)
    used = matches[matches >= 0]
    assert len(set(used)) == len(used)
    matched = distances(found, truth)[np.flatnonzero(matches >= 0), used]
    count, squares = best_matching(distances(found, truth))
    assert len(used) == count
    assert (matched <= REACH).all()
    assert (matched**2).sum() == pytest.approx(squares)


@given(picks(most=8), positions(8))
def test_average_precision_is_the_sum_of_its_definition(found, truth):
    if not len(truth):
        return
    hits = match_picks(found, truth, max_distance=REACH) >= 0
    expected, recall_before = 0.0, 0.0
    for threshold in sorted(set(found.scores), reverse=True):
        accepted = found.scores >= threshold
        recall = hits[accepted].sum() / len(truth)
        expected += (recall - recall_before) * hits[accepted].mean()
        recall_before = recall
    quality = pick_quality(found, truth, max_distance=REACH)
    assert quality.average_precision == pytest.approx(expected)


@given(picks(most=8), positions(8))
def test_scikit_learn_draws_the_same_curve(found, truth):
    if not len(truth):
        return
    hits = match_picks(found, truth, max_distance=REACH) >= 0
    if not hits.any():
        return
    quality = pick_quality(found, truth, max_distance=REACH)
    # It knows only the picks: a particle that was missed is nowhere in its list.
    share = hits.sum() / len(truth)
    average = metrics.average_precision_score(hits, found.scores)
    assert quality.average_precision == pytest.approx(share * average)
    precision, recall, _ = metrics.precision_recall_curve(hits, found.scores)
    np.testing.assert_allclose(quality.precision, precision[-2::-1])
    np.testing.assert_allclose(quality.recall, share * recall[-2::-1])


@given(picks(most=8), positions(8), st.sampled_from([1.0, 2.0, 2.5, 4.0]))
def test_scikit_learn_gives_the_same_f1(found, truth, threshold):
    if not len(truth):
        return
    kept = found.scores >= threshold
    proposed = Picks(centers_yx=found.centers_yx[kept], scores=found.scores[kept])
    hits = match_picks(proposed, truth, max_distance=REACH) >= 0
    # A line for each pick, and one for each particle that was missed.
    missed = len(truth) - int(hits.sum())
    labels = np.concatenate([hits, np.ones(missed)]).astype(int)
    said = np.concatenate([np.ones(len(hits)), np.zeros(missed)]).astype(int)
    ours = f1_above(found, truth, max_distance=REACH, threshold=threshold)
    assert ours == pytest.approx(metrics.f1_score(labels, said))


@given(picks(most=8), positions(8))
def test_only_the_order_of_the_scores_matters(found, truth):
    if not len(truth):
        return
    other = Picks(centers_yx=found.centers_yx, scores=np.exp(found.scores) - 100)
    first = pick_quality(found, truth, max_distance=REACH)
    second = pick_quality(other, truth, max_distance=REACH)
    assert first.average_precision == second.average_precision
    assert first.best_f1 == second.best_f1


def line(count: int) -> np.ndarray:
    """Positions so far apart that no two compete."""
    return np.stack([np.arange(count) * 20.0, np.zeros(count)], axis=1)


def test_perfect_picks_have_average_precision_one():
    found = Picks(centers_yx=line(7), scores=np.linspace(1, 0, 7))
    quality = pick_quality(found, line(7)[::-1].copy(), max_distance=REACH)
    assert quality.average_precision == 1
    assert quality.best_f1 == 1
    assert quality.best_f1_score == 0


def test_a_false_pick_costs_more_the_better_its_score():
    # Four truths; the one false pick comes before k of the four true ones: the true
    # picks behind it have precision i / (i + 1) instead of 1.
    false = np.array([[500.0, 500.0]])
    for before in range(5):
        centers = np.insert(line(4), before, false, axis=0)
        found = Picks(centers_yx=centers, scores=np.linspace(1, 0, 5))
        quality = pick_quality(found, line(4), max_distance=REACH)
        expected = (before + sum(i / (i + 1) for i in range(before + 1, 5))) / 4
        assert quality.average_precision == pytest.approx(expected)


def test_missed_truth_lowers_recall_and_average_precision_alike():
    found = Picks(centers_yx=line(3), scores=np.linspace(1, 0, 3))
    quality = pick_quality(found, line(4), max_distance=REACH)
    assert quality.average_precision == 0.75
    assert quality.recall[-1] == 0.75
    assert quality.best_f1 == pytest.approx(6 / 7)


def test_the_best_f1_is_reached_at_its_score():
    centers = np.concatenate([line(2), [[500.0, 500.0]]])
    found = Picks(centers_yx=centers, scores=np.array([9.0, 5.0, 1.0]))
    assert pick_quality(found, line(2), max_distance=REACH).best_f1_score == 5


def test_no_picks_find_nothing():
    none = Picks(centers_yx=np.zeros((0, 2)), scores=np.zeros(0))
    quality = pick_quality(none, line(2), max_distance=REACH)
    assert quality.average_precision == 0
    assert quality.best_f1 == 0
    assert np.isnan(quality.best_f1_score)


def test_a_truth_at_the_very_limit_still_matches():
    found = Picks(centers_yx=np.array([[3.0, 4.0]]), scores=np.ones(1))
    truth = np.zeros((1, 2))
    assert match_picks(found, truth, max_distance=5.0)[0] == 0
    assert match_picks(found, truth, max_distance=4.999)[0] == -1


def test_empty_truth_is_refused_with_advice():
    found = Picks(centers_yx=line(2), scores=np.ones(2))
    with pytest.raises(InputError, match="Leave this micrograph out"):
        pick_quality(found, np.zeros((0, 2)), max_distance=REACH)


def test_unsorted_picks_are_refused_with_advice():
    with pytest.raises(InputError, match="Sort both by falling score"):
        Picks(centers_yx=line(2), scores=np.array([1.0, 2.0]))
