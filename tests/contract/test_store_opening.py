"""Opening: what is wrong with a database said in a sentence, old tables migrated, closing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from databases import Postgres, database, execute
from fakes import ManualClock
from sqlalchemy import inspect
from storeparts import an_event

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.store import Store
from memonotify.store.backend import backend_for
from memonotify.store.schema import migrate
from memonotify.store.tables import SCHEMA, metadata


@pytest.fixture
def postgres_url(bare_postgres_url: str) -> str:
    return bare_postgres_url


async def _refusal(url: str, clock: ManualClock, *, read_only: bool = False) -> str:
    store = Store(url, clock=clock)
    with pytest.raises(StoreUnusable) as caught:
        await store.open(read_only=read_only)
    sentence = str(caught.value)
    assert store.name in sentence
    return sentence


async def test_readers_see_what_is_committed_while_the_daemon_writes(
    store: Store, store_url: str, clock: ManualClock
) -> None:
    await store.receive(an_event())
    reader = Store(store_url, clock=clock)
    await reader.open(read_only=True)
    assert [event.id for event in await reader.events()] == ["e1"]
    with pytest.raises(StoreError, match="not open for writing"):
        await reader.receive(an_event("e2"))
    await reader.close()


async def test_a_reader_opens_what_no_daemon_has_open(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock) as store:
        await store.receive(an_event())
    reader = Store(store_url, clock=clock)
    await reader.open(read_only=True)
    assert len(await reader.events()) == 1
    await reader.close()


async def test_an_empty_database_is_filled_by_writing_only(store_url: str, clock: ManualClock) -> None:
    execute(store_url, "SELECT 1")
    assert "is empty" in await _refusal(store_url, clock, read_only=True)
    async with Store(store_url, clock=clock) as store:
        assert await store.events() == []


async def test_a_newer_versions_store_is_refused_for_writing_and_reading(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock):
        pass
    execute(store_url, "UPDATE alembic_version SET version_num = '9000'")
    for read_only in (False, True):
        sentence = await _refusal(store_url, clock, read_only=read_only)
        assert "written by a newer memonotify" in sentence
        assert "9000" in sentence


def _index(index: Mapping[str, Any]) -> tuple[str, list[str], bool, dict[str, str]]:
    # What makes it partial has no equality of its own.
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return index["name"], index["column_names"], bool(index["unique"]), options


def _shape(url: str) -> dict[str, Any]:
    """Return the tables as the database itself tells of them."""
    engine = backend_for(url).reading_engine(1)
    try:
        with engine.connect() as connection:
            found = inspect(connection)
            return {
                name: {
                    "columns": [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
                    "key": found.get_pk_constraint(name),
                    "references": found.get_foreign_keys(name),
                    "indexes": sorted(_index(index) for index in found.get_indexes(name)),
                }
                for name in found.get_table_names()
            }
    finally:
        engine.dispose()


async def test_another_programs_database_is_refused_and_left_alone(store_url: str, clock: ManualClock) -> None:
    execute(store_url, "CREATE TABLE recipes (id INTEGER)")
    for read_only in (False, True):
        assert "another program" in await _refusal(store_url, clock, read_only=read_only)
    assert set(_shape(store_url)) == {"recipes"}


@pytest.fixture
def other_url(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> Iterator[str]:
    """Another empty database of the same kind."""
    if store_url.startswith("sqlite:"):
        yield f"sqlite:///{tmp_path}/other.db"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    with database(server) as url:
        yield url


async def test_migrations_make_the_same_tables_as_a_fresh_store(
    store_url: str, other_url: str, clock: ManualClock
) -> None:
    execute(other_url, "SELECT 1")
    async with Store(store_url, clock=clock):
        pass
    with backend_for(other_url).writing_engine().connect() as connection, connection.begin():
        migrate(connection)
    assert _shape(other_url) == _shape(store_url)
    async with Store(other_url, clock=clock) as store:
        assert await store.receive(an_event()) == 1


def test_the_newest_migration_is_the_version_the_tables_say() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    import memonotify.store.migrations

    config = Config()
    config.set_main_option("script_location", str(Path(memonotify.store.migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


async def test_an_older_store_is_migrated_when_it_is_opened(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock) as store:
        await store.receive(an_event())
    execute(
        store_url,
        # As it is before the first migration: Alembic's table alone, without a version.
        *(f"DROP TABLE {table.name}" for table in reversed(metadata.sorted_tables)),
        "DELETE FROM alembic_version",
    )
    assert "older version" in await _refusal(store_url, clock, read_only=True)
    async with Store(store_url, clock=clock) as store:
        assert await store.receive(an_event()) is not None


def test_a_fresh_store_opens_without_the_migration_tool(store_url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from memonotify.clock import SystemClock\n"
        "from memonotify.store import Store\n"
        "async def main():\n"
        f"    async with Store({store_url!r}, clock=SystemClock()) as store: await store.check_writable()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


async def test_a_closed_store_says_so(store_url: str, clock: ManualClock) -> None:
    store = Store(store_url, clock=clock)
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.receive(an_event())
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.events()


async def test_what_was_asked_before_closing_is_written(store_url: str, clock: ManualClock) -> None:
    store = Store(store_url, clock=clock)
    await store.open()
    asked = [asyncio.ensure_future(store.receive(an_event(f"e{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert None not in await asyncio.gather(*asked)
    async with Store(store_url, clock=clock) as again:
        assert len(await again.events()) == 50
