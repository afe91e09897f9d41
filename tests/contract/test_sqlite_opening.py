"""Opening a file: one writer at a time, what is wrong with a file said in a sentence."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fakes import ManualClock
from storeparts import an_event

from memonotify.errors import StoreInUse, StoreUnusable
from memonotify.store import Store, control_socket, is_locked
from memonotify.store.schema import migrate
from memonotify.store.sqlite import make_file, writing_engine


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


async def _refusal(url: str, clock: ManualClock, *, read_only: bool = False) -> str:
    with pytest.raises(StoreUnusable) as caught:
        await Store(url, clock=clock).open(read_only=read_only)
    sentence = str(caught.value)
    assert str(_path(url)) in sentence
    assert not is_locked(url)
    return sentence


async def test_a_second_daemon_is_refused_and_told_whose_it_is(
    store: Store, store_url: str, clock: ManualClock
) -> None:
    with pytest.raises(StoreInUse, match=rf"store\.db is in use by process {os.getpid()}: stop"):
        await Store(store_url, clock=clock).open()
    await store.check_writable()


async def test_the_lock_is_seen_from_outside_and_ends_with_the_store(store_url: str, clock: ManualClock) -> None:
    assert not is_locked(store_url)
    async with Store(store_url, clock=clock):
        assert is_locked(store_url)
    assert not is_locked(store_url)


async def test_asking_for_the_lock_never_stops_a_daemon_from_starting(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock):
        pass

    def ask() -> None:
        for _ in range(300):
            is_locked(store_url)

    asking = asyncio.create_task(asyncio.to_thread(ask))
    for _ in range(5):
        async with Store(store_url, clock=clock):
            pass
    await asking


async def test_the_files_are_the_owners_alone(tmp_path: Path, clock: ManualClock) -> None:
    url = f"sqlite:///{tmp_path}/new/folder/store.db"
    async with Store(url, clock=clock) as store:
        await store.receive(an_event())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in _path(url).parent.iterdir()}
    assert set(modes) >= {"store.db", "store.db-wal", "store.db.lock"}
    assert set(modes.values()) == {0o600}
    assert control_socket(url, Path("/etc/memonotify/config.yaml")) == _path(url).with_name("store.db.sock")


async def test_writing_is_durable_by_what_sqlite_says_itself(store_url: str) -> None:
    make_file(_path(store_url))
    with writing_engine(_path(store_url)).connect() as connection:
        for name, expected in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("wal_autocheckpoint", 1000),
            ("busy_timeout", 5000),
        ):
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == expected


async def test_a_store_that_is_not_there_is_not_made_by_reading(store_url: str, clock: ManualClock) -> None:
    assert "there is no store yet; `memonotify serve` makes one" in await _refusal(store_url, clock, read_only=True)
    assert not _path(store_url).exists()


async def test_a_file_that_is_no_database_is_refused(store_url: str, clock: ManualClock) -> None:
    _path(store_url).write_bytes(b"not a database, by far" * 100)
    sentence = await _refusal(store_url, clock)
    assert "not a whole SQLite database" in sentence
    assert "move it away" in sentence
    assert _path(store_url).read_bytes().startswith(b"not a database")


async def test_a_damaged_database_is_refused(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock) as store:
        await asyncio.gather(*(store.receive(an_event(f"e{n}", text="x" * 500)) for n in range(200)))
    content = bytearray(_path(store_url).read_bytes())
    for page in range(30, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    _path(store_url).write_bytes(content)
    assert "not a whole SQLite database" in await _refusal(store_url, clock)


async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/store.db"
    with pytest.raises(StoreUnusable, match=r"file/store\.db: cannot be written"):
        await Store(url, clock=clock).open()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nonsense"])
def test_a_url_that_names_neither_a_file_nor_a_server_is_refused(url: str, clock: ManualClock) -> None:
    with pytest.raises(StoreUnusable, match="the store must be sqlite:///"):
        Store(url, clock=clock)


def _shape(path: Path) -> tuple[dict[str, list[tuple[object, ...]]], dict[str, str]]:
    """Return the columns of each table, and the text that made each index, as SQLite keeps them."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: list(connection.execute(f"SELECT * FROM pragma_table_xinfo('{name}')")) for name in tables}
        for name in tables:
            columns[name] += list(connection.execute(f"SELECT * FROM pragma_foreign_key_list('{name}')"))
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return columns, {name: " ".join(sql.split()) for name, sql in made}


async def test_migrations_make_the_same_tables_as_a_fresh_store_to_the_letter(
    store_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    async with Store(store_url, clock=clock):
        pass
    migrated = tmp_path / "migrated.db"
    make_file(migrated)
    with writing_engine(migrated).connect() as connection:
        migrate(connection)
    assert _shape(migrated) == _shape(_path(store_url))
    async with Store(f"sqlite:///{migrated}", clock=clock) as store:
        assert await store.receive(an_event()) == 1


def test_looking_for_a_daemon_loads_no_database(store_url: str) -> None:
    program = (
        "import sys\n"
        "from memonotify.store import is_locked\n"
        f"print(is_locked({store_url!r}), 'sqlalchemy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False False\n"


async def test_the_space_it_takes_is_known(store: Store) -> None:
    await store.receive(an_event())
    space = store.space()
    assert space is not None
    assert space.path == Path(store.name)
    assert space.size_bytes >= space.path.stat().st_size > 0
    assert space.free_bytes > 0
