"""Opening PostgreSQL: the tables made once, what it promises, and what is wrong with it said in a sentence."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from databases import Postgres, database, execute, free_port
from fakes import ManualClock
from storeparts import an_event, until_locks_are_waited_for

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.store import Store, postgres
from memonotify.store.backend import backend_for
from memonotify.store.postgres import PostgresBackend


@pytest.fixture
def store_url(bare_postgres_url: str) -> str:
    return bare_postgres_url


def _tables(url: str) -> set[str]:
    return {name for (name,) in execute(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


@pytest.fixture(params=["read committed", "repeatable read", "serializable"])
def isolation(request: pytest.FixtureRequest, store_url: str) -> Iterator[str]:
    """What the database's transactions are unless they say so themselves."""
    name = store_url.rpartition("/")[2]
    execute(store_url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{request.param}'")
    yield request.param
    execute(store_url, f"ALTER DATABASE {name} RESET default_transaction_isolation")


@pytest.mark.usefixtures("isolation")
async def test_nodes_that_open_an_empty_database_at_once_make_its_tables_once(
    store_url: str, clock: ManualClock
) -> None:
    stores = [Store(store_url, clock=clock) for _ in range(3)]
    with psycopg.connect(store_url) as another:
        # As a node that migrates and has not committed yet.
        another.execute(f"SELECT pg_advisory_xact_lock({postgres._MIGRATION_LOCK})")
        opening = [asyncio.ensure_future(store.open()) for store in stores]
        await until_locks_are_waited_for(store_url, len(stores))
        assert _tables(store_url) == set()
    await asyncio.gather(*opening)
    assert await stores[0].receive(an_event()) == 1
    assert await stores[1].receive(an_event()) is None
    assert execute(store_url, "SELECT count(*) FROM alembic_version") == [(1,)]
    for store in stores:
        await store.close()


async def test_a_node_waits_for_another_that_migrates_however_long_it_takes(store_url: str, clock: ManualClock) -> None:
    store = Store(store_url, clock=clock, backend=PostgresBackend(store_url, statement_s=0.5, answer_s=1.0))
    with psycopg.connect(store_url) as another:
        another.execute(f"SELECT pg_advisory_xact_lock({postgres._MIGRATION_LOCK})")
        opening = asyncio.ensure_future(store.open())
        await until_locks_are_waited_for(store_url)
        # The server itself lets the time pass.
        await asyncio.to_thread(another.execute, "SELECT pg_sleep(1.2)")
        assert not opening.done()
    await opening
    assert await store.receive(an_event()) == 1
    with psycopg.connect(store_url) as another:
        # From then on the bounds hold again.
        another.execute("LOCK TABLE events")
        with pytest.raises(StoreUnavailable):
            await store.receive(an_event("e2"))
    await store.close()


async def test_a_database_that_does_not_hold_every_character_is_refused(
    postgres_server: Postgres, clock: ManualClock
) -> None:
    with database(postgres_server, encoding="LATIN1") as url:
        assert "holds text as LATIN1" in await _refusal(url, clock, StoreUnusable)


async def test_a_commit_is_durable_and_a_wait_bounded_whatever_the_databases_defaults(store_url: str) -> None:
    name = store_url.rpartition("/")[2]
    defaults = {"synchronous_commit": "off", "statement_timeout": "0", "default_transaction_isolation": "serializable"}
    execute(store_url, *(f"ALTER DATABASE {name} SET {key} = '{value}'" for key, value in defaults.items()))
    backend = backend_for(store_url)
    try:
        with backend.writing_engine().connect() as connection, connection.begin():
            for setting, expected in (
                ("synchronous_commit", "on"),
                ("statement_timeout", "15s"),
                ("transaction_isolation", "read committed"),
                ("transaction_read_only", "off"),
            ):
                assert connection.exec_driver_sql(f"SHOW {setting}").scalar() == expected
        reading = backend.reading_engine(1)
        with reading.connect() as connection, connection.begin():
            for setting, expected in (
                ("statement_timeout", "15s"),
                ("transaction_isolation", "repeatable read"),
                ("transaction_read_only", "on"),
            ):
                assert connection.exec_driver_sql(f"SHOW {setting}").scalar() == expected
        reading.dispose()
    finally:
        execute(store_url, *(f"ALTER DATABASE {name} RESET {key}" for key in defaults))


async def test_nothing_is_left_set_in_a_session_that_a_pooler_gives_to_the_next(
    store_url: str,
) -> None:
    with backend_for(store_url).writing_engine().connect() as connection:
        changed = "SELECT name FROM pg_settings WHERE source = 'session'"
        with connection.begin():
            assert "statement_timeout" in connection.exec_driver_sql(changed).scalars().all()
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor:
            cursor.execute(changed)
            left = {name for (name,) in cursor.fetchall()}
        assert "statement_timeout" not in left
        assert "synchronous_commit" not in left


async def _refusal(url: str, clock: ManualClock, error: type[StoreError]) -> str:
    with pytest.raises(error) as caught:
        await Store(url, clock=clock).open()
    sentence = str(caught.value)
    assert "geheim" not in sentence
    assert "\n" not in sentence
    return sentence


async def test_a_database_that_is_not_there_is_named(postgres_server: Postgres, clock: ManualClock) -> None:
    url = postgres_server.url("not_there").replace("@", ":geheim@")
    assert 'database "not_there" does not exist' in await _refusal(url, clock, StoreUnavailable)


async def test_a_user_that_is_not_there_is_named(store_url: str, clock: ManualClock) -> None:
    url = store_url.replace("postgres@", "nobody:geheim@")
    assert '"nobody"' in await _refusal(url, clock, StoreUnavailable)


async def test_a_server_that_is_not_there_is_named(clock: ManualClock) -> None:
    port = free_port()
    url = f"postgresql://postgres:geheim@127.0.0.1:{port}/x"
    sentence = await _refusal(url, clock, StoreUnavailable)
    assert f'"127.0.0.1", port {port} failed: Connection refused' in sentence


async def test_what_the_user_may_not_make_is_said(store_url: str, clock: ManualClock) -> None:
    name = f"memonotify_test_{uuid4().hex}"
    execute(
        store_url,
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
        f"CREATE ROLE {name} LOGIN PASSWORD 'geheim'",
    )
    try:
        url = store_url.replace("postgres@", f"{name}:geheim@")
        assert "permission denied for schema public" in await _refusal(url, clock, StoreUnusable)
    finally:
        execute(store_url, f"DROP ROLE {name}")


async def test_a_server_that_is_too_old_is_refused(
    store_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_LEAST_VERSION", 990_000)
    assert "13 or newer is needed" in await _refusal(store_url, clock, StoreUnusable)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:geheim@h/db?no_such_option=1",
        "postgresql://u:ge%heim@h/db",
        "postgresql://u:ge@heim@h/db",
        "postgresql://u:ge/heim@h/db",
        "postgresql://u:geheim/1@h/db",
        "postgresql://u:geheim@h:geheim/db",
        "postgresql://[geheim/db",
    ],
)
def test_an_address_that_is_none_is_refused_without_a_word_of_it(url: str, clock: ManualClock) -> None:
    with pytest.raises(StoreUnusable) as caught:
        Store(url, clock=clock)
    assert "the store's address" in str(caught.value)
    assert "heim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:geheim@db.example.com/memonotify", "postgresql://db.example.com/memonotify"),
        ("postgres://u:geheim@h1:5432,h2:5433/m?target_session_attrs=read-write", "postgresql://h1,h2/m"),
        ("postgresql://u:ge%40heim@[::1]:5432/m", "postgresql://::1/m"),
        ("postgresql:///m?host=/var/run/postgresql&password=geheim", "postgresql:///var/run/postgresql/m"),
    ],
)
def test_a_store_is_named_without_its_password(url: str, name: str, clock: ManualClock) -> None:
    store = Store(url, clock=clock)
    assert (store.name, store.is_shared) == (name, True)


def test_without_the_driver_it_is_said_what_to_install(
    store_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnusable, match=r"pip install 'memonotify\[postgres\]'"):
        Store(store_url, clock=clock)


async def test_no_file_is_made_and_no_space_told(store: Store) -> None:
    assert store.exists()
    assert store.space() is None
    await store.check_writable()
