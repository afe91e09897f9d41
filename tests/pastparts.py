"""What tests of looking back are made of: events that are evaluated, with what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engineparts import event
from fakes import ManualClock

from memonotify.model import (
    Branch,
    Delivery,
    DeliveryState,
    Event,
    EventState,
    NewDelivery,
    Notification,
    Snapshot,
    delivery_id,
)
from memonotify.past import Past

AT = ManualClock().now()


def evaluated(seq: int = 1, **options: Any) -> Event:
    made: Event = event(seq, **options)
    return replace(made, state=EventState.EVALUATED, evaluated_at=AT)


def new(
    rule: str = "r", entry: int = 0, channel: str = "log", *, branch: Branch = Branch.NOTIFY, **fields: Any
) -> NewDelivery:
    return NewDelivery(
        id=delivery_id("acme", "evt-1", rule, branch, entry),
        workspace="acme",
        event_id="evt-1",
        rule=rule,
        branch=branch,
        entry=entry,
        notification=Notification(channel=channel, payload=fields.pop("payload", {"json": "hello"})),
        created_at=AT,
        due_at=AT,
        **fields,
    )


def old(
    rule: str = "r",
    entry: int = 0,
    channel: str = "log",
    *,
    branch: Branch = Branch.NOTIFY,
    state: DeliveryState = DeliveryState.SENT,
    **fields: Any,
) -> Delivery:
    name = fields.pop("id", delivery_id("acme", "evt-1", rule, branch, entry))
    return Delivery(
        id=name,
        identity=name,
        workspace="acme",
        event_id="evt-1",
        rule=rule,
        channel=channel,
        branch=branch,
        entry=entry,
        payload=fields.pop("payload", {"json": "hello"}),
        state=state,
        attempts=1,
        created_at=AT,
        due_at=AT,
        **fields,
    )


def kept(path: str, body: Any = None, **fields: Any) -> Snapshot:
    return Snapshot(path=path, fetched_at=AT, status=fields.pop("status", 200), body=body, **fields)


def past(seq: int = 1, *deliveries: Delivery, resource: Any = None, **fields: Any) -> Past:
    """Return the past of an event; `resource` is what the bank gave as its resource, where it was asked."""
    shots = tuple(fields.pop("snapshots", ()))
    if resource is not None:
        shots = (kept(f"/v2/transactions/res-{seq}", resource), *shots)
    decisions = tuple(fields.pop("decisions", ()))
    return Past(event=evaluated(seq, **fields), snapshots=shots, deliveries=deliveries, decisions=decisions)
