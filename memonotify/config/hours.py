"""The section `hours` of the configuration, a mapping in and windows by name out. Called by `config.loader`.

A name has one window or a list of them. What a window means on a calendar is worked out in `policies.hours`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from memonotify.config import checks
from memonotify.config.fields import Fields
from memonotify.config.values import DAY_MINUTES, Window
from memonotify.model import Severity

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""How the days of the week are called, the first one of a week first."""

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_WEEK_MINUTES: Final = len(DAYS) * DAY_MINUTES
_WHOLE_WEEK: Final = (1 << _WEEK_MINUTES) - 1
_WINTER_AND_SUMMER: Final = (datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC))


def read_hours(fields: Fields, timezone: str) -> Mapping[str, tuple[Window, ...]]:
    """Return the windows of each name, those with a problem left out. `timezone` is where a window names none."""
    found: dict[str, tuple[Window, ...]] = {}
    for name in fields.written_names():
        given = [fields.child(name)] if isinstance(fields.raw(name), dict) else list(fields.children(name))
        found[name] = tuple(window for each in given for window in _window(each, timezone))
        if any(_is_always_quiet(found[name], severity) for severity in Severity):
            hint = "leave some time in which messages are sent"
            fields.problem(name, f"`{name}` is always quiet: what waits for its end would wait forever", hint, key=True)
    return MappingProxyType(found)


def minutes_of(text: str) -> int:
    """Return the minutes after midnight of a time of day as `19:00`; `24:00` is the end of the day. Or refuse it."""
    if text == "24:00":
        return DAY_MINUTES
    found = _TIME.fullmatch(text)
    if found is None:
        raise checks.Refusal(f"`{text[:80]}` is not a time of day", 'hours and minutes in quotes, such as "08:00"')
    return int(found[1]) * 60 + int(found[2])


def _window(fields: Fields, timezone: str) -> Iterator[Window]:
    """Yield the window, or nothing where it has a problem."""
    told = len(fields.source.problems)
    start, end = _times(fields)
    zone = fields.parsed("timezone", checks.timezone, timezone)
    if start is None or end is None or any(path[: len(fields.path)] == fields.path for path in fields.source.unusable):
        return
    passes = frozenset(map(Severity, _several(fields.raw("except"))))
    if passes == frozenset(Severity):
        fields.problem("except", "`except` lets everything pass, so that nothing is quiet", "remove the window")
    if len(fields.source.problems) == told:
        holidays = tuple(dict.fromkeys(_several(fields.raw("holidays"))))
        yield Window(days=_days(fields), timezone=zone, start=start, end=end, holidays=holidays, passes=passes)


def _times(fields: Fields) -> tuple[int | None, int | None]:
    """Return beginning and end, the end beyond `DAY_MINUTES` where midnight lies between. None: it cannot be told."""
    for name, other in (("from", "to"), ("to", "from")):
        if fields.has(name) and not fields.has(other):
            hint = f'such as {other}: "{"08:00" if other == "to" else "19:00"}"; without both, it is the whole day'
            fields.problem(name, f"`{name}` needs a `{other}`", hint, key=True)
            return None, None
    if not fields.has("from"):
        return 0, DAY_MINUTES
    unknown: int | None = None
    start = fields.parsed("from", minutes_of, unknown)
    end = fields.parsed("to", minutes_of, unknown)
    if start == DAY_MINUTES:
        fields.problem("from", "`from`: 24:00 is the end of a day", 'a day begins at "00:00"')
    elif start is not None and start == end:
        fields.problem("to", "`to` is the same as `from`", "leave both out for the whole day")
    elif start is not None and end is not None and end < start:
        end += DAY_MINUTES
    return start, end


def _days(fields: Fields) -> frozenset[int]:
    """Return the days of the week. Without any: each, or none where the window is there for holidays alone."""
    if not fields.has("days"):
        return frozenset() if fields.has("holidays") and not fields.has("from") else frozenset(range(len(DAYS)))
    return frozenset(day for text in _several(fields.raw("days")) for day in _range(text))


def _range(text: str) -> Iterable[int]:
    first, _, last = text.partition("-")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return (day % len(DAYS) for day in range(start, (end if end >= start else end + len(DAYS)) + 1))


def _several(value: Any) -> list[str]:
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    return [value] if isinstance(value, str) else []


def _is_always_quiet(windows: Iterable[Window], severity: Severity) -> bool:
    """Whether the windows that hold for a severity leave no minute of the week, in winter or in summer."""
    held = [window for window in windows if severity not in window.passes]
    return any(_covered(held, at) == _WHOLE_WEEK for at in _WINTER_AND_SUMMER)


def _covered(windows: Iterable[Window], at: datetime) -> int:
    """Return the minutes of a week in UTC that the windows cover, a bit each, with the offsets that hold at `at`."""
    covered = 0
    for window in windows:
        offset = _offset_minutes(window.timezone, at)
        for day in window.days:
            covered |= _bits(day * DAY_MINUTES + window.start - offset, window.end - window.start)
    return covered


def _bits(start: int, count: int) -> int:
    shifted = ((1 << count) - 1) << (start % _WEEK_MINUTES)
    return (shifted & _WHOLE_WEEK) | (shifted >> _WEEK_MINUTES)


def _offset_minutes(timezone: str, at: datetime) -> int:
    try:
        offset = at.astimezone(ZoneInfo(timezone)).utcoffset()
    except (KeyError, ValueError, OSError):
        # A reference that was not to be followed, or a zone whose problem is told already.
        return 0
    return int(offset.total_seconds()) // 60 if offset is not None else 0
