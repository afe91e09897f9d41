"""What tests of moving a store need: stores filled quickly or awkwardly, and everything in one, read plainly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from storeparts import START

from memonotify.store import bulk, schema
from memonotify.store.backend import backend_for
from memonotify.store.bulk import Values
from memonotify.store.cells import micros
from memonotify.store.tables import metadata

NOW = micros(START)
TABLES = tuple(table.name for table in bulk.MOVED)


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """Give a transaction on a store, whose tables are made where there are none."""
    backend = backend_for(url)
    backend.take()
    engine = backend.writing_engine()
    try:
        with engine.connect() as connection:
            schema.prepare(connection, backend.name, backend.guard_migration)
            with connection.begin():
                yield connection
    finally:
        engine.dispose()
        backend.let_go()


def run(url: str, statement: str) -> None:
    """Execute one statement on a store, whatever anybody thinks of it."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def rows_of(url: str, table: str) -> list[Values]:
    """Return all rows of a table as plain SQL gives them, sorted here; SQLite's 0 and 1 of a flag as they are."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]
    engine.dispose()
    return sorted((tuple(int(value) if value is True or value is False else value for value in row)) for row in found)


def content(url: str) -> dict[str, list[Values]]:
    """Return everything that is in a store, as plain SQL gives it."""
    return {table: rows_of(url, table) for table in TABLES}


def tables_of(url: str) -> set[str]:
    """Return the names of all tables in a database."""
    from sqlalchemy import inspect

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def size(url: str) -> int:
    """Return how many rows are in a store."""
    return sum(len(rows) for rows in content(url).values())


def an_id(number: int) -> str:
    return f"dlv_{hashlib.sha256(str(number).encode()).hexdigest()[:24]}"


def a_delivery_row(name: str, **fields: Any) -> Values:
    row = {
        "id": name,
        "identity": name,
        "workspace": "acme",
        "event_id": "e1",
        "rule": "big",
        "channel": "mail",
        "branch": "notify",
        "entry": 0,
        "payload": '{"text":"a"}',
        "state": "sent",
        "attempts": 1,
        "created_at": NOW,
        "due_at": NOW,
        "settled_at": None,
        "lease": "",
        "lease_until": None,
        "reason": None,
        "detail": "",
        "replay": "",
        "told_in": "",
        "silence": "",
    }
    assert set(fields) <= set(row)
    return tuple({**row, **fields}.values())


def an_event_row(seq: int, **fields: Any) -> Values:
    name = f"e{seq}"
    row = {
        "seq": seq,
        "workspace": "acme",
        "event_id": name,
        "date": "2026-03-02T09:00:00+00:00",
        "event_type": "transaction_confirmed",
        "resource_type": "transaction",
        "resource_id": "r1",
        "body": f'{{"id":"{name}","event_type":"transaction_confirmed"}}',
        "client": "35.181.64.230",
        "received_at": NOW + seq,
        "attempts": 0,
        "due_at": None,
        "evaluated_at": NOW + seq,
        "lease": "",
        "in_order": False,
    }
    assert set(fields) <= set(row)
    return tuple({**row, **fields}.values())


def _put(connection: Connection, table: str, rows: list[Values]) -> None:
    bulk.put(connection, metadata.tables[table], rows)


def fill(url: str, events: int) -> int:
    """Fill a store with so many events and what hangs on them; returns how many rows that are: five for each event."""
    some = range(1, events + 1)
    with writing(url) as connection:
        _put(connection, "events", [an_event_row(seq) for seq in some])
        _put(connection, "decisions", [(seq, 0, "big", "matched", "") for seq in some])
        _put(connection, "snapshots", [(seq, "/v2/t", 0, NOW, 200, '{"a":1}', None) for seq in some if seq % 2])
        _put(connection, "deliveries", [a_delivery_row(an_id(seq), event_id=f"e{seq}") for seq in some])
        _put(connection, "attempts", [(an_id(seq), 1, NOW, NOW + 5, True, None, 200, "250 ok") for seq in some])
        _put(
            connection,
            "policy_states",
            [("acme", "low", "fire", f"a-{seq}", str(seq % 3 > 0).lower(), NOW, None) for seq in some if seq % 4],
        )
        quarter = [seq for seq in some if seq % 4 == 0]
        _put(connection, "failures", [_a_failure_row(seq) for seq in quarter])
    return size(url)


def _a_failure_row(seq: int, **fields: Any) -> Values:
    row = {
        "seq": seq,
        "kind": "dead_letter",
        "workspace": "acme",
        "event_id": f"e{seq}",
        "rule": "big",
        "channel": "mail",
        "reason": "timeout",
        "detail": "no answer",
        "at": NOW,
        "delivery_id": "",
        "file": "",
        "told_at": None,
    }
    return tuple({**row, **fields}.values())


# Their order differs between code points and every language's rules.
_WORDS = (
    "Z",
    "a",
    "aa",
    "z",
    "å",
    "_",
    "É",
    "e\u0301",
    "é",
    "\U0001f98a",
    "\uffff",
    "",
    " ",
    "ß",
    "ss",
    "A\tB\\N\n'\"",
)


def fill_awkwardly(url: str) -> None:
    """Fill a store with what databases are known to treat differently."""
    with writing(url) as connection:
        _put(
            connection,
            "events",
            [
                an_event_row(3, body='{"a":"\\u0000 \\ud800 é \U0001f98a"}', received_at=-62_135_596_800_000_000),
                an_event_row(4, body="x" * 1_000_000, attempts=2_147_483_647, client=""),
                an_event_row(7, due_at=NOW, evaluated_at=None, lease="ab12", in_order=True, workspace="Åcme \\N"),
                an_event_row(9, due_at=-1, evaluated_at=None, lease="", date="\\."),
                an_event_row(2**53 + 1, received_at=2**62),
            ],
        )
        _put(connection, "decisions", [(3, place, word, "failed", word) for place, word in enumerate(_WORDS)])
        _put(
            connection,
            "snapshots",
            [(seq, word, 0, NOW, None, None, "timeout") for seq in (3, 4, 7) for word in _WORDS]
            + [(9, "/large", 0, -NOW, 404, "\U0001f98a" * 300_000, None)],
        )
        _put(
            connection,
            "deliveries",
            [a_delivery_row(f"dlv_{word}", detail=word, settled_at=-5, reason="tls", state="dead") for word in _WORDS]
            + [
                a_delivery_row("claimed", state="sending", lease="ab12", lease_until=NOW + 9, due_at=NOW - 1),
                a_delivery_row("pending", state="pending", attempts=0),
                a_delivery_row("held", state="held", channel="é"),
                a_delivery_row("gathered", state="held", silence="sil_é"),
                a_delivery_row("told", state="told", told_in="claimed"),
            ],
        )
        _put(
            connection,
            "gatherings",
            [
                (7, "ab12", "acme", "é", "notify", 0, "mail", "group", "Ä\tß", -NOW, 2**62, 3),
                (2**53 + 1, None, "acme", "big", "escalate", 2, "mail", "quiet", "", NOW, -1, 1),
            ],
        )
        _put(
            connection,
            "holds",
            [
                ("held", "acme", "é", "escalate", "é", '{"limit":"\\u0000"}', '{"event_types":["a_*"]}', None, -1),
                ("gathered", "acme", "é", "group", "Ä\tß", "{}", None, 7, 2**62),
            ],
        )
        _put(
            connection,
            "attempts",
            [(f"dlv_{word}", n, -1, -1, n == 2, None, None, word) for word in _WORDS for n in (1, 2)],
        )
        _put(
            connection, "policy_states", [(one, two, "fire", "k", two, -NOW, None) for one in _WORDS for two in _WORDS]
        )
        ends = (NOW, -1, 2**62)
        _put(
            connection,
            "silences",
            [(w, "{}", NOW, end, "hold", w, w, -NOW) for w, end in zip(_WORDS, ends * 9, strict=False)],
        )
        _put(connection, "failures", [_a_failure_row(5), _a_failure_row(6, told_at=-1, detail="\\u0000", channel="")])


def at_rest(rows: dict[str, list[Values]]) -> dict[str, list[Values]]:
    """Return a store's content as it has to arrive: nobody holds anything, and what was on its way waits."""
    deliveries = [
        (*row[:9], "pending" if row[9] == "sending" else row[9], *row[10:14], "", None, *row[16:])
        for row in rows["deliveries"]
    ]
    events = [(*row[:13], "", row[14]) for row in rows["events"]]
    return {**rows, "deliveries": deliveries, "events": events}


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
