"""Business days: weekends, French public holidays, the closing days of TARGET2. A date in, yes or no out. Pure.

Called by the quiet hours, and by whatever counts in business days. The days come from the library `holidays`, which is
imported when the first is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal

CALENDARS: Final = ("france", "target2")
"""The calendars that there are: French public holidays, and the days on which TARGET2 is closed."""

_SATURDAY: Final = 5
_LONGEST_CLOSED_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Calendar:
    """The business days of one calendar, or of several: a day on which one of them is closed is none.

    Without a name, only weekends are closed.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, *names: str) -> Calendar:
        """Return the calendar of these names.

        Raises:
            ValueError: there is none of that name.
        """
        for name in names:
            if name not in CALENDARS:
                raise ValueError(f"there is no calendar `{name}`; there are {', '.join(CALENDARS)}")
        return cls(names)

    def is_holiday(self, day: date) -> bool:
        """Whether the calendar is closed on that day for another reason than the weekend."""
        return any(day in closed_days(name, day.year) for name in self.names)

    def is_business_day(self, day: date) -> bool:
        """Whether it is open on that day."""
        return day.weekday() < _SATURDAY and not self.is_holiday(day)

    def shift(self, day: date, direction: Literal["next", "previous"]) -> date:
        """Return the day itself where it is a business day, else the nearest one in that direction."""
        step = timedelta(days=1 if direction == "next" else -1)
        for _ in range(_LONGEST_CLOSED_DAYS):
            if self.is_business_day(day):
                break
            day += step
        return day


@lru_cache(maxsize=256)
def closed_days(name: str, year: int) -> frozenset[date]:
    """Return the days of a year on which a calendar is closed, weekends not among them unless they are holidays too."""
    import holidays

    if name == "france":
        return frozenset(holidays.country_holidays("FR", years=year))
    return frozenset(holidays.financial_holidays("ECB", years=year))


def is_business_day(day: date, calendar: str) -> bool:
    """Whether the calendar of that name is open on a day."""
    return Calendar.of(calendar).is_business_day(day)
