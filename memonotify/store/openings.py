"""What is not done with in one workspace. Reads only; reports ask, a few times a day."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from memonotify.model import DeliveryState
from memonotify.openitems import OpenItems
from memonotify.store.cells import decode, micros
from memonotify.store.tables import deliveries, events, in_state

_WANTS_DOCUMENT: Final = "wire_transfer_attachment_required"
_MOST: Final = 200


def of_workspace(connection: Connection, workspace: str, since: datetime) -> OpenItems:
    """Return it; of wire transfers, those that began to wait since then."""
    unevaluated = select(func.count()).select_from(events).where(
        events.c.evaluated_at.is_(None), events.c.workspace == workspace
    )  # fmt: skip
    return OpenItems(
        dead=_messages(connection, workspace, DeliveryState.DEAD),
        held=_messages(connection, workspace, DeliveryState.HELD),
        waiting=connection.scalar(unevaluated) or 0,
        wires=tuple(decode(body) for body in _wires(connection, workspace, since)),
    )


def _messages(connection: Connection, workspace: str, state: DeliveryState) -> int:
    query = select(func.count()).select_from(deliveries).where(in_state(state), deliveries.c.workspace == workspace)
    return connection.scalar(query) or 0


def _wires(connection: Connection, workspace: str, since: datetime) -> list[str]:
    """Two passes over the events of that time: one that asks of each whether a later one came would be a pass each."""
    recent = (events.c.workspace == workspace, events.c.received_at >= micros(since))
    asked = connection.execute(
        select(events.c.seq, events.c.resource_id, events.c.body)
        .where(*recent, events.c.event_type == _WANTS_DOCUMENT)
        .order_by(events.c.seq.desc())
        .limit(_MOST)
    ).all()
    last = dict(
        connection.execute(
            select(events.c.resource_id, func.max(events.c.seq))
            .where(*recent, events.c.resource_id.in_({row.resource_id for row in asked}))
            .group_by(events.c.resource_id)
        ).all()
    )
    return [row.body for row in reversed(asked) if last[row.resource_id] == row.seq]
