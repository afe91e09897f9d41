"""The real clocks. The composition root hands them in; tests hand in one of their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from memonotify.model import Clock


class SystemClock:
    """The machine's time: aware UTC, and monotonic seconds."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()


class SharedClock:
    """The time of several nodes: the database's clock as it was last read, carried on by this machine's monotonic one.

    Until it is set it is the machine's own. So nodes whose clocks are an hour apart agree on what is due.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._set: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the present moment."""
        if self._set is None:
            return self._own.now()
        moment, at_s = self._set
        return moment + timedelta(seconds=self._own.monotonic() - at_s)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return self._own.monotonic()

    def set(self, moment: datetime, *, asked_s: float, answered_s: float) -> None:
        """Learn what the database's clock said, to a question between two monotonic seconds."""
        self._set = moment, (asked_s + answered_s) / 2
