"""The statements about files that messages carry: written with the evaluation, read for each send, released when done.

`PUT` is executed inside an evaluation's transaction; `release` is a lane of the writer; `content_of` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, exists, not_, select

from memonotify.model import DeliveryState, Document
from memonotify.store.cells import storable
from memonotify.store.conflicts import put
from memonotify.store.tables import deliveries, documents, events

PUT: Final = put(documents)

_MAY_BE_SENT: Final = (
    DeliveryState.PENDING.value,
    DeliveryState.SENDING.value,
    DeliveryState.HELD.value,
    # A person may have a dead letter sent again.
    DeliveryState.DEAD.value,
)


def document_row(seq: int, document: Document) -> dict[str, Any]:
    """Return the document as `PUT` takes it."""
    return {"event_seq": seq, "path": storable(document.path), "content": document.content}


def content_of(connection: Connection, workspace: str, event_id: str, path: str) -> bytes | None:
    """Return the bytes of an event's document, None where it is not kept (any more)."""
    content: bytes | None = connection.scalar(
        select(documents.c.content)
        .join(events, events.c.seq == documents.c.event_seq)
        .where(events.c.event_id == event_id, events.c.workspace == workspace, documents.c.path == storable(path))
    )
    return content


def release(connection: Connection, limits: Sequence[int]) -> list[int]:
    """Remove documents of events none of whose messages may still be sent, at most so many events; return how many."""
    return [_release(connection, limit) for limit in limits]


def _release(connection: Connection, limit: int) -> int:
    may_be_sent = exists(
        select(deliveries.c.id).where(
            deliveries.c.event_id == events.c.event_id,
            deliveries.c.workspace == events.c.workspace,
            deliveries.c.state.in_(_MAY_BE_SENT),
        )
    )
    seqs = list(
        connection.scalars(
            select(documents.c.event_seq)
            .join(events, events.c.seq == documents.c.event_seq)
            # Through the key, so that the bytes themselves are not read past.
            .where(documents.c.event_seq > 0, not_(may_be_sent))
            .distinct()
            .limit(limit)
        )
    )
    if seqs:
        connection.execute(delete(documents).where(documents.c.event_seq.in_(seqs)))
    return len(seqs)
