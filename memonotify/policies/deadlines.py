"""Until when something is expected: the deadlines of a cron expression, moved off a bank's closing days.

In: the words of a rule's `expect`. Out: the deadlines around a moment, and the periods in which an event counts for
them. Pure. Deciding asks for an event, the job of a deadline for its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

from memonotify.policies.calendar import Calendar
from memonotify.timetable import Timetable

Shift = Literal["previous", "next", "skip"]

MOST_AT_ONCE: Final = 32
"""For so many deadlines one event counts at most: where each looks back over those before it."""

_INSTANT: Final = timedelta(microseconds=1)
_FIRST_LOOK_BACK: Final = timedelta(hours=1)
_LONGEST_LOOK_BACK: Final = timedelta(days=9 * 366)
"""What is due on 29 February can wait for eight years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """In which an event counts for the deadline `by`: behind `since`, until `until`, which is `by` and the grace."""

    by: datetime
    since: datetime
    until: datetime

    @property
    def key(self) -> str:
        """Return what it is remembered by."""
        return self.by.isoformat()

    def holds(self, moment: datetime) -> bool:
        """Whether what happened then counts."""
        return self.since < moment <= self.until


class Deadlines:
    """The deadlines of one rule. One on a closed day moves to the nearest open one `shift` says, at the same time of
    day, or is left out; two that fall on the same moment are one."""

    def __init__(
        self,
        expression: str,
        timezone: str,
        *,
        business_days: str = "",
        shift: Shift = "previous",
        since_s: float | None = None,
        grace_s: float = 0.0,
    ) -> None:
        """Make them.

        Raises:
            BadSchedule: `expression` is no cron expression of five fields, or one that is never due.
        """
        self._calendar = Calendar.of(business_days) if business_days else None
        self._shift = shift
        self._zone = ZoneInfo(timezone)
        skips = self._calendar is not None and shift == "skip"
        self._timetable = Timetable(expression, timezone, self._calendar.is_business_day if skips else None)  # type: ignore[union-attr]
        self._since = None if since_s is None else timedelta(seconds=since_s)
        self._grace = timedelta(seconds=grace_s)
        self._latest: Period | None = None

    def __contains__(self, moment: datetime) -> bool:
        return self.next_after(moment - _INSTANT) == moment

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first deadline behind a moment."""
        found = self._timetable.next_after(self._start(moment))
        while found is not None:
            moved = self._moved(found)
            if moved > moment:
                return moved
            found = self._timetable.next_after(found)
        return None

    def last_until(self, moment: datetime) -> datetime | None:
        """Return the last deadline that is not behind a moment; None where there was none for years."""
        back = _FIRST_LOOK_BACK
        while back < _LONGEST_LOOK_BACK:
            found = self.next_after(moment - back)
            if found is not None and found <= moment:
                return self._last(found, moment)
            back *= 4
        return None

    def due_after(self, moment: datetime) -> datetime | None:
        """Return the first moment behind another at which a deadline is judged: it and the grace."""
        found = self.next_after(moment - self._grace)
        return None if found is None else found + self._grace

    def period_due_at(self, moment: datetime) -> Period:
        """Return the period that is judged at a moment of `due_after`."""
        return self.period(moment - self._grace)

    def periods_of(self, moment: datetime) -> list[Period]:
        """Return the periods in which something counts that happened at a moment, the earliest first."""
        if self._since is None and self._latest is not None and self._latest.holds(moment):
            return [self._latest]
        found = []
        for period in self._periods_from(moment):
            if not period.holds(moment):
                break
            found.append(period)
            if self._since is None or len(found) == MOST_AT_ONCE:
                break
        if self._since is None and found:
            self._latest = found[0]
        return found

    def missed_before(self, moment: datetime) -> datetime | None:
        """Return the last deadline that was over, its grace as well, before a moment."""
        return self.last_until(moment - self._grace - _INSTANT)

    def late_for(self, moment: datetime, missed: datetime) -> tuple[bool, bool]:
        """Return whether what happened at a moment is the late one of the deadline before it, which was missed, and
        whether it counts for those that follow as well.

        One event counts once. In the period of a later deadline it is that one's; without `since`, where every moment
        is in a period, it is that of the deadline that is nearer. Only where periods reach back over the deadline that
        was missed it is both.
        """
        following = self.periods_of(moment)
        if not following:
            return True, False
        if following[0].since < missed:
            return True, True
        if self._since is not None:
            return False, True
        is_nearer = moment - missed < following[0].by - moment
        return is_nearer, not is_nearer

    def _periods_from(self, moment: datetime) -> Iterator[Period]:
        by = self.next_after(moment - self._grace - _INSTANT)
        while by is not None:
            yield self.period(by)
            by = self.next_after(by)

    def period(self, by: datetime) -> Period:
        """Return the period of a deadline."""
        until = by + self._grace
        if self._since is not None:
            return Period(by=by, since=by - self._since, until=until)
        last = self.last_until(by - _INSTANT)
        return Period(by=by, since=by - timedelta(days=366) if last is None else last + self._grace, until=until)

    def _last(self, found: datetime, moment: datetime) -> datetime:
        following = self.next_after(found)
        while following is not None and following <= moment:
            found, following = following, self.next_after(following)
        return found

    def _start(self, moment: datetime) -> datetime:
        """Return behind which moment of the expression one can lie that moves behind `moment`: with `next`, those of
        the closed days right before it may."""
        if self._calendar is None or self._shift != "next":
            return moment
        day = moment.astimezone(self._zone).date()
        before = self._calendar.shift(day - timedelta(days=1), "previous")
        start = datetime.combine(before + timedelta(days=1), time(), tzinfo=self._zone)
        return min(moment, start.astimezone(moment.tzinfo) - _INSTANT)

    def _moved(self, found: datetime) -> datetime:
        if self._calendar is None or self._shift == "skip":
            return found
        local = found.astimezone(self._zone)
        day = self._calendar.shift(local.date(), self._shift)
        if day == local.date():
            return found
        return datetime.combine(day, local.time(), tzinfo=self._zone).astimezone(found.tzinfo)


@lru_cache(maxsize=1024)
def deadlines_of(
    by: str, timezone: str, business_days: str, shift: str, since_s: float | None, grace_s: float
) -> Deadlines:
    """Return the deadlines of these words; the same words give the same object."""
    return Deadlines(
        by,
        timezone,
        business_days=business_days,
        shift=cast("Shift", shift),
        since_s=since_s,
        grace_s=grace_s,
    )
