"""What wakes a waiting loop: a bell anybody may ring, and one timer that rings it.

In: `ring()`, and how long to wait at most. Out: `wait()` returns. The lanes and the reporter wait on one each; the
sleep itself is handed in, so that tests turn the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Pause = Callable[[float], Awaitable[object]]
"""Sleeps for so many seconds: `asyncio.sleep`, or a test's own."""


class Alarm:
    """A bell with one timer. Rings that come while nobody waits are kept as one."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._bell = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = float("inf")

    def ring(self) -> None:
        """Let `wait` return now."""
        self._bell.set()

    async def wait(self, now_s: float, until_s: float) -> None:
        """Wait for a ring, or until the monotonic second `until_s` (infinity: only for a ring); `now_s` is the present.

        A timer that is already set for an earlier moment stays: waking once too often is cheaper than setting it anew.
        """
        if until_s < self._timer_at:
            self._cancel()
            self._timer_at = until_s
            self._timer = asyncio.create_task(self._ring_after(max(0.0, until_s - now_s)))
        await self._bell.wait()
        self._bell.clear()

    def close(self) -> None:
        """Let go of the timer."""
        self._cancel()

    async def _ring_after(self, delay_s: float) -> None:
        await self._pause(delay_s)
        self._timer, self._timer_at = None, float("inf")
        self._bell.set()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, float("inf")
