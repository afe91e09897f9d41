"""What tests of the store write into it, each with only what a test cares about to be named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from databases import execute
from fakes import ManualClock
from sqlalchemy import Connection, Engine, event

from memonotify.errors import Reason
from memonotify.holding import Ending, Gather, Hold, Overtaken, Policy, Resolved, StateChange
from memonotify.model import (
    Attempt,
    Branch,
    Decision,
    Delivery,
    DeliveryState,
    Evaluation,
    Event,
    Failure,
    FailureKind,
    Fate,
    Matchers,
    NewDelivery,
    Notification,
    Outcome,
    Recorded,
    Settlement,
    Silence,
    delivery_id,
)
from memonotify.store import Store
from memonotify.windowing import Measure, WindowEntry, WindowSpan

START = ManualClock().now()
HOUR = timedelta(hours=1)


def an_event(name: str = "e1", *, workspace: str = "acme", at: datetime = START, **body: Any) -> Event:
    return Event(
        workspace=workspace,
        id=name,
        date="2026-03-02T09:00:00+00:00",
        event_type="transaction_confirmed",
        resource_type="transaction",
        resource_id="r1",
        body={"id": name, "event_type": "transaction_confirmed", **body},
        received_at=at,
        client="35.181.64.230",
    )


def a_delivery(
    name: str = "e1", *, rule: str = "big", channel: str = "mail", entry: int = 0, at: datetime = START, **fields: Any
) -> NewDelivery:
    return NewDelivery(
        id=fields.pop("id", delivery_id("acme", name, rule, Branch.NOTIFY, entry)),
        workspace="acme",
        event_id=name,
        rule=rule,
        branch=Branch.NOTIFY,
        entry=entry,
        notification=Notification(channel=channel, payload={"text": f"{rule} of {name}"}),
        created_at=at,
        due_at=fields.pop("due_at", at),
        **fields,
    )


def a_held_delivery(silence: str, until: datetime, *, policy: Policy = Policy.SILENCE, **fields: Any) -> NewDelivery:
    """A delivery that a silence has held back, and that waits for a policy."""
    hold = Hold(policy=policy, key=silence if policy is Policy.SILENCE else "", until=until)
    return a_delivery(silence=silence, state=DeliveryState.HELD, due_at=until, hold=hold, **fields)


def a_silence(name: str = "sil_a", *, hours: float = 2, at: datetime = START, **fields: Any) -> Silence:
    values = {"matchers": Matchers(rule=("big",)), "then": Fate.HOLD, "reason": "works", "author": "ana"}
    return Silence(id=name, starts_at=at, ends_at=at + hours * HOUR, created_at=at, **{**values, **fields})


def a_failure(kind: FailureKind = FailureKind.DEAD_LETTER, *, at: datetime = START, **fields: Any) -> Failure:
    values: dict[str, Any] = {
        "workspace": "acme",
        "event_id": "e1",
        "rule": "big",
        "channel": "mail",
        "reason": Reason.TIMEOUT,
        "detail": "no answer",
    }
    return Failure(kind=kind, at=at, **{**values, **fields})


async def stored(store: Store, name: str = "e1", **options: Any) -> Event:
    """Receive an event and return it as the store has it."""
    event = an_event(name, **options)
    await store.receive(event)
    found = await store.event(event.workspace, name)
    assert found is not None
    return found


def evaluated(event: Event, *deliveries: NewDelivery, at: datetime = START, **fields: Any) -> Evaluation:
    """Return the evaluation of an event by one rule, with the messages it made."""
    decision = Decision(
        rule="big",
        outcome=Outcome.MATCHED,
        deliveries=deliveries,
        changes=tuple(fields.pop("changes", ())),
        overtaken=fields.pop("overtaken", None),
        resolved=fields.pop("resolved", None),
    )
    return Evaluation(event=event, evaluated_at=at, decisions=(decision,), **fields)


async def written(store: Store, *deliveries: NewDelivery, name: str = "e1") -> Event:
    """Receive an event and write the deliveries of its evaluation."""
    event = await stored(store, name)
    assert await store.record(evaluated(event, *deliveries)) is Recorded.WRITTEN
    return event


def an_attempt(delivery: Delivery, *, ok: bool, at: datetime = START, reason: Reason | None = None) -> Attempt:
    return Attempt(
        delivery_id=delivery.id,
        number=delivery.attempts,
        started_at=at,
        ended_at=at + timedelta(seconds=1),
        ok=ok,
        reason=reason,
        status=200 if ok else 503,
        detail="250 queued" if ok else "come again",
    )


def settled(delivery: Delivery, state: DeliveryState, *, at: datetime = START, **fields: Any) -> Settlement:
    """Return how an attempt ended: sent, dead, or to be tried again at `due_at`."""
    ok = state is DeliveryState.SENT
    attempt = an_attempt(delivery, ok=ok, at=at, reason=None if ok else Reason.SERVER_ERROR)
    return Settlement(delivery=delivery, attempt=attempt, state=state, **fields)


async def claimed(store: Store, channel: str = "mail") -> Delivery:
    """Claim the one delivery that is due."""
    (delivery,) = await store.claim(channel, limit=10, lease_s=30)
    return delivery


async def work_on_holds(store: Store) -> None:
    """Hold, gather, move, tell, overtake, resolve, discard and forget: all that the policies ask of a store."""
    soon, later = START + timedelta(seconds=1), START + timedelta(days=30)
    alone = Hold(policy=Policy.ONCE, key="k", until=START, ending=Ending(event_types=("a",)))
    gathered = Hold(policy=Policy.GROUP, until=START, gather=Gather(key="k", most=1))
    held = [
        a_delivery("h1", entry=entry, state=DeliveryState.HELD, hold=hold)
        for entry, hold in enumerate((alone, alone, replace(alone, key="other"), gathered, gathered, gathered))
    ]
    await written(store, *held, name="h1")
    await store.hold_of(held[0].id)
    await store.next_moment()
    key = {"workspace": "acme", "rule": "big", "key": "k"}
    state = StateChange(policy=Policy.ONCE, old=None, new="x", expires_at=soon, **key)
    first = next(each for each in await store.due_holds(10) if each.delivery.id == held[2].id)
    assert await store.move(first, DeliveryState.HELD, hold=replace(gathered, until=later), changes=[state])
    change = replace(state, old="x", new="y")
    gathering, *_ = await store.due_gatherings(10)
    await store.close_gatherings([gathering])
    count, members = await store.members(gathering, 10)
    assert await store.tell(gathering, a_delivery("h1", entry=9), [change], count=count)
    await store.told_events([members[0].delivery.id])
    await store.events_of_resource("acme", "r1")
    overtaken = Overtaken(told_in=held[0].id, **key)
    await store.record(evaluated(await stored(store, "h2"), overtaken=overtaken, resolved=Resolved(**key)))
    await written(store, a_delivery("h3", state=DeliveryState.HELD, hold=alone), name="h3")
    (last,) = await store.due_holds(10)
    assert await store.move(last, DeliveryState.SUPPRESSED, detail="so", silence="sil_x")
    await store.discard([held[2].id])
    await store.forget_states(before=later)
    await store.hasten()


async def buried(store: Store, *deliveries: NewDelivery) -> Sequence[str]:
    """Write deliveries and let each die at its first attempt; returns their ids."""
    await written(store, *deliveries)
    for channel in {new.notification.channel for new in deliveries}:
        for delivery in await store.claim(channel, limit=100, lease_s=30):
            assert await store.settle(settled(delivery, DeliveryState.DEAD))
    return [new.id for new in deliveries]


async def row_counts(store: Store) -> dict[str, int]:
    """Return how many rows the tables have that retention removes from."""

    def count(connection: Connection) -> dict[str, int]:
        tables = ("events", "decisions", "snapshots", "deliveries", "attempts", "failures")
        return {name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in tables}

    return await store._read(count)


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Collect each statement that any engine runs, with the parameters it was first run with."""
    seen: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
            seen.setdefault(statement, values[0] if many else values)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def executions() -> Iterator[list[str]]:
    """Collect every statement that any engine runs, each time that it does."""
    ran: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool) -> None:
        ran.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield ran
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def until_locks_are_waited_for(url: str, how_many: int = 1) -> None:
    """Wait until so many transactions of a PostgreSQL database wait for another's."""
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' "
        "AND wait_event_type = 'Lock' AND wait_event IN ('advisory', 'transactionid', 'tuple')"
    )
    async with asyncio.timeout(20):
        while execute(url, waits) != [(how_many,)]:
            await asyncio.sleep(0)


def a_span(measure: Measure, **changes: Any) -> WindowSpan:
    """A question about the window `w`."""
    values: dict[str, Any] = {
        "window": "w",
        "measure": measure,
        "workspace": "acme",
        "key": "k",
        "after": START - timedelta(days=7),
        "until": START,
        "resource_type": "transaction",
        "resource_id": "r",
        "currency": "EUR",
    }
    return WindowSpan(**{**values, **changes})


def an_entry(**changes: Any) -> WindowEntry:
    """An entry of the window `w`."""
    values: dict[str, Any] = {
        "window": "w",
        "workspace": "acme",
        "key": "k",
        "at": START,
        "event_seq": 1,
        "resource_type": "transaction",
        "resource_id": "r",
        "amount": 100,
        "currency": "EUR",
    }
    return WindowEntry(**{**values, **changes})
