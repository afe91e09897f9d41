"""The silences in force, kept in memory so that asking for every message costs no round trip to the database.

In: a way to read the silences that are not over. Out: those in force at a moment. What this process writes is seen at
once, what other nodes write within a second. The store owns it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from memonotify.model import Clock, Silence

FRESH_S: Final = 1.0
"""How old what is remembered may be: other nodes write too, and so does a request that nobody waits for any more."""

Read = Callable[[datetime], Awaitable[tuple[Silence, ...]]]


class StandingSilences:
    """Remembers the silences that are not over, and reads them again when that may have changed."""

    def __init__(self, read: Read, *, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._known: tuple[Silence, ...] = ()
        self._known_at: datetime | None = None
        self._read_s = 0.0
        self._changes = 0
        self._reading = asyncio.Lock()

    async def at(self, now: datetime) -> tuple[Silence, ...]:
        """Return the silences in force at a moment, the first to end first."""
        if not self._is_fresh(now):
            async with self._reading:
                if not self._is_fresh(now):
                    await self._refresh(now)
        return tuple(silence for silence in self._known if silence.is_active(now)) if self._known else ()

    def forget(self) -> None:
        """Read again before the next answer: a silence was written."""
        self._changes += 1
        self._known_at = None

    def _is_fresh(self, now: datetime) -> bool:
        # Before the moment it was read for, one that had ended by then may be in force.
        if self._known_at is None or now < self._known_at:
            return False
        return self._clock.monotonic() - self._read_s < FRESH_S

    async def _refresh(self, now: datetime) -> None:
        while True:
            changes, began_s = self._changes, self._clock.monotonic()
            known = await self._read(now)
            if changes == self._changes:
                self._known, self._known_at, self._read_s = known, now, began_s
                return
