"""`Retry-After` as seconds: a number of seconds or an HTTP date (RFC 9110 §10.2.3).

Comes in: the header's value and the present moment. Goes out: seconds from now, or None where it says nothing usable.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_S: Final = 7 * 86400.0
_SECONDS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return how long the receiver wants to be left alone: never negative, a week at most.

    Fractions of a second are taken although the standard knows none: some servers send them.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), MAX_S)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date without a zone is GMT: HTTP knows no other.
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_S)
