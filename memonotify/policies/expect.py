"""What is remembered of a deadline: whether what was expected by then has come. Pure.

In: what the store keeps for the deadline, and an event. Out: what it keeps from then on. Deciding writes that an event
came, the job of a deadline that none did; whoever comes second sees it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from memonotify.model import said_at

KEPT: Final = timedelta(days=400)
"""So long behind a deadline it is known how it went: a yearly one can still say when the last event came."""


class Course(StrEnum):
    """How a deadline went.

    came: an event was there in time. missed: none was, and it is told. late: none was, and one came since. skipped: the
    rule had not seen the whole period, so nobody can tell.
    """

    CAME = "came"
    MISSED = "missed"
    LATE = "late"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One deadline as it is remembered: its course, and the date and id of the event, empty where none came."""

    course: Course
    date: str = ""
    event_id: str = ""

    @property
    def text(self) -> str:
        """Return it as the store keeps it."""
        return json.dumps([self.course, self.date, self.event_id])


def remembered(text: str | None) -> Remembered | None:
    """Return what the store keeps for a deadline; None for nothing."""
    if text is None:
        return None
    course, date, event_id = json.loads(text)
    return Remembered(course=Course(course), date=date, event_id=event_id)


def after_event(old: Remembered | None, date: str, event_id: str) -> Remembered | None:
    """Return what is remembered of a deadline once an event has come that counts for it; None: nothing changes."""
    if old is None:
        return Remembered(course=Course.CAME, date=date, event_id=event_id)
    if old.course is Course.MISSED:
        return Remembered(course=Course.LATE, date=date, event_id=event_id)
    return None


def happened_at(date: str, received_at: datetime) -> datetime:
    """Return when an event happened by its own date; when it came in where that cannot be read."""
    return said_at(date) or received_at


def is_over(text: str | None) -> bool:
    """Whether a deadline that was missed needs nobody's attention any more: what was expected has come since."""
    found = remembered(text)
    return found is not None and found.course in (Course.LATE, Course.CAME)
