"""The bank's call quota, obeyed before it runs out.

In: the `RateLimit-*` headers of each answer. Out: how long a call has to wait, zero where it may go now. Pure: moments
are monotonic seconds handed in; `client` does the waiting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_LEADING_NUMBER: Final = re.compile(r"\s*(\d{1,9})")
_LONGEST_WINDOW_S: Final = 86400
"""A reset further away than a day is no number of seconds but, say, a moment since 1970, and is not believed."""

_SAME_WINDOW_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.02


def header_number(headers: Mapping[str, str], name: str) -> int | None:
    """Return the number a header begins with, or None. Parameters after it (`100;w=60`) are left aside."""
    found = _LEADING_NUMBER.match(headers.get(name, ""))
    return int(found[1]) if found else None


def seconds_to_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the quota resets (`RateLimit-Reset`), or None where that is not told or absurd."""
    told = header_number(headers, "RateLimit-Reset")
    return float(told) if told is not None and told <= _LONGEST_WINDOW_S else None


class Quota:
    """What is left of the present window, as far as known: nothing is known until the first answer.

    A few calls are kept back, because others may spend from the same quota and answers overtake each other.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.remaining: int | None = None
        self._resets_at: float | None = None
        self._in_flight = 0

    @property
    def reserve(self) -> int:
        """How many calls are kept back: a tenth of the quota, five at most."""
        return min(5, (self.limit or 0) // 10)

    @property
    def spare(self) -> int | None:
        """How many calls are left beside those kept back and those under way, where anything is known."""
        return None if self.remaining is None else max(self.remaining - self.reserve, 0)

    def wait_s(self, now: float) -> float:
        """Return the seconds until a call may go, 0.0 for now."""
        self._roll(now)
        if self.remaining is None or self.remaining > self.reserve:
            return 0.0
        if self._resets_at is None:
            # A new window whose first answers are not back yet: they will tell what is left.
            return _LOOK_AGAIN_S if self._in_flight else 0.0
        return max(self._resets_at - now, 0.001)

    def spare_wait_s(self, now: float, kept: float) -> float:
        """Return the seconds until a call may go that leaves the part `kept` (0 to 1) of a window's quota to others."""
        self._roll(now)
        if self.remaining is None or self.limit is None or self.remaining > self.limit * kept:
            return 0.0
        return 0.0 if self._resets_at is None else max(self._resets_at - now, 0.001)

    def begin(self) -> None:
        """Count a call that goes out."""
        self._in_flight += 1
        if self.remaining is not None:
            self.remaining = max(self.remaining - 1, 0)

    def end(self, *, answered: bool) -> None:
        """Count a call that has come back; one without an answer is not held against a window not yet confirmed."""
        self._in_flight -= 1
        if not answered and self._resets_at is None and self.remaining is not None:
            self.remaining += 1

    def observe(self, headers: Mapping[str, str], *, now: float, refused: bool = False) -> float | None:
        """Take in an answer's headers; `refused` is a 429.

        Returns the seconds until the quota resets, None where they do not tell that and what is left.
        """
        limit = header_number(headers, "RateLimit-Limit")
        reset_s = seconds_to_reset(headers)
        remaining = 0 if refused else header_number(headers, "RateLimit-Remaining")
        self.limit = limit if limit is not None else self.limit
        if reset_s is None or remaining is None:
            return None
        self._set(remaining, now + reset_s)
        return reset_s

    def _set(self, remaining: int, resets_at: float) -> None:
        known = self._resets_at
        if known is not None and resets_at < known - _SAME_WINDOW_S:
            # An answer from the window before, overtaken on its way.
            return
        if known is None or self.remaining is None or resets_at > known + _SAME_WINDOW_S:
            # A window not seen before: calls under way may not be counted by the bank yet.
            others = max(self._in_flight - 1, 0)
            self.remaining = max(remaining - others, 0)
            self._resets_at = resets_at
            return
        self.remaining = min(self.remaining, remaining)
        self._resets_at = max(known, resets_at)

    def _roll(self, now: float) -> None:
        if self._resets_at is not None and now >= self._resets_at:
            self._resets_at = None
            # What is under way across the reset may arrive after it, and then counts in the new window.
            self.remaining = None if self.limit is None else max(self.limit - self._in_flight, 0)
