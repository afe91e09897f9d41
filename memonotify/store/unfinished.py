"""The mark in a store that is still being filled from another one: from which, and by which run.

The mark is a table that no other store has. The first transaction of a move makes it and the last one drops it, so a
store that is half filled is never taken for a whole one. `schema` looks for it at every opening, `moving` makes and
drops it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, delete, insert, inspect, select

from memonotify.errors import StoreInUse

TABLE: Final = "unfinished_move"

_mark = Table(
    TABLE,
    MetaData(),
    Column("source", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
)


def source_of(connection: Connection) -> str | None:
    """Return the name of the store that this one is being filled from, None where it carries no mark."""
    if not inspect(connection).has_table(TABLE):
        return None
    return connection.scalar(select(_mark.c.source)) or ""


def sentence(name: str, source: str) -> str:
    """Return why nothing else may use the store of this name, and what to do."""
    return (
        f"{name}: unfinished: it is being filled from {source}; start `memonotify migrate-store` with both once more, "
        "or take an empty store"
    )


def put(connection: Connection, *, source: str, run: str, at: int) -> None:
    """Mark the store as being filled from `source` by `run`; an earlier run loses its hold. `at`: microseconds."""
    _mark.create(connection, checkfirst=True)
    connection.execute(delete(_mark))
    connection.execute(insert(_mark), {"source": source, "run": run, "began_at": at})


def hold(connection: Connection, name: str, run: str) -> None:
    """Make sure, until the transaction ends, that the store of this name is filled by this run.

    Raises:
        StoreInUse: another run has taken over.
    """
    if source_of(connection) is None or connection.scalar(select(_mark.c.run).with_for_update()) != run:
        raise StoreInUse(f"{name} is in use: another `memonotify migrate-store` fills it, and this one has ended")


def remove(connection: Connection) -> None:
    """Take the mark away: the store is whole."""
    _mark.drop(connection)
