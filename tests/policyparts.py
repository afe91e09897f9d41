"""A bench for policies: rules as users write them, a real store, real deciding and timekeeping, a clock by hand.

An event is taken in, evaluated and recorded in one call; time moves only when a test turns it. What is due is claimed
and counted as sent, so a test reads what people would have been told, and when.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from engineparts import FakeBank
from fakes import ManualClock

from memonotify.catalogue import EVENT_TYPES, resource_path
from memonotify.config.loader import load_config
from memonotify.config.values import Config
from memonotify.engine.evaluate import Evaluator
from memonotify.engine.filling import Filler
from memonotify.engine.misses import ExpectJobs
from memonotify.engine.scheduler import Scheduler
from memonotify.engine.timekeeper import Timekeeper
from memonotify.metrics import Metrics
from memonotify.model import Attempt, Delivery, DeliveryState, Event, Node, Recorded, Settlement
from memonotify.policies.hours import hours_of
from memonotify.rules.loader import load_rules
from memonotify.rules.values import Ruleset
from memonotify.store.store import Store
from memonotify.templating.environment import Templates

CONFIG = """
workspaces:
  - name: acme
    tokens: [a-token-of-the-tests]
    api: {base_url: "https://bank.example", thumbprint: t, secret: s, private_key: "${env:BANK_KEY}"}
locale: en_GB
timezone: Europe/Paris
channels:
  mail: {type: email, host: smtp.example.com, from: a@example.com, to: [b@example.com]}
  chat: {type: slack, url: "https://hooks.example.com/x"}
  erp: {type: http, url: "https://erp.example.com/x"}
rules: ["rules/*.yaml"]
"""


@dataclass
class Sent:
    """A message that went to its receiver."""

    at: datetime
    delivery: Delivery

    @property
    def text(self) -> str:
        payload = self.delivery.payload
        return str(payload.get("subject") or payload.get("text") or payload.get("json"))


@dataclass
class Bench:
    """One daemon's deciding and timekeeping over a store; `start` begins anew over the same one, as a restart does."""

    store: Store
    clock: ManualClock
    config: Config
    ruleset: Ruleset
    bank: FakeBank
    sent: list[Sent] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Forget everything that only the memory of a process holds."""
        hours = hours_of(self.config)
        self.metrics = Metrics()
        self.evaluator = Evaluator(
            memory=self.store,
            banks={"acme": self.bank},
            resource_types={},
            retry=self.config.retry,
            clock=self.clock,
            random=Random(1),
            hours=hours,
            is_filled=lambda window: self.filler.is_filled(window),
        )
        self.filler = Filler(
            store=self.store,
            ruleset=lambda: self.ruleset,
            in_hand=frozenset,
            resource_types={},
            with_api=frozenset({"acme"}),
            clock=self.clock,
            pause=lambda _seconds: asyncio.sleep(0),
        )
        self.timekeeper = Timekeeper(
            store=self.store,
            ruleset=lambda: self.ruleset,
            hours=hours,
            channels=self.config.channels,
            resource_types={},
            filters=Templates(folder=None, locale="en_GB", timezone="Europe/Paris").filters,
            on_deliveries=lambda _channels: None,
            on_failures=lambda: None,
            clock=self.clock,
            metrics=self.metrics,
        )
        jobs = ExpectJobs(
            ruleset=lambda: self.ruleset,
            workspaces=("acme",),
            store=self.store,
            hours=hours,
            clock=self.clock,
            metrics=Metrics(),
        )
        self.scheduler = Scheduler(
            store=self.store,
            jobs=jobs,
            on_deliveries=lambda _channels: None,
            clock=self.clock,
            metrics=Metrics(),
            random=Random(1),
        )

    def reload(self, rules: str) -> None:
        """Put other rules in force."""
        self.ruleset = ruleset_of(self.config, rules)

    async def event(
        self,
        event_type: str = "collection_returned",
        *,
        of: str | None = None,
        name: str | None = None,
        date: datetime | str | None = None,
        **resource: Any,
    ) -> Event:
        """Take an event in and evaluate it. `of` is its resource's id; the resource has what else is given."""
        event = await self.arrive(event_type, of=of, name=name, date=date, **resource)
        await self.evaluate(event)
        return event

    async def many(self, count: int, **resource: Any) -> None:
        """Take events in and evaluate them, as many as go side by side."""
        for start in range(0, count, 200):
            some = range(min(200, count - start))
            await asyncio.gather(*(self.arrive(**resource) for _ in some))
            await asyncio.gather(*(self.evaluate(event) for event in await self.store.unevaluated(limit=200)))

    async def arrive(
        self,
        event_type: str = "collection_returned",
        *,
        of: str | None = None,
        name: str | None = None,
        date: datetime | str | None = None,
        **resource: Any,
    ) -> Event:
        """Take an event in, and leave it for `evaluate`."""
        self.count += 1
        resource_id = of or f"res-{self.count}"
        kind = EVENT_TYPES.get(event_type, "transaction")
        body = {
            "id": name or f"evt-{self.count}",
            "date": date if isinstance(date, str) else (date or self.clock.now()).isoformat(),
            "event_type": event_type,
            "resource_type": kind,
            "resource_id": resource_id,
        }
        path = resource_path(kind, resource_id, {})
        if path is not None:
            self.bank.answers[path] = {"id": resource_id, "amount": 100, "currency": "EUR", **resource}
        new = Event(workspace="acme", body=body, received_at=self.clock.now(), **body)
        await self.store.receive(new)
        event = await self.store.event("acme", new.id)
        assert event is not None
        return event

    async def evaluate(self, event: Event) -> None:
        """Evaluate an event and record it, again while what is remembered changes under it."""
        rules = self.ruleset.concerned(event.event_type, event.resource_type, event.workspace)
        await self.filler.look()
        work = self.evaluator.begin(event, rules)
        try:
            while True:
                evaluation = await self.evaluator.evaluate(work)
                if await self.store.record(evaluation) is not Recorded.CHANGED:
                    return
        finally:
            self.evaluator.end(work)

    async def turn(self, seconds: float = 0.0, *, steps: int = 1) -> None:
        """Let time pass, look at what is due after each step, and send it."""
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            await self.lead()
            await self.judge()
            while await self.timekeeper.look() <= 0:
                pass
            await self.send()

    async def judge(self) -> None:
        """Judge the deadlines that are due, one after the other."""
        before = None
        while any(rule.expect for rule in self.ruleset.rules) and before != (kept := await self.store.schedules()):
            before = kept
            await self.scheduler.look()
            await self.scheduler.idle()

    async def lead(self) -> None:
        """Be the node that leads, where there may be others."""
        if self.store.is_shared:
            now = self.clock.now()
            node = Node(
                lease=self.store.lease,
                name="bench",
                version="0",
                role="all",
                rules="",
                started_at=now,
                seen_at=now,
                lease_until=now,
                leads=False,
                events=0,
            )
            await self.store.beat(node, lease_s=20, may_lead=True)

    async def until(self, at: datetime) -> None:
        """Let time pass until a moment."""
        await self.turn((at - self.clock.now()).total_seconds())

    async def send(self) -> None:
        """Count what is due as sent."""
        for channel in self.config.channels:
            for delivery in await self.store.claim(channel, limit=1000, lease_s=30):
                now = self.clock.now()
                attempt = Attempt(
                    delivery_id=delivery.id, number=delivery.attempts, started_at=now, ended_at=now, ok=True
                )
                assert await self.store.settle(Settlement(delivery=delivery, attempt=attempt, state=DeliveryState.SENT))
                self.sent.append(Sent(at=now, delivery=delivery))

    @property
    def told(self) -> list[str]:
        """What was said so far, in order."""
        return [sent.text for sent in self.sent]

    async def states(self) -> dict[str, int]:
        """How many deliveries there are in each state."""
        found: dict[str, int] = {}
        for delivery in await self.store.deliveries(limit=100_000):
            found[delivery.state.value] = found.get(delivery.state.value, 0) + 1
        return found


def ruleset_of(config: Config, rules: str) -> Ruleset:
    """Load rules as users write them."""
    folder = config.path.parent / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "rules.yaml").write_text(textwrap.dedent(rules))
    templates = Templates(folder=None, locale=config.locale, timezone=config.timezone)
    return load_rules(config, templates).ruleset


def bench_maker(store: Store, clock: ManualClock, folder: Path) -> Callable[..., Bench]:
    """Return what makes a bench from rules, and from hours where they are given."""

    def make(rules: str, *, hours: str = "") -> Bench:
        text = CONFIG + (f"hours:\n{textwrap.indent(textwrap.dedent(hours), '  ')}" if hours else "")
        (folder / "config.yaml").write_text(text)
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules" / "rules.yaml").write_text(textwrap.dedent(rules))
        config = load_config(folder / "config.yaml", environ={}, resolve=False).config
        return Bench(store=store, clock=clock, config=config, ruleset=ruleset_of(config, rules), bank=FakeBank(clock))

    return make


def later(clock: ManualClock, **delta: float) -> datetime:
    """Return a moment so much later."""
    return clock.now() + timedelta(**delta)
