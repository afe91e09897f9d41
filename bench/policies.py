"""What waits costs nothing: an event that joins a group, and the timekeeper's look, beside ten that wait and many.

On SQLite, and on PostgreSQL where there is one. Both sizes are measured in turns, each on a store of its own.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from bench import shared, waits
from bench.rows import Row
from memonotify.clock import SystemClock
from memonotify.engine.timekeeper import Timekeeper
from memonotify.holding import Gather, Hold, Policy
from memonotify.metrics import Metrics
from memonotify.model import (
    Branch,
    Decision,
    DeliveryState,
    Evaluation,
    Event,
    NewDelivery,
    Node,
    Notification,
    Outcome,
    Recorded,
    delivery_id,
)
from memonotify.rules.values import Ruleset
from memonotify.store import Store
from memonotify.store.backend import backend_for
from memonotify.store.cells import micros
from memonotify.store.schema import prepare
from memonotify.templating.filters import Filters

FEW: Final = 10
_LATER: Final = timedelta(days=1)
_PAGE: Final = 5000
_PENDING: Final = (
    """INSERT INTO deliveries (id, identity, workspace, event_id, rule, channel, branch, entry, payload, state,
    attempts, created_at, due_at) VALUES (:id, :id, 'acme', :event, 'old', 'erp', 'notify', 0, '{"json":{"a":"b"}}',
    'held', 0, :at, :due)""",
    """INSERT INTO gatherings (seq, open_key, workspace, rule, branch, entry, channel, policy, key, opened_at, due_at,
    size) VALUES (:n, :id, 'acme', 'old', 'notify', 0, 'erp', 'group', :id, :at, :due, 1)""",
    """INSERT INTO holds (delivery_id, workspace, rule, policy, key, keys, gathering, due_at)
    VALUES (:id, 'acme', 'old', :policy, :id, '{}', :gathering, :due)""",
)


@dataclass
class _Side:
    """One store with what waits in it, and how long each record and each look took, in seconds."""

    store: Store
    timekeeper: Timekeeper
    records: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)


async def policies(folder: Path, *, many: int, events: int) -> list[Row]:
    """Measure on each database that there is."""
    rows = await _measured("SQLite", [f"sqlite:///{folder}/{size}.db" for size in ("few", "many")], many, events)
    async with shared.a_database() as few, shared.a_database() as url:
        if few is not None and url is not None:
            rows += await _measured("PostgreSQL", [few, url], many, events)
    return rows


async def _measured(name: str, urls: list[str], many: int, events: int) -> list[Row]:
    for url, count in zip(urls, (FEW, many), strict=True):
        waits.progress(f"policies on {name}: {count} groups and timers wait")
        _fill(url, count)
    numbers = itertools.count()
    async with AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(_side(url)) for url in urls]
        for _ in range(events):
            for side in sides:
                await _step(side, next(numbers))
    rows = []
    for what, took in (("an event joins a group", "records"), ("the timekeeper looks", "looks")):
        few, crowded = (statistics.median(getattr(side, took)[events // 10 :]) for side in sides)
        rows.append(Row(what=f"{name}: {what}, {FEW} wait", p50_ms=few * 1000))
        ratio = {f"p50/{FEW}": crowded / few}
        rows.append(Row(what=f"{name}: {what}, {many} wait", p50_ms=crowded * 1000, ratios=ratio, aim="≤ 1.5"))
    return rows


@asynccontextmanager
async def _side(url: str) -> AsyncIterator[_Side]:
    clock = SystemClock()
    async with Store(url, clock=clock) as store:
        if store.is_shared:
            now = clock.now()
            node = Node(
                lease=store.lease,
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
            await store.beat(node, lease_s=3600, may_lead=True)
        timekeeper = Timekeeper(
            store=store,
            ruleset=lambda: Ruleset(rules=()),
            hours={},
            channels=("erp",),
            resource_types={},
            filters=Filters("en_GB", "Europe/Paris"),
            on_deliveries=lambda _channels: None,
            on_failures=lambda: None,
            clock=clock,
            metrics=Metrics(),
        )
        yield _Side(store=store, timekeeper=timekeeper)


async def _step(side: _Side, number: int) -> None:
    evaluation = await _an_evaluation(side.store, number)
    began = time.perf_counter()
    if await side.store.record(evaluation) is not Recorded.WRITTEN:
        raise RuntimeError("the store did not take an evaluation of the bench")
    recorded = time.perf_counter()
    await side.timekeeper.look()
    side.records.append(recorded - began)
    side.looks.append(time.perf_counter() - recorded)


async def _an_evaluation(store: Store, number: int) -> Evaluation:
    now, name = datetime.now(UTC), f"new-{number}"
    body = {"id": name, "event_type": "collection_returned"}
    event = Event(
        workspace="acme",
        id=name,
        date=now.isoformat(),
        event_type="collection_returned",
        resource_type="collection",
        resource_id=name,
        body=body,
        received_at=now,
    )
    await store.receive(event)
    stored = await store.event("acme", name)
    if stored is None:
        raise RuntimeError("the store lost an event of the bench")
    hold = Hold(policy=Policy.GROUP, key="k", until=now + _LATER, gather=Gather(key="k"))
    new = NewDelivery(
        id=delivery_id("acme", name, "new", Branch.NOTIFY, 0),
        workspace="acme",
        event_id=name,
        rule="new",
        branch=Branch.NOTIFY,
        entry=0,
        notification=Notification(channel="erp", payload={"json": body}),
        created_at=now,
        due_at=hold.until,
        state=DeliveryState.HELD,
        hold=hold,
    )
    decision = Decision(rule="new", outcome=Outcome.MATCHED, deliveries=(new,))
    return Evaluation(event=stored, evaluated_at=now, decisions=(decision,))


def _fill(url: str, count: int) -> None:
    """Let half of so many messages wait in a group each, and half alone."""
    backend = backend_for(url)
    backend.take()
    engine = backend.writing_engine()
    try:
        with engine.connect() as connection:
            prepare(connection, backend.name, backend.guard_migration)
            for start in range(0, count, _PAGE):
                with connection.begin():
                    _put(connection, range(start + 1, min(start + _PAGE, count) + 1))
            with connection.begin():
                for table in ("deliveries", "gatherings", "holds"):
                    connection.execute(text(f"ANALYZE {table}"))
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT setval('gatherings_seq_seq', :n)"), {"n": count + 1})
    finally:
        engine.dispose()
        backend.let_go()


def _put(connection: Connection, numbers: range) -> None:
    at = micros(datetime.now(UTC))
    rows = [
        {
            "n": n,
            "id": f"old-{n}",
            "event": f"e-{n}",
            "at": at,
            "due": at + 86_400_000_000 + n,
            "policy": "group" if n % 2 else "escalate",
            "gathering": n if n % 2 else None,
        }
        for n in numbers
    ]
    deliveries, gatherings, holds = map(text, _PENDING)
    connection.execute(deliveries, rows)
    connection.execute(gatherings, [row for row in rows if row["gathering"]])
    connection.execute(holds, rows)
