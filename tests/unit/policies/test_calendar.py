"""Business days, as France and TARGET2 have them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.policies.calendar import CALENDARS, Calendar

DATES = st.dates(date(2020, 1, 1), date(2060, 12, 31))
NAMES = st.lists(st.sampled_from(CALENDARS), unique=True)


@pytest.mark.parametrize(
    ("day", "in_france", "in_target2"),
    [
        (date(2026, 1, 1), False, False),
        (date(2026, 1, 2), True, True),
        (date(2026, 4, 3), True, False),  # Good Friday
        (date(2026, 4, 6), False, False),  # Easter Monday
        (date(2026, 5, 1), False, False),
        (date(2026, 5, 8), False, True),
        (date(2026, 5, 14), False, True),  # Ascension
        (date(2026, 5, 25), False, True),  # Whit Monday
        (date(2026, 7, 14), False, True),
        (date(2026, 8, 15), False, False),  # a Saturday
        (date(2026, 11, 11), False, True),
        (date(2026, 12, 25), False, False),
        (date(2027, 3, 26), True, False),
        (date(2027, 3, 29), False, False),
        (date(2025, 12, 26), True, False),
        (date(2027, 12, 27), True, True),  # a Monday: what falls on a weekend is not made up for
    ],
)
def test_a_business_day_is_one_on_which_the_calendar_is_open(day: date, in_france: bool, in_target2: bool) -> None:
    assert Calendar.of("france").is_business_day(day) is in_france
    assert Calendar.of("target2").is_business_day(day) is in_target2
    assert Calendar.of("france", "target2").is_business_day(day) is (in_france and in_target2)


def test_without_a_name_only_weekends_are_closed() -> None:
    assert Calendar().is_business_day(date(2026, 12, 25))
    assert not Calendar().is_business_day(date(2026, 12, 26))


@pytest.mark.parametrize(
    ("day", "following", "preceding"),
    [
        (date(2026, 4, 2), date(2026, 4, 2), date(2026, 4, 2)),
        (date(2026, 4, 3), date(2026, 4, 7), date(2026, 4, 2)),
        (date(2026, 4, 5), date(2026, 4, 7), date(2026, 4, 2)),
        (date(2026, 12, 25), date(2026, 12, 28), date(2026, 12, 24)),
        (date(2027, 1, 1), date(2027, 1, 4), date(2026, 12, 31)),
    ],
)
def test_a_closed_day_is_shifted_to_the_nearest_open_one(day: date, following: date, preceding: date) -> None:
    target2 = Calendar.of("target2")
    assert (target2.shift(day, "next"), target2.shift(day, "previous")) == (following, preceding)


def test_a_name_that_is_none_of_the_calendars_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="there is no calendar `germany`; there are france, target2"):
        Calendar.of("france", "germany")


@given(day=DATES, names=NAMES)
def test_a_shifted_day_is_open_and_all_between_are_closed(day: date, names: list[str]) -> None:
    calendar = Calendar.of(*names)
    later, earlier = calendar.shift(day, "next"), calendar.shift(day, "previous")
    assert earlier <= day <= later
    assert calendar.is_business_day(earlier)
    assert calendar.is_business_day(later)
    between = (earlier + timedelta(days=n) for n in range(1, (later - earlier).days))
    assert not any(map(calendar.is_business_day, between))
