"""Comparisons of methods agree with scipy and with closed forms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.statistics import (
    compare_pairs,
    hodges_lehmann,
    holm,
    share_of,
)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_hodges_lehmann_is_odd_and_moves_with_its_values(values: list[float]) -> None:
    x = np.array(values)
    assert hodges_lehmann(-x) == pytest.approx(-hodges_lehmann(x), abs=1e-9)
    assert hodges_lehmann(x + 3) == pytest.approx(hodges_lehmann(x) + 3, abs=1e-9)


def test_hodges_lehmann_of_three_values_by_hand() -> None:
    # Means of pairs: 0, 0.5, 5, 1, 5.5, 10. Their median is (1 + 5) / 2.
    assert hodges_lehmann(np.array([0.0, 1.0, 10.0])) == 3.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(b >= a for a, b in zip(p_values, adjusted, strict=True))
    assert max(adjusted) <= 1
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_holm_by_hand() -> None:
    # 0.01 * 3, then max(0.03, 0.02 * 2), then max(0.04, 0.03 * 1).
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])


def test_clear_difference_is_found_with_its_size() -> None:
    rng = np.random.default_rng(1)
    first = rng.uniform(0, 1, 30)
    second = first + 0.2 + rng.normal(0, 0.05, 30)
    found = compare_pairs(first, second, rng=rng)
    assert found.low < 0.2 < found.high
    assert found.low < found.shift < found.high
    assert found.p_value == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert found.p_value < 1e-6


def test_probability_is_that_of_all_signs_of_the_differences() -> None:
    """Wilcoxon's test by its definition: each sign is as likely as the other."""
    difference = np.array([0.31, -0.12, 0.22, 0.05, 0.41, -0.02, 0.17])
    ranks = stats.rankdata(np.abs(difference))
    signs = np.array(list(product([0, 1], repeat=len(ranks))))
    sums, ours = signs @ ranks, ranks[difference > 0].sum()
    tail = min((sums >= ours).mean(), (sums <= ours).mean())
    found = compare_pairs(
        np.zeros(7), difference, rng=np.random.default_rng(1), resamples=10
    )
    assert found.p_value == pytest.approx(min(2 * tail, 1))


def test_interval_holds_the_true_shift_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    found = [
        compare_pairs(np.zeros(25), rng.normal(1, 1, 25), rng=rng, resamples=200)
        for _ in range(100)
    ]
    hits = sum(x.low <= 1 <= x.high for x in found)
    # 95 %, less for a bootstrap of 25; a standard error of about 2.5.
    assert 86 <= hits <= 100


def test_equal_figures_prove_nothing() -> None:
    same = np.array([0.1, 0.4, 0.3])
    found = compare_pairs(same, same, rng=np.random.default_rng(1))
    assert (found.shift, found.low, found.high, found.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("second", [[1.0], [1.0, np.nan, 2.0]])
def test_too_little_to_compare_is_refused(second: list[float]) -> None:
    with pytest.raises(InputError, match="at least 2 micrographs"):
        compare_pairs(
            np.zeros(len(second)), np.array(second), rng=np.random.default_rng(1)
        )


@given(st.integers(0, 60), st.integers(1, 60))
def test_interval_of_a_share_is_that_of_scipy(found: int, more: int) -> None:
    tried = found + more
    expected = stats.binomtest(found, tried).proportion_ci(method="wilson")
    share = share_of(np.array([float(found)]), np.array([float(tried)]))
    assert share.share == pytest.approx(found / tried)
    assert share.low == pytest.approx(expected.low, abs=1e-12)
    assert share.high == pytest.approx(expected.high, abs=1e-12)


def test_micrographs_that_share_their_fate_count_once() -> None:
    """All found in half of the micrographs: each is one witness, not twenty."""
    tried = np.full(30, 20.0)
    found = np.where(np.arange(30) % 2, 20.0, 0.0)
    together = share_of(found, tried)
    alone = share_of(np.array([15.0]), np.array([30.0]))
    # 29 of 30, since the mean is known from the same micrographs.
    assert together.high - together.low == pytest.approx(
        alone.high - alone.low, rel=0.03
    )
    spread = share_of(np.full(30, 10.0), tried)
    assert spread.high - spread.low < 0.3 * (together.high - together.low)


def test_interval_of_a_share_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    held = []
    for _ in range(400):
        # Shares of micrographs scatter around a half by beta(2, 2).
        found = rng.binomial(30, rng.beta(2, 2, 25)).astype(np.float64)
        share = share_of(found, np.full(25, 30.0))
        held.append(share.low <= 0.5 <= share.high)
    # 400 trials: a standard error of 1.1 %.
    assert 0.91 < np.mean(held) < 0.98


def test_share_of_nothing_is_unknown() -> None:
    share = share_of(np.empty(0), np.empty(0))
    assert np.isnan([share.share, share.low, share.high]).all()
