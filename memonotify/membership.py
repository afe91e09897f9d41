"""This daemon among the others on a shared store: renews its lease, reads the database's clock, takes the lead.

Comes in: the store and what the node says of itself. Goes out: beats in the store, and a call when this node begins or
ceases to lead. On a store of one node there is nothing to do. The app starts and stops it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from memonotify.clock import SharedClock
from memonotify.errors import StoreError
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Node
from memonotify.store.store import Store

LEASE_S: Final = 20.0
"""How long a node's lease lasts. What a dead node held is free a third of this later at the most: within 30 s."""

BEATS: Final = 3
"""How often a lease is renewed within its time."""


class Membership:
    """One node's life on a shared store.

    `describe` returns the node as it is now, `on_lead` is called with True when it begins to lead and with False when
    it ceases to, `on_hint` when another node says that there is work. `pause` waits for seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: SharedClock,
        metrics: Metrics,
        describe: Callable[[], Node],
        may_lead: bool,
        on_lead: Callable[[bool], Awaitable[None]],
        on_hint: Callable[[], None],
        lease_s: float = LEASE_S,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._describe = describe
        self._may_lead = may_lead
        self._on_lead = on_lead
        self._on_hint = on_hint
        self._lease_s = lease_s
        self._pause = pause
        self._led = False
        self._trouble = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take a lease, and go on renewing it.

        Raises:
            StoreError: the store cannot be written.
        """
        if not self._store.is_shared:
            return
        await self._beat()
        self._tasks = [
            asyncio.create_task(self._run(), name="membership"),
            asyncio.create_task(self._store.listen(self._on_hint), name="hints"),
        ]

    async def stop(self, drain_s: float) -> None:
        """Leave, so that the others take over at once; within `drain_s`."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        try:
            async with asyncio.timeout(max(drain_s, 1.0)):
                await self._store.leave()
        except (StoreError, TimeoutError) as error:
            logger().warning("node_not_left", detail=str(error))

    async def _run(self) -> None:
        while True:
            await self._pause(self._lease_s / BEATS)
            try:
                await self._beat()
                self._trouble = ""
            except StoreError as error:
                # Said once for as long as it stays the same; the lead ends by itself when its time is over.
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    logger().error("heartbeat_failed", detail=self._trouble)
                await self._tell()

    async def _beat(self) -> None:
        asked_s = self._clock.monotonic()
        moment = await self._store.moment()
        self._clock.set(moment, asked_s=asked_s, answered_s=self._clock.monotonic())
        pulse = await self._store.beat(self._describe(), lease_s=self._lease_s, may_lead=self._may_lead)
        self._metrics.nodes.set(pulse.nodes)
        await self._tell()

    async def _tell(self) -> None:
        leads = self._store.leads
        self._metrics.leads.set(int(leads))
        if leads is not self._led:
            self._led = leads
            if leads:
                logger().info("lead_taken")
            else:
                logger().info("lead_lost")
            await self._on_lead(leads)
