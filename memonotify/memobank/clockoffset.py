"""How far the bank's clock is from ours, measured from the `Date` of its answers.

In: each answer's `Date` header with our moments around the call. Out: the offset in seconds (the bank's clock minus
ours) that `client` adds to `iat`, because the bank accepts a difference of five seconds only. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_IGNORED_S: Final = 1.0
_DATE_RESOLUTION_S: Final = 1.0


def parse_http_date(text: str) -> datetime | None:
    """Return the moment of an HTTP date (RFC 9110 §5.6.7) as aware UTC, or None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


class ClockOffset:
    """The present estimate. It moves only where a measurement contradicts it by more than its own error."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def observe(self, date: str | None, *, sent_at: datetime, elapsed_s: float) -> None:
        """Take in the `Date` of an answer to a call sent at `sent_at` (our clock) that took `elapsed_s`.

        The header is cut to whole seconds and was written at some moment of the round trip, so the middle of both is
        taken. What is below a second is jitter, not an offset.
        """
        moment = parse_http_date(date) if date else None
        if moment is None:
            return
        ours = sent_at + timedelta(seconds=elapsed_s / 2)
        measured = (moment - ours).total_seconds() + _DATE_RESOLUTION_S / 2
        error_s = _DATE_RESOLUTION_S / 2 + elapsed_s / 2
        if abs(measured - self.seconds) > max(_IGNORED_S, error_s):
            self.seconds = measured if abs(measured) >= _IGNORED_S else 0.0
