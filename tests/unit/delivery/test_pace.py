from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memonotify.config.values import Rate
from memonotify.delivery.pace import UNLIMITED, Pace


def test_without_a_rate_nothing_is_held_back():
    pace = Pace(None)
    for _ in range(1000):
        pace.begin(0.0)
    assert (pace.admits(0.0), pace.opens_way_at()) == (UNLIMITED, 0.0)


def test_one_a_second_is_one_a_second():
    pace = Pace(Rate(count=1, per_s=1))
    assert pace.admits(10.0) == 1
    pace.begin(10.0)
    assert (pace.admits(10.999), pace.opens_way_at()) == (0, 11.0)
    assert pace.admits(11.0) == 1


@given(
    count=st.integers(1, 5),
    per_s=st.floats(0.1, 60),
    steps=st.lists(st.floats(0, 20), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_its_count(count, per_s, steps):
    pace, now, begun = Pace(Rate(count=count, per_s=per_s)), 0.0, []
    for step in steps:
        now += step
        for _ in range(pace.admits(now)):
            pace.begin(now)
            begun.append(now)
    for first in begun:
        assert sum(first <= moment < first + per_s for moment in begun) <= count


@given(count=st.integers(1, 5), per_s=st.floats(0.1, 60), moments=st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_the_way_is_open_exactly_when_it_says(count, per_s, moments):
    pace = Pace(Rate(count=count, per_s=per_s))
    for now in sorted(moments):
        if pace.admits(now):
            pace.begin(now)
    opens, last = pace.opens_way_at(), max(moments)
    assert (pace.admits(last) == 0) == (opens > last)
    assert pace.admits(max(opens, last)) >= 1


def test_quiet_holds_back_everything_and_the_longest_wish_counts():
    pace = Pace(None)
    pace.quiet(30.0)
    pace.quiet(20.0)
    assert (pace.admits(29.9), pace.opens_way_at(), pace.admits(30.0)) == (0, 30.0, UNLIMITED)
