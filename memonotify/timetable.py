"""When a rule with a schedule is due: a cron expression in a time zone, perhaps only on days when a bank works.

In: the words of the rule. Out: the next moment behind another. Pure. The rules' loader makes one, the scheduler asks
it. Daylight saving is handled as Debian's cron does: a fixed hour that a day does not have is due right behind the gap,
one that a day has twice is due once; what runs each hour or minute runs by real time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

IsOpen = Callable[[date], bool]
"""Whether work is done on a day."""

_FIELDS: Final = 5
_CLOSED_IN_A_ROW: Final = 1000
"""So many due moments on days without work, one after the other, mean that there never is one: half a year of Sundays
would be 26."""


class BadSchedule(ValueError):  # noqa: N818 - it is told as a problem of a file
    """The expression is none; the text says why."""


class Timetable:
    """The moments of one schedule. With `is_open`, those on days for which it is false are left out."""

    def __init__(self, expression: str, timezone: str, is_open: IsOpen | None = None) -> None:
        """Make it.

        Raises:
            BadSchedule: `expression` is no cron expression of five fields, or one that is never due.
        """
        self.expression = expression
        self._zone = ZoneInfo(timezone)
        self._is_open = is_open
        if len(expression.split()) != _FIELDS:
            raise BadSchedule("a schedule has five fields: minute, hour, day of the month, month, day of the week")
        try:
            next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise BadSchedule(f"the schedule cannot be read: {str(error).lower()}") from None
        except StopIteration:
            raise BadSchedule("the schedule is never due") from None

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first moment behind `moment`, None where there is none any more."""
        found = CronSim(self.expression, moment.astimezone(self._zone))
        for _ in range(_CLOSED_IN_A_ROW):
            local = next(found, None)
            if local is None:
                return None
            if self._is_open is None or self._is_open(local.date()):
                due_at = local.astimezone(UTC)
                # An hour that a day has twice: the second of both is behind the first, though the clock says the same.
                if due_at > moment:
                    return due_at
        return None
