"""What differs between databases, on one page: where the data is, who may write, how a connection is made, what an
error means. `backend_for` names the two that there are; everything else of the store is written once.

`Store` calls it. A backend owns no connection; it makes engines and judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from memonotify.model import Event
from memonotify.store.numbers import Space

EventRow = tuple[str, str, str, str, str, str, str, str, int, int, str, bool]


class Backend(Protocol):
    """One database. `name` is how a sentence names it, without a password.

    `is_shared`: several nodes may write at a time, so that work is claimed with leases.
    """

    name: str
    is_shared: bool

    def take(self) -> None:
        """Claim the right to write, before anything is opened; blocks shortly. Raises StoreInUse, StoreUnusable."""

    def let_go(self) -> None:
        """Give that right back. Doing it twice is harmless."""

    def exists(self) -> bool:
        """Return whether there is something to open; True where only the server can tell."""

    def demand(self) -> None:
        """Raise StoreUnusable where there is nothing to read yet; nothing is made."""

    def writing_engine(self, *, patience_s: float | None = None) -> Engine:
        """Return an engine whose commits are on stable storage when they return.

        Where several nodes write: no statement takes longer than `patience_s`, and no transaction stands still longer.
        """

    def reading_engine(self, connections: int) -> Engine:
        """Return an engine of so many connections whose transactions only read, each of one moment."""

    async def listen(self, on_hint: Callable[[], None]) -> None:
        """Call back whenever another node hints at work, until cancelled; return where there are no hints."""

    def check(self, connection: Connection) -> None:
        """Check at the start that the database is whole and keeps its promises. Raises StoreUnusable."""

    def guard_migration(self, connection: Connection) -> None:
        """Make sure, inside the migrating transaction, that nobody else migrates at the same time."""

    def still_there(self) -> None:
        """Raise StoreUnusable where what was opened is not what the name stands for any more."""

    def space(self) -> Space | None:
        """Return the bytes it takes and has left, None where the database does not tell."""

    def is_passing(self, error: BaseException) -> bool:
        """Return whether the surroundings failed, not the operation: the same may work later."""

    def is_conflict(self, error: BaseException) -> bool:
        """Return whether another node's transaction got in the way: the same works at once, begun anew."""

    def translate(self, error: BaseException) -> BaseException:
        """Return the StoreError that a database's error stands for; another error comes back as it is."""

    def moment(self, connection: Connection) -> datetime | None:
        """Return the database's own clock, None where it is ours."""

    def receive(self, connection: Connection, rows: Sequence[EventRow]) -> list[int | None]:
        """Write new events with one statement; return each one's number, None for one that was already there."""

    def mark(self, connection: Connection, evaluated: Sequence[tuple[int, int]], lease: str) -> None:
        """Note with one statement that events led to nothing; takes (moment, event's number)."""


def backend_for(url: str) -> Backend:
    """Return the backend that a store's URL names.

    Raises:
        StoreUnusable: no backend knows it, or what it needs is not installed.
    """
    if url.startswith(("postgresql://", "postgres://")):
        from memonotify.store.postgres import PostgresBackend

        return PostgresBackend(url)
    from memonotify.store.sqlite import SqliteBackend

    return SqliteBackend(url)


def row_of(event: Event, text: str, moment: int, lease: str, *, in_order: bool) -> EventRow:
    """Return an event as `receive` takes it; due at once."""
    return (
        event.workspace,
        event.id,
        event.date,
        event.event_type,
        event.resource_type,
        event.resource_id,
        text,
        event.client,
        moment,
        moment,
        lease,
        in_order,
    )


COLUMNS = (
    "workspace, event_id, date, event_type, resource_type, resource_id, body, client, received_at, due_at, "
    "lease, in_order"
)
"""The columns of an EventRow, in its order."""


def sort_out(found: Sequence[tuple[str, str, int]], rows: Sequence[Any]) -> list[int | None]:
    """Return each row's number from the (workspace, event id, number) of those that were written."""
    new = {(workspace, event_id): seq for workspace, event_id, seq in found}
    # Popped: of two equal ones in one batch the second was already there.
    return [new.pop((row[0], row[1]), None) for row in rows]
