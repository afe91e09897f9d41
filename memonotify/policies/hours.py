"""Quiet hours: whether a moment lies in a quiet time, and when that ends. Pure.

In: the windows of one name under `hours` in the configuration, and a moment. Out: the moment at which the quiet time
ends. The policy `quiet` holds messages until then.

Windows are in local time, so the days on which clocks change have to be decided. Where they go forward, a time that
does not exist is the moment of the change. Where they go back, a time that comes twice begins a window at its first
coming and ends one at its second: a quiet night is longer by the hour, and not interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from memonotify.config.values import DAY_MINUTES, Config, Window
from memonotify.model import Severity
from memonotify.policies.calendar import Calendar

LONGEST: Final = timedelta(days=60)
"""No quiet time is taken for longer: then its messages go, whatever the windows say."""

_KEPT_DAYS: Final = 512


class Span(NamedTuple):
    """A stretch of time, from a moment to the one before `end_at`. Both are UTC."""

    start_at: datetime
    end_at: datetime


class Hours:
    """The quiet time of one or several windows together."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = [_Placed(window) for window in windows]

    def quiet_until(self, at: datetime, severity: Severity | None = None) -> datetime | None:
        """Return the end, in UTC, of the quiet time that `at` lies in; None where it lies in none.

        Windows that overlap or touch are one quiet time. `at` is aware. With a severity, the windows that let it pass
        do not count. The end itself is not quiet, except `LONGEST` after `at`, where the search is given up.
        """
        windows = [placed for placed in self._windows if severity not in placed.window.passes]
        at = at.astimezone(UTC)
        latest = at + LONGEST
        until = at
        while until < latest:
            ends = [span.end_at for placed in windows for span in placed.around(until) if _holds(span, until)]
            if not ends:
                break
            until = max(ends)
        return min(until, latest) if until > at else None


def hours_of(config: Config) -> dict[str, Hours]:
    """Return the hours of a configuration, by name."""
    return {name: Hours(windows) for name, windows in config.hours.items()}


class _Placed:
    """A window on the days of its time zone. It keeps what it found for each day."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._zone = ZoneInfo(window.timezone)
        self._calendar = Calendar.of(*window.holidays)
        self._spans: dict[date, tuple[Span, ...]] = {}

    def around(self, at: datetime) -> tuple[Span, ...]:
        """Return the spans that can hold a moment: those that belong to its day, and to the day before."""
        today = at.astimezone(self._zone).date()
        return self._of(today) + self._of(today - timedelta(days=1))

    def _of(self, day: date) -> tuple[Span, ...]:
        found = self._spans.get(day)
        if found is None:
            if len(self._spans) >= _KEPT_DAYS:
                self._spans.clear()
            found = self._spans[day] = tuple(self._made(day))
        return found

    def _made(self, day: date) -> Iterator[Span]:
        if day.weekday() in self.window.days:
            yield self._span(day, self.window.start, self.window.end)
        if self._calendar.is_holiday(day):
            yield self._span(day, 0, DAY_MINUTES)

    def _span(self, day: date, start: int, end: int) -> Span:
        return Span(self._moment(day, start, fold=0), self._moment(day, end, fold=1))

    def _moment(self, day: date, minutes: int, *, fold: int) -> datetime:
        local = datetime.combine(day, time.min) + timedelta(minutes=minutes)
        return moment(local, self._zone, fold=fold)


def moment(local: datetime, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    """Return the UTC moment at which a zone's clocks show `local` (naive).

    `fold` 0 takes the first where they show it twice, 1 the second. Where they never show it, it is the moment at which
    they jump over it.
    """
    first, second = (_read(local, zone, each) for each in (0, 1))
    # A time that is jumped over comes out later with the offset before the jump than with the one after it.
    if first > second:
        return _jump(second, first, zone)
    return second if fold else first


def _read(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment between the two, to the second, from which the zone has its later offset."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _holds(span: Span, at: datetime) -> bool:
    return span.start_at <= at < span.end_at
