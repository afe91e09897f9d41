"""On which days a bank works. In: a day and a calendar's name. Out: whether work is done. Pure."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holidays import HolidayBase

_SATURDAY: Final = 5


def is_business_day(day: date, calendar: str) -> bool:
    """Return whether `calendar` (`france` or `target2`) has no weekend and no holiday on that day."""
    return day.weekday() < _SATURDAY and day not in _holidays(calendar)


@cache
def _holidays(calendar: str) -> HolidayBase:
    import holidays

    if calendar == "france":
        return holidays.country_holidays("FR", language="en_US")
    # The library's name for the days on which TARGET2 is closed.
    return holidays.financial_holidays("XECB")
