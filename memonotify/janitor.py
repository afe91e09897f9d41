"""Keeps the store small and the gauges true. Started and stopped by the app; works on the store alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from memonotify.errors import StoreError
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Clock
from memonotify.store.store import Store

_GAUGES_EVERY_S: Final = 5.0
_PURGE_EVERY_S: Final = 600.0
_FORGET_LATER: Final = timedelta(hours=1)
"""A clock that goes back a little must not find that it has forgotten."""

_LATE: Final = timedelta(days=7)
"""How much longer than a window reaches back its entries are kept: a late event looks back from its own date."""

_BATCH: Final = 500
_BATCH_PAUSE_S: Final = 0.05


class Janitor:
    """Refreshes the gauges every few seconds; removes what is past its retention or of no more use in small batches.

    `longest_s` gives how far the rules' windows look back.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Sequence[str],
        retention_s: float,
        clock: Clock,
        metrics: Metrics,
        longest_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._store = store
        self._channels = channels
        self._retention = timedelta(seconds=retention_s)
        self._longest_s = longest_s
        self._clock = clock
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="janitor")

    async def stop(self, _drain_s: float) -> None:
        """End at once; what is left is purged by the next run."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        purged_at = -_PURGE_EVERY_S
        while True:
            try:
                await self.refresh()
                if self._store.leads and self._clock.monotonic() - purged_at >= _PURGE_EVERY_S:
                    purged_at = self._clock.monotonic()
                    await self.purge()
                    await self.release()
                    await self.forget()
                    await self.shorten()
            except StoreError as error:
                logger().warning("janitor_failed", error=str(error))
            await asyncio.sleep(_GAUGES_EVERY_S)

    async def refresh(self) -> None:
        """Bring the gauges up to date."""
        waiting = await self._store.waiting(self._channels)
        self._metrics.backlog.set(waiting.backlog)
        self._metrics.held.set(waiting.held)
        for channel, count in waiting.deliveries.items():
            self._metrics.pending.labels(channel).set(count)

    async def purge(self) -> int:
        """Remove what is past its retention; return how many events went."""
        before = self._clock.now() - self._retention
        total = 0
        while gone := await self._store.purge(before=before, limit=_BATCH):
            total += gone
            # Intake and courier write through the same writer: leave them room between the batches.
            await asyncio.sleep(_BATCH_PAUSE_S)
        if total:
            logger().info("events_purged", count=total)
        return total

    async def release(self) -> int:
        """Remove files that no message carries any more; return of how many events."""
        total = 0
        while gone := await self._store.release_documents(limit=_BATCH):
            total += gone
            await asyncio.sleep(_BATCH_PAUSE_S)
        return total

    async def forget(self) -> int:
        """Remove what policies remember and what has expired; return how much."""
        total = 0
        while gone := await self._store.forget_states(before=self._clock.now() - _FORGET_LATER, limit=_BATCH):
            total += gone
            await asyncio.sleep(_BATCH_PAUSE_S)
        return total

    async def shorten(self) -> int:
        """Remove what windows counted and what none looks back to any more, nor retention keeps; return how much."""
        kept = max(self._retention, timedelta(seconds=self._longest_s())) + _LATE
        total = 0
        while gone := await self._store.purge_windows(before=self._clock.now() - kept, limit=_BATCH):
            total += gone
            await asyncio.sleep(_BATCH_PAUSE_S)
        return total
