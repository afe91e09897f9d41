"""The courier: a lane for each channel, and the renewal of their leases.

In: channels with their configuration, the store, `wake(channels)` after each commit that wrote deliveries. Out: every
delivery that is due is sent, or ends as a dead letter; `on_failures` is called where one did.
Made, started and stopped by the composition root; the store is opened before and closed after.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from memonotify.alarm import Pause
from memonotify.channels.base import Channel
from memonotify.config.values import ChannelConfig, Retry
from memonotify.delivery.breaker import BreakerState
from memonotify.delivery.lane import Lane, LaneState
from memonotify.delivery.surroundings import Bound, Surroundings
from memonotify.headroom import Headroom
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Clock
from memonotify.store.store import Store

MAX_IN_FLIGHT: Final = 64
"""Sends in flight over all lanes: what keeps notifying from crowding out the webhook."""

LOOK_S: Final = 30.0
"""The store is looked at this often even if nobody wakes a lane: a hint may be lost, a wall clock may be set."""

LEASE_S: Final = 30.0
"""How long a claim is held before it must be renewed: what a crash costs where others share the store."""


def shares(wanted: Mapping[str, int], bound: int) -> dict[str, int]:
    """Divide `bound` sends among lanes that want so many each: nobody gets more than wanted or less than one, and what
    one does not need goes to the others. Fixed shares, so a lane full of hanging sends takes nothing from another."""
    left = max(bound, len(wanted))
    given: dict[str, int] = {}
    for name in sorted(wanted, key=lambda name: wanted[name]):
        given[name] = max(1, min(wanted[name], left // (len(wanted) - len(given))))
        left -= given[name]
    return given


class Courier:
    """Delivers. `start` and `stop` once; everything between is the lanes' own work.

    `on_failures` is called after a settlement left failures that somebody must hear of. `pause` and `bound` are how to
    sleep and how to bound a block's time; `max_in_flight` is divided among the lanes.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[str, Channel],
        configs: Mapping[str, ChannelConfig],
        retry: Retry,
        clock: Clock,
        metrics: Metrics,
        random: random.Random,
        headroom: Headroom,
        pause: Pause = asyncio.sleep,
        bound: Bound = asyncio.timeout,
        max_in_flight: int = MAX_IN_FLIGHT,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._pause = pause
        self._bound = bound
        self._lease_s = lease_s
        self.on_failures: Callable[[], None] = lambda: None
        around = Surroundings(
            store=store,
            retry=retry,
            clock=clock,
            metrics=metrics,
            randomness=random,
            pause=pause,
            bound=bound,
            lease_s=lease_s,
            look_s=look_s,
            headroom=headroom,
            dead_letter=self._dead_letter,
        )
        slots = shares({name: configs[name].concurrency for name in channels}, max_in_flight)
        self._lanes = {
            name: Lane(channel, configs[name], around, slots=slots[name]) for name, channel in channels.items()
        }
        self._runs: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver what the store holds; returns at once."""
        self._runs = [asyncio.create_task(lane.run()) for lane in self._lanes.values()]
        self._keeper = asyncio.create_task(self._keep_leases())

    def wake(self, channels: Iterable[str]) -> None:
        """Deliveries were written for these channels; a name without a lane is passed over."""
        for name in channels:
            if (lane := self._lanes.get(name)) is not None:
                lane.wake()

    def breakers(self) -> dict[str, BreakerState]:
        """Return the state of each channel's breaker: closed, open or half-open."""
        return {name: lane.state.breaker for name, lane in self._lanes.items()}

    def states(self) -> dict[str, LaneState]:
        """Return each lane's state, by channel."""
        return {name: lane.state for name, lane in self._lanes.items()}

    async def stop(self, drain_s: float) -> None:
        """Begin nothing any more, give unused claims back, and wait up to `drain_s` for what is in flight; the rest is
        cut short and stays in the store. Channels and store are the caller's to close."""
        for lane in self._lanes.values():
            lane.halt()
        try:
            async with self._bound(drain_s):
                await asyncio.gather(*(asyncio.shield(run) for run in self._runs))
                for lane in self._lanes.values():
                    await lane.drained()
        except TimeoutError:
            # A start that failed gives no time at all, and then there is mostly nothing to cut.
            if under_way := {name: count for name, lane in self._lanes.items() if (count := lane.state.under_way)}:
                logger().warning("courier_cut", **under_way)
        finally:
            await self._cut()

    def _dead_letter(self) -> None:
        self.on_failures()

    async def _cut(self) -> None:
        if self._keeper is not None:
            self._runs.append(self._keeper)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, *(lane.cut() for lane in self._lanes.values()), return_exceptions=True)

    async def _keep_leases(self) -> None:
        while True:
            await self._pause(self._lease_s / 6)
            for lane in self._lanes.values():
                await lane.renew()
