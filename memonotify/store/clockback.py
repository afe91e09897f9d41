"""What was written while the clock was ahead of the present one: it would wait until the clock gets there again.

A machine may boot with a wrong clock and correct it later. `hasten` is a lane of the writer, called once at the
daemon's start.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from memonotify.model import DeliveryState
from memonotify.store.tables import deliveries, events, gatherings, holds, in_state


def hasten(connection: Connection, moments: Sequence[int]) -> list[int]:
    """Make due now what waits and was written after the present moment; a delivery's time to give up counts from now.

    Returns how many events and deliveries.
    """
    return [_hasten(connection, now) for now in moments]


def _hasten(connection: Connection, now: int) -> int:
    waiting = update(events).where(events.c.evaluated_at.is_(None), events.c.received_at > now).values(due_at=now)
    pending = (
        update(deliveries)
        .where(in_state(DeliveryState.PENDING), deliveries.c.created_at > now)
        .values(due_at=now, created_at=now)
    )
    ahead = select(deliveries.c.id).where(deliveries.c.state == DeliveryState.HELD.value, deliveries.c.created_at > now)
    held = update(holds).where(holds.c.delivery_id.in_(ahead), holds.c.due_at > now).values(due_at=now)
    gathering = update(gatherings).where(gatherings.c.opened_at > now).values(due_at=now)
    return sum(connection.execute(each).rowcount for each in (waiting, pending, held, gathering))
