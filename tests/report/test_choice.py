"""The micrographs that are shown are those one would look for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.report.choice import (
    UNLIKE_FROM,
    distances,
    furthest_numbers,
    spread_evenly,
    unlike_the_rest,
)


@given(st.integers(1, 10_000), st.integers(1, 20))
def test_spread_indices_rise_from_the_first_to_the_last(total: int, count: int) -> None:
    indices = spread_evenly(total, count)
    assert len(indices) == min(total, count)
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert indices[-1] == (total - 1 if min(total, count) > 1 else 0)


def test_nothing_is_spread_over_nothing() -> None:
    assert spread_evenly(0, 6) == []


@pytest.mark.parametrize("odd", [{"noise": 9.0, "white": 0.9}, {"white": 0.2}])
def test_the_odd_one_comes_first_whichever_number_is_odd(odd: dict[str, float]) -> None:
    usual = [{"noise": 1 + 0.01 * i, "white": 0.9 + 0.001 * i} for i in range(20)]
    assert unlike_the_rest([*usual, odd, *usual], 3)[0] == 20
    assert len(unlike_the_rest([*usual, odd, *usual], 3)) == 3


def test_scale_of_a_number_does_not_matter() -> None:
    small = [{"noise": x} for x in (1.0, 1.1, 5.0, 0.9, 1.05)]
    large = [{"noise": 1e6 * one["noise"]} for one in small]
    assert unlike_the_rest(small, 5) == unlike_the_rest(large, 5)


def test_where_most_are_the_same_the_one_that_differs_is_told() -> None:
    assert unlike_the_rest([{"noise": 2.0}] * 9 + [{"noise": 2.5}], 4) == [9]


def test_micrographs_without_numbers_are_not_unlike_the_rest() -> None:
    assert unlike_the_rest([{}, {}], 4) == []
    assert unlike_the_rest([], 4) == []
    assert unlike_the_rest([{}, {"noise": 1.0}, {"noise": 1.0}], 4) == []


def test_a_few_clipped_pixels_make_no_micrograph_unlike_the_rest() -> None:
    usual = [{"clipped_fraction": 0.0}] * 9
    few, many = distances([*usual, {"clipped_fraction": 3e-6}])[-1], 0.02
    assert few < 0.01
    assert distances([*usual, {"clipped_fraction": many}])[-1] > UNLIKE_FROM


def test_one_percent_makes_no_micrograph_unlike_the_rest() -> None:
    usual = [{"noise": 7.0 + 1e-4 * i} for i in range(9)]
    assert distances([*usual, {"noise": 7.06}])[-1] < UNLIKE_FROM
    assert distances([*usual, {"noise": 7.15}])[-1] > UNLIKE_FROM


def test_number_that_is_furthest_from_the_others_is_named() -> None:
    usual = [{"noise": 1 + 0.01 * i, "white": 0.9 + 0.001 * i} for i in range(9)]
    odd = {"noise": 1.02, "white": 0.2}
    assert furthest_numbers([*usual, odd, {}])[-2:] == ["white", ""]
