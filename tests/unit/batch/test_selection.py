"""Which micrographs a run takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.batch.selection import Selection, Shard
from cryoscore_plugin.errors import ConfigError

OUT = Path("out")


def task(name):
    return MicrographTask(source=Path("raw") / name, output=OUT / name)


TASKS = [task(f"day{day}/m{number}.mrc") for day in (1, 2) for number in range(3)]


def chosen(**options):
    tasks = Selection(**options).choose(TASKS, OUT)
    return [str(one.output.relative_to(OUT)) for one in tasks]


def test_default_takes_everything():
    assert Selection().choose(TASKS, OUT) == TASKS


def test_patterns_are_for_names_and_for_places():
    assert chosen(include=("day2/*",)) == [f"day2/m{n}.mrc" for n in range(3)]
    assert chosen(include=("m1.mrc",)) == ["day1/m1.mrc", "day2/m1.mrc"]
    assert chosen(include=("m0*", "m2*"), exclude=("day1/*",)) == [
        "day2/m0.mrc",
        "day2/m2.mrc",
    ]


def test_limit_takes_the_first_of_those_that_match():
    assert chosen(include=("day2/*",), limit=2) == ["day2/m0.mrc", "day2/m1.mrc"]


@given(
    st.lists(st.text(min_size=1, alphabet="abc/0123"), unique=True, max_size=40),
    st.integers(1, 9),
)
def test_parts_are_disjoint_and_complete(names, count):
    parts = [
        [name for name in names if Shard(number=number, count=count).has(name)]
        for number in range(1, count + 1)
    ]
    assert sorted(name for part in parts for name in part) == sorted(names)


def test_parts_of_many_micrographs_are_about_equal():
    names = [f"Movies/2024_{number:05}_EER.mrc" for number in range(4000)]
    sizes = [
        sum(Shard(number=n, count=8).has(name) for name in names) for n in range(1, 9)
    ]
    # Binomial: 500, with a standard deviation of 21.
    assert all(abs(size - 500) < 4 * 21 for size in sizes)


def test_part_of_a_micrograph_does_not_depend_on_the_others():
    shard = Shard(number=1, count=2)
    few = Selection(shard=shard).choose(TASKS[:3], OUT)
    assert few == [
        one for one in Selection(shard=shard).choose(TASKS, OUT) if one in TASKS[:3]
    ]


@pytest.mark.parametrize("text", ["0/8", "9/8", "8", "a/b", "1/0", "-1/8", "1/8/2"])
def test_part_that_is_none_is_refused_with_how_to_count(text):
    with pytest.raises(ConfigError, match=r"--array=1-8"):
        Shard.parse(text)


def test_part_is_read():
    assert Shard.parse("2/8") == Shard(number=2, count=8)
