"""`limit` as a table, and as a property: in no window of `per` there are more than `count`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.policies.limit import limit

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def remembered(*minutes: float) -> str:
    return " ".join((AT + timedelta(minutes=minute)).isoformat() for minute in minutes)


@pytest.mark.parametrize(
    ("before", "now", "room"),
    [
        ((), 0, None),
        ((0,), 1, None),
        ((0, 1), 2, 60),
        ((0, 1), 59.999, 60),
        ((0, 1), 60, None),
        # Fewer are allowed than there were: not one more before enough are over.
        ((0, 1, 2, 3), 4, 62),
        # The clock was set back: what is ahead counts, unless that clock was wrong by more than the whole time.
        ((10, 11), 5, 70),
        ((10, 70), 5, None),
    ],
)
def test_there_is_room_when_the_oldest_of_the_last_ones_is_over(
    before: tuple[float, ...], now: float, room: float | None
) -> None:
    verdict = limit(remembered(*before) or None, AT + timedelta(minutes=now), count=2, per_s=3600)
    assert verdict.passes is (room is None)
    if room is not None:
        assert verdict.room_at == AT + timedelta(minutes=room)
        assert verdict.remember == ""


def test_only_what_still_counts_is_remembered_until_it_does_no_more() -> None:
    verdict = limit(remembered(0, 30), AT + timedelta(minutes=61), count=3, per_s=3600)
    assert verdict.remember == remembered(30, 61)
    assert verdict.expires_at == AT + timedelta(minutes=121)


@given(st.lists(st.floats(0, 1800), max_size=60), st.integers(1, 5))
def test_no_window_has_more_than_the_limit(gaps_s: list[float], count: int) -> None:
    memory, at, passed = None, AT, []
    for gap_s in gaps_s:
        at += timedelta(seconds=gap_s)
        verdict = limit(memory, at, count=count, per_s=3600)
        if verdict.passes:
            memory = verdict.remember
            passed.append(at)
        else:
            assert at < verdict.room_at <= at + timedelta(hours=1)
            assert limit(memory, verdict.room_at, count=count, per_s=3600).passes
    for first, one_too_many in zip(passed, passed[count:], strict=False):
        assert one_too_many - first >= timedelta(hours=1)
