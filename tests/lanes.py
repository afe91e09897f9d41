"""What a test of the courier needs: a channel with hooks to inject faults, a sleep the test ends, and a real store."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from fakes import ManualClock

from memonotify.config.values import ChannelConfig, Rate, Retry
from memonotify.delivery.courier import Courier
from memonotify.headroom import Headroom
from memonotify.metrics import Metrics
from memonotify.model import Branch, Delivery, NewDelivery, Notification, Receipt, Settlement, delivery_id
from memonotify.store.paces import Portion
from memonotify.store.store import Store


class ManualPause:
    """A sleep that ends when the test has advanced the clock far enough."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def __call__(self, seconds: float) -> None:
        sleeper = (self.clock.monotonic() + seconds, asyncio.get_running_loop().create_future())
        self.sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self.sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for until, sleeper in self.sleepers:
            if until <= self.clock.monotonic() + 1e-9 and not sleeper.done():
                sleeper.set_result(None)


class FakeChannel:
    """Takes every message, unless `answers` says what comes instead, one for each send: a Receipt or an exception.

    While `gate` is cleared, sends hang in it. `on_send` is called at each.
    """

    def __init__(self, name: str, channel_type: str = "http") -> None:
        self.name = name
        self.type = channel_type
        self.answers: deque[Receipt | BaseException] = deque()
        self.always: Receipt | BaseException = Receipt(status=200)
        self.gate = asyncio.Event()
        self.gate.set()
        self.got: list[tuple[Mapping[str, Any], str]] = []
        self.on_send: Callable[[], None] = lambda: None
        self.in_flight = self.most_in_flight = 0

    async def probe(self) -> None:
        return

    async def send(self, payload: Mapping[str, Any], *, identity: str) -> Receipt:
        self.got.append((payload, identity))
        self.on_send()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        answer = self.answers.popleft() if self.answers else self.always
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self) -> None: ...


class WatchedStore(Store):
    """The real store; counts the calls and fails those that `fault` refuses. `has_nodes`: it says that several share
    it."""

    def __init__(self, *arguments: Any, has_nodes: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.has_nodes = has_nodes
        self.claims = 0
        self.releases = 0
        self.reservations = 0
        self.settled: list[Settlement] = []
        self.fault: Callable[[str], None] = lambda _: None

    @property
    def is_shared(self) -> bool:
        return self.has_nodes

    async def reserve(self, channel: str, **wish: Any) -> Portion:
        self.reservations += 1
        self.fault("reserve")
        return await super().reserve(channel, **wish)

    async def claim(self, channel: str, *, limit: int, lease_s: float) -> list[Delivery]:
        self.claims += 1
        self.fault("claim")
        return await super().claim(channel, limit=limit, lease_s=lease_s)

    async def settle(self, settlement: Settlement) -> bool:
        self.fault("settle")
        written = await super().settle(settlement)
        self.settled.append(settlement)
        return written

    async def document(self, workspace: str, event_id: str, path: str) -> bytes | None:
        self.fault("document")
        return await super().document(workspace, event_id, path)

    async def release(self, delivery: Delivery) -> bool:
        self.fault("release")
        self.releases += 1
        return await super().release(delivery)

    async def renew(self, delivery: Delivery, *, lease_s: float) -> bool:
        self.fault("renew")
        return await super().renew(delivery, lease_s=lease_s)


class Yard:
    """A courier over fake channels and a real store, with a clock that the test turns."""

    def __init__(self, store: WatchedStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.pause = ManualPause(clock)
        self.headroom = Headroom(clock)
        self.metrics = Metrics()
        self.channels: dict[str, FakeChannel] = {}
        self.configs: dict[str, ChannelConfig] = {}
        self.retry = Retry(first_s=5, max_s=900, give_up_after_s=86400)
        self.courier: Courier | None = None
        self.made = 0

    def channel(
        self, name: str, *, concurrency: int = 4, rate: Rate | None = None, timeout_s: float = 10.0, kind: str = "http"
    ) -> FakeChannel:
        self.configs[name] = ChannelConfig(
            name=name, type=kind, concurrency=concurrency, rate=rate, timeout_s=timeout_s
        )
        self.channels[name] = FakeChannel(name, kind)
        return self.channels[name]

    async def start(self, **options: Any) -> Courier:
        self.courier = Courier(
            store=self.store,
            channels=self.channels,
            configs=self.configs,
            retry=self.retry,
            clock=self.clock,
            metrics=self.metrics,
            random=random.Random(1),
            headroom=self.headroom,
            pause=self.pause,
            **options,
        )
        await self.courier.start()
        return self.courier

    async def put(
        self, channel: str, count: int = 1, *, in_s: float = 0, wake: bool = True, **changes: Any
    ) -> list[str]:
        ids = []
        for _ in range(count):
            self.made += 1
            event_id = f"event-{self.made}"
            now = self.clock.now()
            fields: dict[str, Any] = {
                "id": delivery_id("acme", event_id, "rule", Branch.NOTIFY, 0),
                "workspace": "acme",
                "event_id": event_id,
                "rule": "rule",
                "branch": Branch.NOTIFY,
                "entry": 0,
                "notification": Notification(channel=channel, payload={"json": {"number": self.made}}),
                "created_at": now,
                "due_at": now + timedelta(seconds=in_s),
            }
            new = NewDelivery(**{**fields, **changes})
            ids.append(new.id)
            await self.store.add_delivery(new)
        if wake and self.courier is not None:
            self.courier.wake([channel])
        return ids

    async def get(self, name: str) -> Delivery:
        delivery = await self.store.delivery(name)
        assert delivery is not None
        return delivery

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let everything run until the condition holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)

    async def rest(self) -> None:
        """Let everything run until nothing moves any more but by the clock."""
        for _ in range(4):
            await self.store.check_writable()
            await self.store.last_told_at()
            for _ in range(10):
                await asyncio.sleep(0)

    async def later(self, seconds: float) -> None:
        await self.rest()
        self.pause.advance(seconds)
        await self.rest()
