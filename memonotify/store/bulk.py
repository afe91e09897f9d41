"""Many rows at once, out of a store and into one: what moving and comparing need of a database beyond the backend.

`stream` and `put` carry rows as tuples in the order of their table's columns; `canonical` is the text of one that is
the same whichever database it came from. Rows have one order everywhere, their primary key's by code points: SQLite
sorts text so by itself, PostgreSQL is told to, for a database may sort by the rules of a language.

PostgreSQL takes rows by COPY: 100,000 events in batches of 2,000 took 1.5 s so, 7.2 s by `INSERT … SELECT FROM unnest`
and 8.3 s by `executemany` (deliveries, which have more indexes: 3.3 s, 11.7 s and 12.7 s).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    case,
    func,
    literal,
    literal_column,
    null,
    select,
    text,
    tuple_,
)

from memonotify.errors import StoreUnusable
from memonotify.model import DeliveryState
from memonotify.store.tables import deliveries, events, in_state, leaders, metadata, nodes, probes

Values = tuple[Any, ...]

MOVED: Final = tuple(table for table in metadata.sorted_tables if table not in (probes, nodes, leaders))
"""The tables whose rows are the store's content; what a row refers to stands in a table before its own."""

_ROWS: Final = 2_000
_BYTES: Final = 8_000_000
_FETCH: Final = 50

# Nobody holds anything in a store that is at rest: a lease means something only to the daemon that took it, and what
# was on its way to a receiver waits to be sent again, its attempt counted.
_ARRIVES: Final[dict[Table, dict[str, ColumnElement[Any]]]] = {
    events: {"lease": literal_column("''")},
    deliveries: {
        "state": case(
            (in_state(DeliveryState.SENDING), literal_column(f"'{DeliveryState.PENDING.value}'")),
            else_=deliveries.c.state,
        ),
        "lease": literal_column("''"),
        "lease_until": null(),
    },
}


def key_of(table: Table, row: Values) -> Values:
    """Return the primary key of a row."""
    positions = [index for index, column in enumerate(table.columns) if column.primary_key]
    return tuple(row[position] for position in positions)


def named(table: Table, key: Values) -> str:
    """Return a key as a sentence shows it: `delivery_id=dlv_…, number=1`."""
    names = [column.name for column in table.columns if column.primary_key]
    return ", ".join(f"{name}={value}" for name, value in zip(names, key, strict=True))


def canonical(row: Values) -> bytes:
    """Return a row as text: two rows have the same one where all their values are the same, and only then."""
    return ascii(row).encode("ascii")


def count(connection: Connection, table: Table) -> int:
    """Return how many rows a table has."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _order(connection: Connection, table: Table) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [column for column in table.columns if column.primary_key]
    if connection.dialect.name != "postgresql":
        return columns
    return [column.collate("C") if isinstance(column.type, Text) else column for column in columns]


def last_key(connection: Connection, table: Table) -> Values | None:
    """Return the highest primary key of a table, None where it is empty."""
    order = _order(connection, table)
    found = connection.execute(select(*order).order_by(*(column.desc() for column in order)).limit(1)).first()
    return None if found is None else tuple(found)


def stream(connection: Connection, table: Table, after: Values | None = None) -> Iterator[list[Values]]:
    """Yield the rows behind a key in the order of the primary key, as they arrive in another store, in batches.

    A batch ends at 2,000 rows or 8 MB, with the fetch of at most 50 rows that reaches either. One statement for the
    whole table, read through a cursor in the database, and not one for each batch: where PostgreSQL's index has another
    order, the table is sorted once, and not once for each batch.
    """
    statement = _selected(connection, table, after).execution_options(stream_results=True)
    with connection.execute(statement) as result:
        batch: list[Values] = []
        size, step = 0, _FETCH
        while found := result.fetchmany(step):
            rows = [tuple(row) for row in found]
            sizes = [sum(len(value) for value in row if isinstance(value, str | bytes)) for row in rows]
            # Few at a time where they are large, so that the memory it takes has a bound.
            step = max(1, min(_FETCH, _BYTES // max(*sizes, 1)))
            batch += rows
            size += sum(sizes)
            del found, rows
            if len(batch) >= _ROWS or size >= _BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _selected(connection: Connection, table: Table, after: Values | None) -> Select[Any]:
    arrives = _ARRIVES.get(table, {})
    order = _order(connection, table)
    columns = [arrives[column.name].label(column.name) if column.name in arrives else column for column in table.c]
    statement = select(*columns).order_by(*order)
    if after is None:
        return statement
    bound = [literal(value, column.type) for value, column in zip(after, order, strict=True)]
    return statement.where(tuple_(*order) > tuple_(*bound))


def put(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Write new rows, inside the transaction that is open.

    Raises:
        StoreUnusable: a row cannot be kept by this database; the sentence names it.
    """
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    driver = connection.connection.cursor()
    try:
        if connection.dialect.name == "postgresql":
            _copy(driver, table, columns, rows)
        else:
            places = ", ".join("?" for _ in table.columns)
            driver.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", rows)  # noqa: S608 - ours
    finally:
        driver.close()


def _copy(driver: Any, table: Table, columns: str, rows: Sequence[Values]) -> None:
    try:
        with driver.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except Exception:
        for row in rows:
            if any(isinstance(value, str) and "\0" in value for value in row):
                raise StoreUnusable(
                    f"{table.name}: the row {named(table, key_of(table, row))} holds the character U+0000, which "
                    "PostgreSQL cannot keep; replace it in the store that is copied"
                ) from None
        raise


def counter(connection: Connection, table: Table) -> int:
    """Return the highest number that the database ever gave a row of a table, 0 where it gave none."""
    column = table.autoincrement_column
    assert column is not None  # noqa: S101 - asked for tables that count
    if connection.dialect.name == "postgresql":
        asked = text("SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(:of, :column) AS regclass))")
        return connection.scalar(asked, {"of": table.name, "column": column.name}) or 0
    return connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :of"), {"of": table.name}) or 0


def go_on_behind(connection: Connection, table: Table, number: int) -> None:
    """Have the database give the next row of a table a number higher than this one and all that it gave before."""
    column = table.autoincrement_column
    assert column is not None  # noqa: S101 - asked for tables that count
    highest = max(number, counter(connection, table), connection.scalar(select(func.max(column))) or 0)
    if not highest:
        return
    values = {"of": table.name, "column": column.name, "highest": highest}
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval(pg_get_serial_sequence(:of, :column), :highest)"), values)
        return
    # Its table has no key that an upsert could meet.
    if not connection.execute(text("UPDATE sqlite_sequence SET seq = :highest WHERE name = :of"), values).rowcount:
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:of, :highest)"), values)


def take_time(connection: Connection) -> None:
    """Let the statements of the open transaction take as long as a large table needs."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def learn_sizes(connection: Connection) -> None:
    """Let the database look at how much there is now, so that the first daemon's statements are planned for it."""
    if connection.dialect.name == "postgresql":
        for table in MOVED:
            connection.execute(text(f"ANALYZE {table.name}"))


def is_same_database(one: Connection, other: Connection) -> bool:
    """Return whether two connections, each with an open transaction, lead to one PostgreSQL database.

    What they are called tells nothing: one server has many names. A lock that one holds and the other cannot get does.
    """
    if not one.dialect.name == other.dialect.name == "postgresql":
        return False
    lock = {"number": one.scalar(text("SELECT (random() * 9e18)::bigint"))}
    one.execute(text("SELECT pg_advisory_xact_lock(:number)"), lock)
    return not other.scalar(text("SELECT pg_try_advisory_xact_lock(:number)"), lock)
