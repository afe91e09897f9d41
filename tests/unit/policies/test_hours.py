"""A quiet time ends when its windows say so, also over weekends, holidays and changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memonotify.config.values import DAY_MINUTES, Window
from memonotify.model import Severity
from memonotify.policies.hours import LONGEST, Hours, moment

PARIS = ZoneInfo("Europe/Paris")
EVERY_DAY = frozenset(range(7))
WORKING_DAYS = frozenset(range(5))
NO_DAY = frozenset[int]()


def minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def a_window(start: str = "00:00", end: str = "24:00", days=EVERY_DAY, zone: str = "Europe/Paris", **others) -> Window:
    until = minutes(end) if minutes(end) > minutes(start) else minutes(end) + DAY_MINUTES
    return Window(days=frozenset(days), timezone=zone, start=minutes(start), end=until, **others)


def paris(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold)


NIGHTS = Hours([a_window("19:00", "08:00", WORKING_DAYS)])
OUT_OF_OFFICE = Hours([a_window("19:00", "08:00", WORKING_DAYS), a_window(days=[5, 6])])
IN_PIECES = Hours(
    [
        a_window("19:00", "24:00", WORKING_DAYS),
        a_window("00:00", "08:00", WORKING_DAYS),
        a_window(days=[5, 6]),
    ]
)
CLOSED = Hours([a_window("19:00", "08:00", WORKING_DAYS, holidays=("france",)), a_window(days=[5, 6])])
HOLIDAYS = Hours([a_window(days=NO_DAY, holidays=("france",))])
TARGET2 = Hours([a_window(days=NO_DAY, holidays=("target2",))])
EITHER = Hours([a_window(days=NO_DAY, holidays=("france", "target2"))])
LUNCH = Hours([a_window("12:00", "14:00")])
SATURDAY_NIGHT = Hours([a_window("22:00", "03:00", [5])])


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        # 2026-03-02 is a Monday.
        (NIGHTS, "2026-03-02 18:59:59", None),
        (NIGHTS, "2026-03-02 19:00", "2026-03-03 08:00"),
        (NIGHTS, "2026-03-03 07:59:59.999999", "2026-03-03 08:00"),
        (NIGHTS, "2026-03-03 08:00", None),
        (NIGHTS, "2026-03-02 05:00", None),  # the night from Sunday belongs to Sunday
        (NIGHTS, "2026-03-07 05:00", "2026-03-07 08:00"),  # and the one to Saturday to Friday
        (NIGHTS, "2026-03-07 20:00", None),
        (OUT_OF_OFFICE, "2026-03-06 19:00", "2026-03-09 00:00"),
        (OUT_OF_OFFICE, "2026-03-07 12:00", "2026-03-09 00:00"),
        (IN_PIECES, "2026-03-06 18:59", None),
        (IN_PIECES, "2026-03-06 19:00", "2026-03-09 08:00"),
        (IN_PIECES, "2026-03-08 23:59", "2026-03-09 08:00"),
        (IN_PIECES, "2026-03-09 07:59", "2026-03-09 08:00"),
        (IN_PIECES, "2026-03-09 08:00", None),
        (LUNCH, "2026-03-02 11:59", None),
        (LUNCH, "2026-03-02 12:00", "2026-03-02 14:00"),
        (LUNCH, "2026-03-02 14:00", None),
        (SATURDAY_NIGHT, "2026-03-08 02:59", "2026-03-08 03:00"),
        (SATURDAY_NIGHT, "2026-03-09 02:59", None),
    ],
)
def test_a_quiet_time_ends_where_the_windows_that_touch_end(hours: Hours, at: str, until: str | None) -> None:
    assert hours.quiet_until(paris(at)) == (until and paris(until))


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        (CLOSED, "2026-05-01 10:00", "2026-05-04 00:00"),  # Friday, 1 May, and the weekend
        (CLOSED, "2026-04-30 20:00", "2026-05-04 00:00"),
        (CLOSED, "2026-07-13 20:00", "2026-07-15 08:00"),  # 14 July is a Tuesday, and its night follows
        (CLOSED, "2026-07-15 08:00", None),
        (CLOSED, "2026-12-25 10:00", "2026-12-28 00:00"),
        (CLOSED, "2026-04-03 10:00", None),  # Good Friday is a working day in most of France
        (CLOSED, "2026-04-06 10:00", "2026-04-07 08:00"),
        (HOLIDAYS, "2026-07-14 12:00", "2026-07-15 00:00"),
        (HOLIDAYS, "2026-07-15 00:00", None),
        (HOLIDAYS, "2026-07-13 23:59", None),
        (HOLIDAYS, "2026-07-12 12:00", None),  # a Sunday like others
        (TARGET2, "2026-07-14 12:00", None),
        (TARGET2, "2026-04-03 00:00", "2026-04-04 00:00"),
        (TARGET2, "2026-04-06 12:00", "2026-04-07 00:00"),
        (TARGET2, "2027-03-26 12:00", "2027-03-27 00:00"),
        (TARGET2, "2027-03-29 12:00", "2027-03-30 00:00"),
        (TARGET2, "2026-12-25 12:00", "2026-12-27 00:00"),
        (EITHER, "2026-05-14 12:00", "2026-05-15 00:00"),
        (EITHER, "2026-12-31 23:59", None),
        (EITHER, "2027-01-01 00:00", "2027-01-02 00:00"),
    ],
)
def test_a_holiday_is_quiet_for_the_whole_day(hours: Hours, at: str, until: str | None) -> None:
    assert hours.quiet_until(paris(at)) == (until and paris(until))


@pytest.mark.parametrize(
    ("start", "end", "at", "until"),
    [
        # Clocks go forward on 2026-03-29 and 2027-03-28, 02:00 to 03:00, at 01:00 UTC.
        ("22:00", "08:00", "2026-03-28T21:00Z", "2026-03-29T06:00Z"),
        ("22:00", "08:00", "2027-03-27T21:00Z", "2027-03-28T06:00Z"),
        ("22:00", "02:30", "2026-03-28T22:00Z", "2026-03-29T01:00Z"),  # an end that does not exist
        ("02:30", "08:00", "2026-03-29T00:59:59Z", None),  # nor this beginning
        ("02:30", "08:00", "2026-03-29T01:00Z", "2026-03-29T06:00Z"),
        ("02:00", "03:00", "2026-03-29T01:00Z", None),  # the whole window does not exist
        ("02:15", "02:45", "2026-03-29T00:59Z", None),
        # They go back on 2026-10-25 and 2027-10-31, 03:00 to 02:00, at 01:00 UTC.
        ("22:00", "08:00", "2026-10-24T20:00Z", "2026-10-25T07:00Z"),
        ("22:00", "08:00", "2027-10-30T20:00Z", "2027-10-31T07:00Z"),
        ("22:00", "02:30", "2026-10-25T00:29Z", "2026-10-25T01:30Z"),
        ("22:00", "02:30", "2026-10-25T00:45Z", "2026-10-25T01:30Z"),  # between the two 02:30
        ("22:00", "02:30", "2026-10-25T01:30Z", None),
        ("02:30", "08:00", "2026-10-25T00:29Z", None),
        ("02:30", "08:00", "2026-10-25T00:30Z", "2026-10-25T07:00Z"),
        ("02:30", "08:00", "2026-10-25T01:15Z", "2026-10-25T07:00Z"),  # 02:15 again: still quiet
        ("02:15", "02:45", "2026-10-25T00:15Z", "2026-10-25T01:45Z"),
        ("22:00", "03:00", "2026-10-25T01:59Z", "2026-10-25T02:00Z"),
    ],
)
def test_a_change_of_the_clocks_neither_loses_nor_interrupts_a_window(
    start: str, end: str, at: str, until: str | None
) -> None:
    found = Hours([a_window(start, end)]).quiet_until(datetime.fromisoformat(at))
    assert found == (until and datetime.fromisoformat(until))


@pytest.mark.parametrize(
    ("zone", "local", "at"),
    [
        ("Africa/Cairo", "2026-04-24 00:00", "2026-04-23T22:00Z"),  # midnight does not exist
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30T10:00Z"),  # nor this whole day
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:30Z"),  # half an hour is missing
        ("Asia/Kathmandu", "2026-01-01 00:00", "2025-12-31T18:15Z"),
    ],
)
def test_a_time_that_no_clock_shows_is_the_moment_at_which_clocks_jump(zone: str, local: str, at: str) -> None:
    for fold in (0, 1):
        found = moment(datetime.fromisoformat(local), ZoneInfo(zone), fold=fold)
        assert found == datetime.fromisoformat(at)


def test_a_window_is_in_its_own_time_zone() -> None:
    hours = Hours([a_window("19:00", "08:00", zone="Asia/Tokyo"), a_window("19:00", "08:00", [0])])
    assert hours.quiet_until(paris("2026-03-02 12:00")) == paris("2026-03-03 08:00")
    assert hours.quiet_until(paris("2026-03-04 00:30")) is None


def test_the_moment_may_be_in_any_zone_and_the_end_is_in_utc() -> None:
    at = datetime.fromisoformat("2026-03-02T13:30:00-05:00")
    until = NIGHTS.quiet_until(at)
    assert until == datetime(2026, 3, 3, 7, tzinfo=UTC)
    assert until is not None
    assert until.tzinfo is UTC


def test_what_a_window_lets_pass_is_not_quiet_in_it_and_still_in_the_others() -> None:
    critical = frozenset({Severity.CRITICAL})
    hours = Hours([a_window("19:00", "08:00", passes=critical), a_window("22:00", "06:00")])
    evening, night = paris("2026-03-02 20:00"), paris("2026-03-02 23:00")
    assert hours.quiet_until(evening, Severity.WARNING) == paris("2026-03-03 08:00")
    assert hours.quiet_until(evening, Severity.CRITICAL) is None
    assert hours.quiet_until(night, Severity.CRITICAL) == paris("2026-03-03 06:00")


def test_a_quiet_time_without_an_end_is_given_up() -> None:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert Hours([a_window()]).quiet_until(at) == at + LONGEST


WINDOWS = st.builds(
    lambda days, start, length, holidays, zone: Window(
        days=days, start=start, end=min(start + length, start + DAY_MINUTES - 1), holidays=holidays, timezone=zone
    ),
    days=st.frozensets(st.integers(0, 6), max_size=6),
    start=st.integers(0, DAY_MINUTES - 1),
    length=st.integers(1, DAY_MINUTES),
    holidays=st.sampled_from([(), ("france",), ("target2",), ("france", "target2")]),
    zone=st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe"]),
)
AROUND_CHANGES = [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 10, 4)]
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    st.builds(
        lambda day, offset: day + timedelta(minutes=offset),
        st.sampled_from(AROUND_CHANGES),
        st.integers(-2000, 2000),
    ),
).map(lambda at: at.replace(tzinfo=UTC))


@settings(deadline=None, max_examples=200)
@given(windows=st.lists(WINDOWS, min_size=1, max_size=3), at=MOMENTS, data=st.data())
def test_it_is_quiet_until_the_end_and_not_at_the_end(windows: list[Window], at: datetime, data: st.DataObject) -> None:
    hours = Hours(windows)
    until = hours.quiet_until(at)
    if until is None:
        return
    assert until > at
    if until == at + LONGEST:
        return
    assert hours.quiet_until(until) is None
    span = int((until - at).total_seconds())
    for seconds in data.draw(st.lists(st.integers(0, span - 1), max_size=20)) if span else []:
        assert hours.quiet_until(at + timedelta(seconds=seconds)) == until


@settings(deadline=None, max_examples=100)
@given(window=WINDOWS, at=MOMENTS)
def test_what_the_clock_on_the_wall_shows_within_a_window_is_quiet(window: Window, at: datetime) -> None:
    """What is quiet by the wall clock is quiet, on every day; the other way round, but for the change of the clocks."""
    local = at.astimezone(ZoneInfo(window.timezone))
    minute = local.hour * 60 + local.minute
    today = window.start <= minute < window.end and local.weekday() in window.days
    over_midnight = minute + DAY_MINUTES < window.end and (local.weekday() - 1) % 7 in window.days
    if today or over_midnight:
        assert Hours([window]).quiet_until(at) is not None
