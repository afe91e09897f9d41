"""Faults of SQLite's own: its error codes, a file that may not grow, a file that is moved away."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import Faults, ManualClock
from sqlalchemy import Connection
from storeparts import an_event
from structlog.testing import capture_logs

from memonotify.errors import StoreUnavailable, StoreUnusable
from memonotify.store import Store
from memonotify.store.trouble import SETTLED_S


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


async def _execute(store: Store, statement: str) -> None:
    """Run a statement on the writing connection, as an operation of its own."""

    def lane(connection: Connection, statements: Sequence[str]) -> list[None]:
        return [connection.exec_driver_sql(text).close() for text in statements]

    await store._write(lane, statement)


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
    ],
)
async def test_failures_of_the_surroundings_pass(store: Store, faults: Faults, code: int) -> None:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    faults.queued.append(error)
    with pytest.raises(StoreUnavailable):
        await store.receive(an_event())
    assert await store.receive(an_event()) is not None


async def test_damage_found_while_running_is_told_apart(store: Store, faults: Faults) -> None:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    faults.queued.append(error)
    with pytest.raises(StoreUnusable, match="restore the file from a copy"):
        await store.receive(an_event())


async def test_a_database_that_may_not_grow_refuses_and_recovers(store: Store) -> None:
    await store.receive(an_event("before"))
    await _execute(store, "PRAGMA max_page_count = 1")
    refused = 0
    for n in range(50):
        try:
            await store.receive(an_event(f"e{n}", padding="x" * 3000))
        except StoreUnavailable as error:
            refused += 1
            assert "full" in str(error)
            break
    assert refused == 1
    # The connection is made anew after such a failure, and with it the limit is gone: as when a disk has room again.
    assert await store.receive(an_event("after")) is not None
    assert {"before", "after"} <= {event.id for event in await store.events()}


async def test_a_file_moved_away_under_the_daemon_is_noticed(store: Store) -> None:
    await store.check_writable()
    path = Path(store.name)
    path.rename(path.with_suffix(".moved"))  # noqa: ASYNC240 - one call on a local disk
    with pytest.raises(StoreUnusable, match="moved or replaced"):
        await store.check_writable()
    path.with_suffix(".moved").rename(path)
    await store.check_writable()


async def test_damage_is_logged_once_and_never_as_over(store: Store, faults: Faults, clock: ManualClock) -> None:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    with capture_logs() as logs:
        for _ in range(3):
            faults.queued.append(error)
            with pytest.raises(StoreUnusable):
                await store.receive(an_event())
            clock.advance(SETTLED_S)
            await store.check_writable()
    assert [log["event"] for log in logs] == ["store_unavailable"]
