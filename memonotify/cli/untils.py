"""When something is to end, as people write it. Pure.

In: `18:00`, a date, or a date and time, and the time zone that is meant where none is written. Out: a moment.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import click

_TIME: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}")


def moment_of(text: str, *, timezone: str, now: datetime) -> datetime:
    """Return the moment that is meant: a time alone is the next one after `now`, a date alone the day's beginning.

    Raises:
        click.BadParameter: it is none of these.
    """
    zone = ZoneInfo(timezone)
    try:
        if _TIME.fullmatch(text):
            return _next(time.fromisoformat(text.zfill(5)), now.astimezone(zone))
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a time such as 18:00 nor a date such as 2026-03-02 or 2026-03-02T18:00.",
            param_hint="'--until'",
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def _next(at: time, local: datetime) -> datetime:
    today = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0, fold=0)
    return today if today > local else today + timedelta(days=1)
