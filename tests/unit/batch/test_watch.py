"""Each micrograph once, and only when it is completely written."""

from __future__ import annotations

import os

import pytest

from cryoscore_plugin.batch import watch as watch_module
from cryoscore_plugin.batch.watch import Arrivals, Pace, watch
from cryoscore_plugin.errors import InputError


def stems(tasks):
    return [task.source.stem for task in tasks]


def test_micrograph_is_given_once_when_it_did_not_change_between_two_looks(tasks):
    arrivals = Arrivals()
    assert arrivals.look(tasks[:2]) == []
    assert stems(arrivals.look(tasks)) == ["m0", "m1"]
    assert stems(arrivals.look(tasks)) == ["m2", "m3"]
    assert arrivals.look(tasks) == []


def test_growing_file_waits_until_it_is_whole(tasks):
    arrivals = Arrivals()
    whole = tasks[0].source.read_bytes()
    tasks[0].source.write_bytes(whole[:500])
    arrivals.look(tasks[:1])
    assert arrivals.look(tasks[:1]) == []  # Not even its header is there.
    tasks[0].source.write_bytes(whole[:-4])
    arrivals.look(tasks[:1])
    assert arrivals.look(tasks[:1]) == []  # Its header promises more.
    assert arrivals.unfinished(tasks[:1]) == tasks[:1]
    tasks[0].source.write_bytes(whole)
    assert arrivals.look(tasks[:1]) == []  # It has just changed.
    assert arrivals.look(tasks[:1]) == tasks[:1]


def test_micrograph_that_changed_is_given_again(tasks):
    arrivals = Arrivals()
    arrivals.look(tasks[:1])
    arrivals.look(tasks[:1])
    os.utime(tasks[0].source, ns=(0, 0))
    assert arrivals.look(tasks[:1]) == []
    assert arrivals.look(tasks[:1]) == tasks[:1]


@pytest.mark.parametrize("with_halves", [True, False])
def test_micrograph_whose_halves_come_later_is_given_again_if_they_are_used(
    tasks, with_halves
):
    arrivals, source = Arrivals(with_halves=with_halves), tasks[0].source
    arrivals.look(tasks[:1])
    assert arrivals.look(tasks[:1]) == tasks[:1]
    for half in ("EVN", "ODD"):
        source.with_stem(f"{source.stem}_{half}").write_bytes(source.read_bytes())
    assert arrivals.look(tasks[:1]) == []
    assert arrivals.look(tasks[:1]) == (tasks[:1] if with_halves else [])
    assert arrivals.look(tasks[:1]) == []


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping moves; `at` says what happens when."""

    class Clock:
        now = 0.0
        at: dict = {}  # noqa: RUF012

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds
            for when in sorted(self.at):
                if when <= self.now:
                    self.at.pop(when)()

    found = Clock()
    found.at = {}
    monkeypatch.setattr(watch_module, "time", found)
    return found


def test_watching_ends_after_the_idle_limit_and_tries_what_is_left(tasks, clock):
    there = tasks[:1]
    worked, told = [], []
    tasks[3].source.write_bytes(b"half")
    clock.at = {25: lambda: there.append(tasks[1]), 65: lambda: there.append(tasks[3])}
    watch(
        lambda: list(there),
        lambda ready: worked.append((clock.now, stems(ready))),
        Pace(interval=10.0, idle_limit=60.0),
        tell=told.append,
    )
    assert worked == [(10, ["m0"]), (40, ["m1"]), (110, ["m3"])]
    assert told == []


def test_what_is_waited_for_is_said_once(tasks, clock):
    found = []

    words = "No micrographs yet."

    def find():
        if clock.now < 30:
            raise InputError(words)
        return tasks

    told = []
    watch(find, found.extend, Pace(interval=10.0, idle_limit=45.0), tell=told.append)
    assert told == ["Waiting: No micrographs yet."]
    assert found == tasks
