"""Fakes for our own seams, each with a way to inject what a test needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, at: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) -> None:
        self._at = at
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set_back(self, seconds: float) -> None:
        """Let the time of day jump back, as where a machine's clock is set right."""
        self._at -= timedelta(seconds=seconds)


class Faults:
    """The store's hook before each commit: raises what is queued, and calls `on_commit` where a test set it."""

    def __init__(self) -> None:
        self.queued: deque[Exception] = deque()
        self.on_commit: Callable[[], None] | None = None

    def __call__(self) -> None:
        if self.on_commit is not None:
            self.on_commit()
        if self.queued:
            raise self.queued.popleft()
