"""Tells in the log that the store cannot be written, and that it can be again: once each, however many ask meanwhile.

In: what became of each transaction, and a beat. Out: two log lines. The writer calls it, in its thread.
"""

from __future__ import annotations

from typing import Final

from memonotify.errors import StoreError, StoreUnusable
from memonotify.logs import logger
from memonotify.model import Clock

SETTLED_S: Final = 5.0
"""So long nothing may fail before all is well again: on a disk that is nearly full small writes work and others do not,
and the log would tell of each change."""


class Trouble:
    """Whether the store can be written, as far as the log knows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_s: float | None = None
        self._failed_s = 0.0
        self._has_worked = False
        self._for_good = False

    def failed(self, error: StoreError) -> None:
        """A transaction could not be written, and that is not its own fault."""
        self._failed_s = self._clock.monotonic()
        self._has_worked = False
        self._for_good |= isinstance(error, StoreUnusable)
        if self._since_s is None:
            self._since_s = self._failed_s
            logger().error("store_unavailable", detail=str(error))

    def worked(self) -> None:
        """A transaction was written."""
        self._has_worked = True
        self.beat()

    def beat(self) -> None:
        """Look whether the trouble is over. Of damage it never is: what is whole in the file can still be written."""
        if self._since_s is None or not self._has_worked or self._for_good:
            return
        now_s = self._clock.monotonic()
        if now_s - self._failed_s >= SETTLED_S:
            logger().info("store_available", after_s=round(now_s - self._since_s, 1))
            self._since_s = None
