"""Reads the moments of a test, `now` and `held_until`: a text and a time zone in, an aware moment in UTC out. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def moment(text: str, timezone: str) -> datetime:
    """Return a moment. Without a zone, it is local time in `timezone`; where the clocks are put back, the first of two.

    Raises:
        ValueError: it is no date and time, or the clocks of the zone skip it. The text goes on from "`now` …".
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or ":" not in text:
        raise ValueError(f"is `{text}`, which is no date and time")
    try:
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        local = at.replace(tzinfo=ZoneInfo(timezone))
        utc = local.astimezone(UTC)
        if utc.astimezone(local.tzinfo).replace(tzinfo=None) != at:
            raise ValueError(f"is `{text}`, which the clocks skip in {timezone}")
    except OverflowError:
        raise ValueError(f"is `{text}`, which is out of range") from None
    return utc


def local_text(at: datetime, timezone: str) -> str:
    """Return a moment as a test's result shows it: local time, to the second."""
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S}"
