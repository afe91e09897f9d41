"""Which version of the tables a database has, and bringing it to ours.

A fresh database gets its tables from `tables.metadata` at once; an older one is migrated by Alembic, which is loaded
only then. `Store.open` calls `prepare` for writing and `require` for reading.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select

from memonotify.errors import StoreUnusable
from memonotify.store import unfinished
from memonotify.store.tables import SCHEMA, metadata

_versions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic makes it. Not among the tables of `tables.metadata`, which are the migrations' result."""


def prepare(connection: Connection, name: str, guard: Callable[[Connection], None] = lambda _connection: None) -> None:
    """Make the tables, or migrate them to this version's, in one transaction that begins with `guard`.

    Raises:
        StoreUnusable: the database is newer than this version, another program's, or not filled yet by a move.
    """
    with connection.begin():
        if version_of(connection, name) == SCHEMA:
            return
    with connection.begin():
        guard(connection)
        # Looked at once more: another node may have done it while this one waited.
        version = version_of(connection, name)
        if version is None:
            _create(connection)
        elif version != SCHEMA:
            migrate(connection)


def require(connection: Connection, name: str, *, may_be_unfinished: bool = False) -> None:
    """Raise StoreUnusable where the tables are not exactly this version's; nothing is written."""
    with connection.begin():
        version = version_of(connection, name, may_be_unfinished=may_be_unfinished)
    if version is None:
        raise StoreUnusable(f"{name}: the store is empty; `memonotify serve` fills it")
    if version != SCHEMA:
        raise StoreUnusable(f"{name}: the store is of an older version; start `memonotify serve` once to migrate it")


def version_of(connection: Connection, name: str, *, may_be_unfinished: bool = False) -> str | None:
    """Return the version of the tables, None where there are none.

    Raises:
        StoreUnusable: it is newer than ours, another program's, or, unless it `may_be_unfinished`, not filled yet.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        return None
    if unfinished.TABLE in names and not may_be_unfinished:
        raise StoreUnusable(unfinished.sentence(name, unfinished.source_of(connection) or "another store"))
    # Alembic's table alone: nothing was migrated yet.
    if _versions.name not in names or not ("events" in names or names == {_versions.name}):
        raise StoreUnusable(f"{name}: a database of another program; name one of its own under `store`")
    version = str(connection.scalar(select(_versions.c.version_num)) or "")
    if version > SCHEMA:
        raise StoreUnusable(
            f"{name}: written by a newer memonotify (tables of version {version}; this one knows up to {SCHEMA}); "
            "install that version again, or start with a new store"
        )
    return version


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    _versions.create(connection)
    connection.execute(insert(_versions), {"version_num": SCHEMA})


def migrate(connection: Connection, target: str = "head") -> None:
    """Run the migrations up to `target`, inside the transaction that is open."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
