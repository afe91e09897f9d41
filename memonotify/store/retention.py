"""Removing what is old enough, in small batches, so that taking events in is never held up for long.

`purge` is a lane of the writer; the daemon calls `Store.purge` until it answers 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, and_, delete, exists, not_, or_, select, tuple_

from memonotify.model import DeliveryState
from memonotify.store import silences
from memonotify.store.tables import deliveries, events, failures

_PAGE: Final = 500
_OPEN: Final = (DeliveryState.PENDING.value, DeliveryState.SENDING.value, DeliveryState.HELD.value)

_IS_OF_EVENT: Final = and_(deliveries.c.event_id == events.c.event_id, deliveries.c.workspace == events.c.workspace)
_FAILED: Final = and_(failures.c.event_id == events.c.event_id, failures.c.workspace == events.c.workspace)


def purge(connection: Connection, wishes: Sequence[tuple[int, int]]) -> list[int]:
    """Remove events received before a moment that are done with, and all that hangs on them; returns how many.

    Takes (moment, at most how many). An event stays while it is not evaluated, a delivery of it is open, or a failure
    of it untold. Deliveries and failures of no event (tests, notices) go by their own age, silences by their end.
    """
    return [_purge(connection, before, limit) for before, limit in wishes]


def _purge(connection: Connection, before: int, limit: int) -> int:
    seqs = _removable(connection, before, limit)
    removed = 0
    for start in range(0, len(seqs), _PAGE):
        chosen = events.c.seq.in_(seqs[start : start + _PAGE])
        names = select(events.c.event_id, events.c.workspace).where(chosen)
        of_chosen = tuple_(deliveries.c.event_id, deliveries.c.workspace).in_(names)
        # Another node may send one of them again at this moment: it stays then, and all that hangs on its event.
        connection.execute(delete(deliveries).where(of_chosen, deliveries.c.state.not_in(_OPEN)))
        bare = not_(exists(select(deliveries.c.id).where(_IS_OF_EVENT)))
        of_bare = tuple_(failures.c.event_id, failures.c.workspace).in_(names.where(bare))
        connection.execute(delete(failures).where(of_bare))
        removed += connection.execute(delete(events).where(chosen, bare)).rowcount
    if not seqs:
        # Last, when what is left of that age is little: before, it would read past everything that has an event.
        _purge_eventless(connection, before, limit)
        silences.purge(connection, before, limit)
    return removed


def _removable(connection: Connection, before: int, limit: int) -> list[int]:
    open_delivery = exists(select(deliveries.c.id).where(_IS_OF_EVENT, deliveries.c.state.in_(_OPEN)))
    untold = exists(select(failures.c.seq).where(_FAILED, failures.c.told_at.is_(None)))
    query = (
        select(events.c.seq)
        .where(
            events.c.received_at < before,
            events.c.evaluated_at.is_not(None),
            not_(open_delivery),
            not_(untold),
        )
        .order_by(events.c.received_at)
        .limit(limit)
    )
    return list(connection.scalars(query))


def _purge_eventless(connection: Connection, before: int, limit: int) -> None:
    has_event = exists(select(events.c.seq).where(_IS_OF_EVENT))
    old = (
        select(deliveries.c.id)
        .where(deliveries.c.created_at < before, deliveries.c.state.not_in(_OPEN), not_(has_event))
        .order_by(deliveries.c.created_at)
        .limit(limit)
    )
    connection.execute(delete(deliveries).where(deliveries.c.id.in_(old.scalar_subquery())))
    of_event = exists(select(events.c.seq).where(_FAILED))
    told = (
        select(failures.c.seq)
        .where(failures.c.told_at < before, or_(failures.c.event_id == "", not_(of_event)))
        .limit(limit)
    )
    connection.execute(delete(failures).where(failures.c.seq.in_(told.scalar_subquery())))
