"""Moments and spans as a person reads them, in one time zone. Pure.

In: moments as the API writes them. Out: the time alone on the day that a story is about, else date and time.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

_UTC: Final = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d UTC|T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00))")
"""A moment as memonotify writes it into a sentence that is kept."""

_STEPS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Moments:
    """Writes the moments of one story, which is about the day of its first moment."""

    def __init__(self, timezone: str, first: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._day: date = self._local(first).date()

    def full(self, text: str) -> str:
        """Return date and time to the second."""
        return f"{self._local(text):%Y-%m-%d %H:%M:%S}"

    def at(self, text: str) -> str:
        """Return the time, with its date where that is another."""
        local = self._local(text)
        return f"{local:%H:%M:%S}" if local.date() == self._day else f"{local:%Y-%m-%d %H:%M:%S}"

    def within(self, sentence: str) -> str:
        """Return a sentence of ours with the moments in it, written in UTC, as `at` gives them."""
        return _UTC.sub(lambda found: self.at(found[0].replace(" UTC", "+00:00")), sentence)

    def _local(self, text: str) -> datetime:
        return datetime.fromisoformat(text).astimezone(self._zone)


def span(seconds: float) -> str:
    """Return a length of time in its two largest units, such as `2 h 5 min`; below ten seconds with a tenth."""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def seconds_between(start: str, end: str) -> float:
    """Return the seconds from one moment to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
