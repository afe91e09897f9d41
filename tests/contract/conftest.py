"""The store suite's fixtures: every backend runs the whole suite, PostgreSQL also behind PgBouncer.

A module about one of them alone has a `store_url` of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from databases import Postgres, a_pgbouncer, a_server, database, empty, server_error
from fakes import Faults, ManualClock

from memonotify.metrics import Metrics
from memonotify.store import Store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with a_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres_server: Postgres) -> Iterator[str]:
    """A database's name. One for all tests of a process: making one costs more than most of them."""
    with database(postgres_server) as url:
        yield url.rpartition("/")[2]


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: Postgres) -> Iterator[Postgres]:
    with a_pgbouncer(postgres_server) as pooler:
        yield pooler


@pytest.fixture
def postgres_url(postgres_server: Postgres, postgres_database: str) -> str:
    """The URL of a database with no rows in it."""
    url = postgres_server.url(postgres_database)
    empty(url)
    return url


@pytest.fixture
def bare_postgres_url(postgres_server: Postgres, postgres_database: str) -> str:
    """The URL of a database without tables."""
    url = postgres_server.url(postgres_database)
    empty(url, bare=True)
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer"])
def store_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url = str(request.getfixturevalue("postgres_url"))
    if request.param == "postgresql":
        return url
    pooler: Postgres = request.getfixturevalue("pgbouncer")
    return pooler.url(request.getfixturevalue("postgres_database"))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def store(store_url: str, clock: ManualClock, faults: Faults, metrics: Metrics) -> AsyncIterator[Store]:
    async with Store(store_url, clock=clock, metrics=metrics, before_commit=faults) as opened:
        yield opened


@pytest.fixture
def full_disk(store_url: str) -> tuple[Exception, str]:
    """The backend's error where its disk is full, and what is said of it."""
    if store_url.startswith("sqlite:"):
        said = "database or disk is full"
        return sqlite3.OperationalError(said), said
    said = "could not extend file: No space left on device"
    return server_error(store_url, "53100", said), f"{said} (53100)"
