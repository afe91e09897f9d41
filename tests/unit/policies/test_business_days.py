"""On which days a bank works: France's holidays and TARGET2's closing days differ."""

from __future__ import annotations

from datetime import date

import pytest

from memonotify.policies.calendar import is_business_day


@pytest.mark.parametrize(
    ("day", "france", "target2"),
    [
        (date(2026, 3, 2), True, True),
        (date(2026, 3, 7), False, False),
        (date(2026, 4, 3), True, False),  # Good Friday
        (date(2026, 4, 6), False, False),  # Easter Monday
        (date(2026, 5, 1), False, False),  # Labour Day
        (date(2026, 5, 8), False, True),  # Victory Day
        (date(2026, 7, 14), False, True),  # the national holiday
        (date(2025, 12, 24), True, True),
        (date(2025, 12, 26), True, False),
        (date(2030, 1, 1), False, False),
    ],
)
def test_a_calendar_knows_its_closing_days(day: date, france: bool, target2: bool) -> None:
    assert (is_business_day(day, "france"), is_business_day(day, "target2")) == (france, target2)
