"""When a schedule is due: time zones, daylight saving, days without work."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from memonotify.timetable import BadSchedule, Timetable


def moments(expression: str, since: str, how_many: int, timezone: str = "Europe/Paris") -> list[str]:
    timetable = Timetable(expression, timezone)
    found, at = [], datetime.fromisoformat(since)
    for _ in range(how_many):
        following = timetable.next_after(at)
        assert following is not None
        assert following > at
        found.append(f"{following:%m-%dT%H:%M}")
        at = following
    return found


def test_a_fixed_hour_keeps_its_local_time_over_the_year() -> None:
    assert moments("0 8 * * *", "2026-03-27T12:00+00:00", 3) == ["03-28T07:00", "03-29T06:00", "03-30T06:00"]


def test_an_hour_that_a_day_does_not_have_is_neither_skipped_nor_doubled() -> None:
    assert moments("30 2 * * *", "2026-03-28T12:00+00:00", 3) == ["03-29T01:00", "03-30T00:30", "03-31T00:30"]


def test_an_hour_that_a_day_has_twice_is_due_once() -> None:
    assert moments("30 2 * * *", "2026-10-24T12:00+00:00", 3) == ["10-25T00:30", "10-26T01:30", "10-27T01:30"]


@pytest.mark.parametrize("minutes", range(0, 150, 10))
def test_from_any_moment_of_the_doubled_hour_on_the_next_one_is_ahead_and_on_the_next_day(minutes: int) -> None:
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(minutes=minutes)
    assert Timetable("30 2 * * *", "Europe/Paris").next_after(moment) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_each_half_hour_stays_half_an_hour_apart_when_the_clock_changes(day: str) -> None:
    timetable, at, found = Timetable("*/30 * * * *", "Europe/Paris"), datetime.fromisoformat(f"{day}T00:00+00:00"), []
    for _ in range(8):
        found.append(at)
        following = timetable.next_after(at)
        assert following is not None
        at = following
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=30)}


def test_days_on_which_nobody_works_are_left_out() -> None:
    closed = {date(2026, 4, 3), date(2026, 4, 6)}
    timetable = Timetable("0 8 * * mon-fri", "Europe/Paris", lambda day: day not in closed)
    assert timetable.next_after(datetime(2026, 4, 2, 12, tzinfo=UTC)) == datetime(2026, 4, 7, 6, tzinfo=UTC)


def test_a_schedule_on_days_that_are_all_closed_has_no_moment() -> None:
    assert Timetable("0 8 * * *", "UTC", lambda _: False).next_after(datetime(2026, 4, 2, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("0 8 * *", "five fields"),
        ("0 0 8 * * *", "five fields"),
        ("61 8 * * *", "bad minute"),
        ("0 8 * * lundi", "bad day-of-week"),
        ("0 8 30 feb *", "bad day-of-month"),
        ("", "five fields"),
    ],
)
def test_what_is_no_schedule_is_refused_with_why(expression: str, reason: str) -> None:
    with pytest.raises(BadSchedule, match=reason):
        Timetable(expression, "UTC")
