"""Everything of one store into another, either way between SQLite and PostgreSQL, and whether two stores hold the same.

`move` and `compare` take two stores' URLs and return how each table compares; `memonotify migrate-store` calls them.
Both stores have to be at rest. How far a move has come is told by the target itself: a batch is one transaction and its
rows follow each other by primary key, so the highest key is the place to go on from. Until all was compared the target
carries a mark that keeps every daemon off it. Nothing is ever written to the source.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection, Engine, Table, select

from memonotify.errors import StoreError, StoreInUse, StoreUnusable
from memonotify.store import bulk, comparing, schema, unfinished
from memonotify.store.backend import Backend, backend_for
from memonotify.store.bulk import Values
from memonotify.store.cells import micros
from memonotify.store.comparing import Compared
from memonotify.store.lock import is_shared
from memonotify.store.tables import SCHEMA, nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a table is: `done` of `total` rows are copied or compared."""

    doing: Literal["copying", "comparing"]
    table: str
    done: int
    total: int


Report = Callable[[Step], None]
"""Called between two transactions. What it raises ends the work there, and a later run of a move goes on with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move came to: how many rows this run copied of each table, and how each table compares.

    Where one differs, the target is still marked as unfinished.
    """

    copied: dict[str, int]
    tables: tuple[Compared, ...]


_COUNTING: Final = tuple(table for table in bulk.MOVED if table.autoincrement_column is not None)
"""The tables whose rows the database numbers."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two stores, opened."""

    backend: Backend
    connection: Connection

    @property
    def name(self) -> str:
        return self.backend.name


def move(from_url: str, to_url: str, *, at: datetime, report: Report) -> Moved:
    """Copy everything of one store into another that is empty, or go on with that; then compare both.

    Raises:
        StoreInUse: a daemon works on one of them, or another run has taken over.
        StoreUnavailable: a database does not answer now.
        StoreUnusable: one of them cannot be used for this; the sentence says why and what to do.
    """
    with ExitStack() as stack:
        backends = _two(from_url, to_url)
        source = _open_source(stack, backends[0])
        target = _open_target(stack, backends[1], source)
        run = secrets.token_hex(8)
        _mark(target, source=_address(from_url, source.backend), run=run, at=at)
        copied = {table.name: _copy(source, target, table, run, report) for table in bulk.MOVED}
        with _speaking_of(target.backend), target.connection.begin():
            bulk.take_time(target.connection)
            bulk.learn_sizes(target.connection)
        tables = _compare(source, _open_second(stack, target.backend, source), report)
        numbers = _numbers(source)
        if all(table.is_equal for table in tables):
            _finish(target, run, numbers)
    return Moved(copied=copied, tables=tables)


def compare(from_url: str, to_url: str, *, report: Report) -> tuple[Compared, ...]:
    """Compare two stores, also where one is unfinished, and write to neither. Raises what `move` does."""
    with ExitStack() as stack:
        backends = _two(from_url, to_url)
        source = _open_source(stack, backends[0], may_be_unfinished=True)
        with _speaking_of(backends[1]):
            backends[1].demand()
            stack.enter_context(_taken(backends[1]))
        return _compare(source, _open_second(stack, backends[1], source), report)


def _two(from_url: str, to_url: str) -> tuple[Backend, Backend]:
    """Return the backends of two stores.

    Raises:
        StoreUnusable: a URL names no store, or both name one file.
    """
    source, target = backend_for(from_url), backend_for(to_url)
    one, other = (getattr(backend, "path", None) for backend in (source, target))
    if one is not None and other is not None:
        is_there = one.exists() and other.exists()
        if one.resolve() == other.resolve() or (is_there and one.samefile(other)):
            raise _same(source, target)
    return source, target


def _same(source: Backend, target: Backend) -> StoreUnusable:
    return StoreUnusable(f"{source.name} and {target.name} are one and the same store; name two")


def _open_source(stack: ExitStack, backend: Backend, *, may_be_unfinished: bool = False) -> _Side:
    """Open a store for reading as it is at this moment, within a transaction, with nobody at work on it."""
    with _speaking_of(backend):
        # Before its lock is taken, which would make the file.
        backend.demand()
        stack.enter_context(_taken(backend))
        connection = stack.enter_context(_connected(backend.reading_engine(1)))
        schema.require(connection, backend.name, may_be_unfinished=may_be_unfinished)
        if not backend.is_shared:
            # A damaged index hides rows, and comparing would not see them either.
            backend.check(connection)
        connection.begin()
        bulk.take_time(connection)
        _demand_rest(backend, connection)
    return _Side(backend, connection)


def _open_second(stack: ExitStack, backend: Backend, source: _Side) -> _Side:
    """Open the store that the source is compared with, for reading; its lock is held already."""
    with _speaking_of(backend):
        connection = stack.enter_context(_connected(backend.reading_engine(1)))
        schema.require(connection, backend.name, may_be_unfinished=True)
        connection.begin()
        bulk.take_time(connection)
        _demand_rest(backend, connection)
        if bulk.is_same_database(source.connection, connection):
            raise _same(source.backend, backend)
    return _Side(backend, connection)


def _open_target(stack: ExitStack, backend: Backend, source: _Side) -> _Side:
    """Open a store for writing, with the tables of this version; nothing is made where it cannot be the target."""
    with _speaking_of(backend):
        stack.enter_context(_taken(backend))
        connection = stack.enter_context(_connected(backend.writing_engine()))
        backend.check(connection)
        with connection.begin():
            if bulk.is_same_database(source.connection, connection):
                raise _same(source.backend, backend)
            version = schema.version_of(connection, backend.name, may_be_unfinished=True)
        if version is None:
            schema.prepare(connection, backend.name, backend.guard_migration)
        elif version != SCHEMA:
            raise StoreUnusable(f"{backend.name}: there is a store of an older version; take an empty one")
    return _Side(backend, connection)


def _mark(target: _Side, *, source: str, run: str, at: datetime) -> None:
    """Mark the target as unfinished, in the name of this run.

    Raises:
        StoreUnusable: it holds something, and not what an earlier run from the same source left.
    """
    connection = target.connection
    with _speaking_of(target.backend), connection.begin():
        # Where two runs begin at once, the second one waits here.
        target.backend.guard_migration(connection)
        _demand_rest(target.backend, connection)
        earlier = unfinished.source_of(connection)
        if earlier is None:
            _demand_empty(target)
        elif earlier != source:
            raise StoreUnusable(
                f"{target.name}: unfinished: it is being filled from {earlier}, not from {source}; name that one "
                "again, or take an empty store"
            )
        unfinished.put(connection, source=source, run=run, at=micros(at))


def _demand_empty(target: _Side) -> None:
    for table in bulk.MOVED:
        if target.connection.execute(select(*table.primary_key.columns).limit(1)).first() is not None:
            raise StoreUnusable(
                f"{target.name}: not empty, there are {table.name}; take an empty store, or compare the two with "
                "`memonotify migrate-store --verify-only`"
            )


def _demand_rest(backend: Backend, connection: Connection) -> None:
    """Raise StoreInUse where a node with a living lease works on a store; takes a connection within a transaction."""
    moment = backend.moment(connection)
    if moment is None:
        return
    living = connection.scalars(select(nodes.c.name).where(nodes.c.lease_until > micros(moment)).distinct())
    names = sorted(living)
    if names:
        raise StoreInUse(
            f"{backend.name} is in use by {' and '.join(names)}: stop every daemon on it first; one that died counts "
            "for half a minute"
        )


def _copy(source: _Side, target: _Side, table: Table, run: str, report: Report) -> int:
    """Copy the rows of a table that the target does not have; returns how many."""
    with _speaking_of(source.backend):
        total = bulk.count(source.connection, table)
    with _speaking_of(target.backend), target.connection.begin():
        bulk.take_time(target.connection)
        after = bulk.last_key(target.connection, table)
        before = 0 if after is None else bulk.count(target.connection, table)
    done = before
    report(Step(doing="copying", table=table.name, done=done, total=total))
    for batch in _batches(source, table, after):
        with _speaking_of(target.backend, _extent(table, batch)), target.connection.begin():
            unfinished.hold(target.connection, target.name, run)
            bulk.put(target.connection, table, batch)
        done += len(batch)
        report(Step(doing="copying", table=table.name, done=done, total=total))
    return done - before


def _compare(source: _Side, second: _Side, report: Report) -> tuple[Compared, ...]:
    found = []
    for table in bulk.MOVED:
        with _speaking_of(source.backend):
            total = bulk.count(source.connection, table)

        def on_rows(done: int, name: str = table.name, total: int = total) -> None:
            report(Step(doing="comparing", table=name, done=done, total=max(done, total)))

        on_rows(0)
        found.append(comparing.compare(table, _batches(source, table), _batches(second, table), on_rows))
    return tuple(found)


def _numbers(source: _Side) -> dict[Table, int]:
    """Return the highest number that the source gave in each table that counts.

    Raises:
        StoreInUse: a daemon has begun to work on it meanwhile, so what was copied is not all.
    """
    connection = source.connection
    with _speaking_of(source.backend):
        # What was read is of one moment; this is asked of the present one.
        connection.rollback()
        with connection.begin():
            _demand_rest(source.backend, connection)
            return {table: bulk.counter(connection, table) for table in _COUNTING}


def _finish(target: _Side, run: str, numbers: dict[Table, int]) -> None:
    """Let the target count on behind the source, and take its mark away."""
    connection = target.connection
    with _speaking_of(target.backend), connection.begin():
        _demand_rest(target.backend, connection)
        unfinished.hold(connection, target.name, run)
        for table, number in numbers.items():
            bulk.go_on_behind(connection, table, number)
        unfinished.remove(connection)


def _address(url: str, backend: Backend) -> str:
    """Return the name by which a later run knows a source: with its port, without user and password."""
    if not is_shared(url):
        return str(backend.name)
    return "postgresql://" + url.partition("://")[2].rpartition("@")[2].partition("?")[0]


def _extent(table: Table, batch: list[Values]) -> str:
    first, last = (bulk.named(table, bulk.key_of(table, row)) for row in (batch[0], batch[-1]))
    return f"{table.name} from {first} to {last}"


def _batches(side: _Side, table: Table, after: Values | None = None) -> Iterator[list[Values]]:
    with _speaking_of(side.backend):
        yield from bulk.stream(side.connection, table, after)


@contextmanager
def _speaking_of(backend: Backend, what: str = "") -> Iterator[None]:
    """Raise a database's error as the StoreError that it stands for, with the store's name in front."""
    try:
        yield
    except Exception as error:
        translated = backend.translate(error)
        if translated is error:
            raise
        if not isinstance(translated, StoreError) or backend.name in str(translated):
            raise translated from error
        where = f"{backend.name}: {what}" if what else backend.name
        raise type(translated)(f"{where}: {translated}") from error


@contextmanager
def _taken(backend: Backend) -> Iterator[None]:
    """Hold a store's lock, so that no daemon starts on its file."""
    backend.take()
    try:
        yield
    finally:
        backend.let_go()


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    connection = engine.connect()
    try:
        yield connection
    finally:
        # What is open is not wanted any more, and a connection that broke has said so already.
        with suppress(Exception):
            connection.close()
        engine.dispose()
