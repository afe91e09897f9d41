"""Deadlines around closing days and clock changes, and for which of them an event counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from memonotify.policies.deadlines import MOST_AT_ONCE, Deadlines, deadlines_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def following(deadlines: Deadlines, after: str, count: int) -> list[str]:
    found, moment = [], at(after)
    for _ in range(count):
        due = deadlines.next_after(moment)
        assert due is not None
        assert deadlines.last_until(due) == due
        found.append(due.isoformat()[:16])
        moment = due
    return found


@pytest.mark.parametrize(
    ("shift", "days"),
    [
        # The 28th of February and of March 2026 are Saturdays, that of June is a Sunday.
        ("previous", ["02-27", "03-27", "04-28", "05-28", "06-26"]),
        ("next", ["03-02", "03-30", "04-28", "05-28", "06-29"]),
        ("skip", ["04-28", "05-28", "07-28", "08-28", "09-28"]),
    ],
)
def test_a_deadline_on_a_closed_day_moves_as_shift_says(shift: str, days: list[str]) -> None:
    deadlines = deadlines_of("0 12 28 * *", "UTC", "target2", shift, None, 0.0)
    assert following(deadlines, "2026-02-01T00:00", 5) == [f"2026-{day}T12:00" for day in days]


@pytest.mark.parametrize("shift", ["previous", "next", "skip"])
def test_daily_deadlines_that_move_to_one_moment_are_one(shift: str) -> None:
    deadlines = deadlines_of("0 18 * * *", "UTC", "target2", shift, None, 0.0)
    # Good Friday to Easter Monday is one run of closed days.
    days = ["04-01", "04-02", "04-07", "04-08"]
    assert following(deadlines, "2026-04-01T00:00", 4) == [f"2026-{day}T18:00" for day in days]


def test_a_moment_among_closed_days_has_its_next_deadline_behind_them() -> None:
    deadlines = deadlines_of("0 12 28 * *", "UTC", "target2", "next", None, 0.0)
    assert deadlines.next_after(at("2026-03-01T15:00")) == at("2026-03-02T12:00")
    assert deadlines.next_after(at("2026-03-02T12:00")) == at("2026-03-30T12:00")


def test_noon_is_noon_by_the_clock_on_the_wall_on_both_sides_of_a_change() -> None:
    deadlines = deadlines_of("0 12 28 * *", "Europe/Paris", "target2", "previous", None, 0.0)
    assert following(deadlines, "2026-03-01T00:00", 2) == ["2026-03-27T11:00", "2026-04-28T10:00"]
    assert following(deadlines, "2026-10-01T00:00", 2) == ["2026-10-28T11:00", "2026-11-27T11:00"]


def test_an_hour_that_a_day_does_not_have_is_due_behind_the_gap_and_one_it_has_twice_is_due_once() -> None:
    deadlines = deadlines_of("30 2 * * *", "Europe/Paris", "", "previous", None, 0.0)
    assert following(deadlines, "2026-03-28T12:00", 2) == ["2026-03-29T01:00", "2026-03-30T00:30"]
    assert following(deadlines, "2026-10-24T12:00", 2) == ["2026-10-25T00:30", "2026-10-26T01:30"]


def test_a_period_begins_at_the_deadline_before_or_so_long_before_its_own() -> None:
    by = at("2026-04-28T12:00")
    assert deadlines_of("0 12 28 * *", "UTC", "", "previous", None, 0.0).period(by).since == at("2026-03-28T12:00")
    assert deadlines_of("0 12 28 * *", "UTC", "", "previous", 5 * 86_400.0, 0.0).period(by).since == at(
        "2026-04-23T12:00"
    )


def test_a_deadline_every_four_years_has_one_before_it() -> None:
    deadlines = deadlines_of("0 12 29 2 *", "UTC", "", "previous", None, 0.0)
    assert deadlines.last_until(at("2027-01-01T00:00")) == at("2024-02-29T12:00")


def test_an_event_at_the_deadline_is_in_time_and_one_right_behind_it_counts_for_the_next() -> None:
    deadlines = deadlines_of("0 18 * * *", "UTC", "", "previous", None, 0.0)
    (period,) = deadlines.periods_of(at("2026-03-03T18:00"))
    assert period.by == at("2026-03-03T18:00")
    (period,) = deadlines.periods_of(at("2026-03-03T18:00:00.000001"))
    assert period.by == at("2026-03-04T18:00")


def test_within_the_grace_an_event_counts_for_the_deadline_that_is_over() -> None:
    deadlines = deadlines_of("0 18 * * *", "UTC", "", "previous", None, 900.0)
    assert [period.by for period in deadlines.periods_of(at("2026-03-03T18:15"))] == [at("2026-03-03T18:00")]
    assert [period.by for period in deadlines.periods_of(at("2026-03-03T18:16"))] == [at("2026-03-04T18:00")]
    assert deadlines.due_after(at("2026-03-03T18:14")) == at("2026-03-03T18:15")
    assert deadlines.period_due_at(at("2026-03-03T18:15")).by == at("2026-03-03T18:00")


def test_an_event_counts_for_each_deadline_that_looks_back_over_it_up_to_a_bound() -> None:
    deadlines = deadlines_of("0 18 * * *", "UTC", "", "previous", 3 * 86_400.0, 0.0)
    days = [period.by.day for period in deadlines.periods_of(at("2026-03-03T12:00"))]
    assert days == [3, 4, 5]
    many = deadlines_of("* * * * *", "UTC", "", "previous", 86_400.0, 0.0)
    assert len(many.periods_of(at("2026-03-03T12:00"))) == MOST_AT_ONCE


@pytest.mark.parametrize(
    ("since_s", "moment", "late", "counts"),
    [
        (None, "2026-03-03T19:00", True, False),
        (None, "2026-03-04T09:00", False, True),
        (3600.0, "2026-03-03T19:00", True, False),
        (3600.0, "2026-03-04T17:30", False, True),
        (2 * 86_400.0, "2026-03-03T19:00", True, True),
    ],
)
def test_behind_a_miss_an_event_counts_once(since_s: float | None, moment: str, late: bool, counts: bool) -> None:
    deadlines = deadlines_of("0 18 * * *", "UTC", "", "previous", since_s, 0.0)
    assert deadlines.late_for(at(moment), at("2026-03-03T18:00")) == (late, counts)
