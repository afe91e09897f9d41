"""The statements for looking back: pages of events with what is kept of each, and what a replay adds to one.

`replay` is a lane of the writer; the others read. Pages go by the events' numbers, so that a page is found at once
however far into the past, and what comes in meanwhile is not met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from memonotify.model import Branch, Decision, Delivery, Document, NewDelivery, Snapshot
from memonotify.past import Extent, Past, Selection
from memonotify.store import documents as document_rows
from memonotify.store.cells import micros
from memonotify.store.conflicts import insert_new
from memonotify.store.deliveries import as_delivery, delivery_row
from memonotify.store.events import as_event, as_snapshot
from memonotify.store.tables import deliveries, events, snapshots, traces
from memonotify.store.traces import unpack

_RULES: Final = (Branch.NOTIFY.value, Branch.RESOLVED.value)


def _narrowed(query: Any, selection: Selection) -> Any:
    """Add what a selection narrows to, to a select of any columns."""
    if selection.event_ids is not None:
        query = query.where(events.c.event_id.in_(selection.event_ids))
    if selection.workspace is not None:
        query = query.where(events.c.workspace == selection.workspace)
    if selection.since is not None:
        query = query.where(events.c.received_at >= micros(selection.since))
    if selection.until is not None:
        query = query.where(events.c.received_at < micros(selection.until))
    return query


def extent(connection: Connection, selection: Selection) -> Extent:
    """Return how many events a selection has, and between which numbers they are."""
    query = select(func.count(), func.min(events.c.seq), func.max(events.c.seq)).select_from(events)
    count, first, last = connection.execute(_narrowed(query, selection)).one()
    return Extent(count=count, first=first or 0, last=last or 0)


def page(
    connection: Connection, selection: Selection, *, after: int, last: int, limit: int, with_decisions: bool
) -> list[Past]:
    """Return events with what is kept of each, in order of arrival: behind number `after`, up to number `last`."""
    query = _narrowed(select(events), selection).where(events.c.seq > after, events.c.seq <= last)
    found = [as_event(row) for row in connection.execute(query.order_by(events.c.seq).limit(limit))]
    shots = _snapshots(connection, [event.seq for event in found])
    sent = _deliveries(connection, [event.id for event in found])
    concluded = _decisions(connection, [event.seq for event in found]) if with_decisions else {}
    return [
        Past(
            event=event,
            snapshots=tuple(shots.get(event.seq, ())),
            deliveries=tuple(sent.get((event.workspace, event.id), ())),
            decisions=tuple(concluded.get(event.seq, ())),
        )
        for event in found
    ]


def _snapshots(connection: Connection, seqs: Sequence[int]) -> dict[int, list[Snapshot]]:
    query = select(snapshots).where(snapshots.c.event_seq.in_(seqs))
    found: dict[int, list[Snapshot]] = {}
    for row in connection.execute(query.order_by(snapshots.c.event_seq, snapshots.c.position)):
        found.setdefault(row.event_seq, []).append(as_snapshot(row))
    return found


def _deliveries(connection: Connection, names: Sequence[str]) -> dict[tuple[str, str], list[Delivery]]:
    query = select(deliveries).where(
        deliveries.c.event_id.in_(names),
        deliveries.c.branch.in_(_RULES),
        # A part for one refused recipient has the identity of the whole.
        deliveries.c.identity == deliveries.c.id,
    )
    found: dict[tuple[str, str], list[Delivery]] = {}
    for row in connection.execute(query.order_by(deliveries.c.created_at, deliveries.c.id)):
        found.setdefault((row.workspace, row.event_id), []).append(as_delivery(row))
    return found


def _decisions(connection: Connection, seqs: Sequence[int]) -> dict[int, list[Decision]]:
    rows = connection.execute(select(traces.c.event_seq, traces.c.body).where(traces.c.event_seq.in_(seqs)))
    return {row.event_seq: unpack(row.body) for row in rows}


@dataclass(frozen=True, slots=True)
class Addition:
    """What a replay adds to one event, as rows."""

    event_seq: int
    deliveries: list[dict[str, Any]]
    documents: list[dict[str, Any]]


def addition(seq: int, new: Sequence[NewDelivery], documents: Sequence[Document]) -> Addition:
    """Return what a replay adds as `replay` takes it."""
    return Addition(
        event_seq=seq,
        deliveries=[delivery_row(each) for each in new],
        documents=[document_rows.document_row(seq, document) for document in documents],
    )


_NEW: Final = insert_new(deliveries).returning(deliveries.c.id)


def replay(connection: Connection, additions: Sequence[Addition]) -> list[frozenset[str]]:
    """Write what replays add, each whole; return the ids of the deliveries that were not there yet.

    An event that is gone, or not evaluated yet, gets nothing: its evaluation would make the same messages.
    """
    there = set(
        connection.scalars(
            select(events.c.seq)
            .where(events.c.seq.in_(sorted({each.event_seq for each in additions})), events.c.evaluated_at.is_not(None))
            .order_by(events.c.seq)
            # Where others write as well, retention waits until what hangs on the event is written.
            .with_for_update(read=True)
        )
    )
    return [_add(connection, each) if each.event_seq in there else frozenset() for each in additions]


def _add(connection: Connection, addition: Addition) -> frozenset[str]:
    written = frozenset(name for row in addition.deliveries for name in connection.scalars(_NEW, row))
    if written and addition.documents:
        connection.execute(document_rows.PUT, addition.documents)
    return written
