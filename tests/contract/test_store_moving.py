"""Moving a store: all arrives, either way, however often it is cut short; what differs is found; what must not be, is
refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from databases import Postgres, database
from fakes import ManualClock
from moveparts import (
    NOW,
    TABLES,
    a_delivery_row,
    an_event_row,
    an_id,
    at_rest,
    content,
    fill,
    fill_awkwardly,
    path_of,
    rows_of,
    run,
    size,
    tables_of,
    writing,
)
from policyparts import bench_maker
from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, Table, Text
from storeparts import START, an_event, evaluated

from memonotify.errors import StoreError, StoreInUse, StoreUnavailable, StoreUnusable
from memonotify.model import DeliveryState, Recorded
from memonotify.store import Store, bulk
from memonotify.store.moving import Moved, Step, compare, move
from memonotify.store.tables import metadata

MARK = "unfinished_move"
DANISH = "LOCALE_PROVIDER icu ICU_LOCALE 'da-DK' LOCALE 'C.UTF-8'"


@dataclass
class Places:
    """Makes empty stores for one test: `make("sqlite")`, `make("postgresql")`, `make("danish")`."""

    folder: Path
    server: Callable[[], Postgres]
    stack: ExitStack
    made: int = 0

    def make(self, kind: str) -> str:
        self.made += 1
        if kind == "sqlite":
            return f"sqlite:///{self.folder}/store-{self.made}.db"
        options = DANISH if kind == "danish" else ""
        return self.stack.enter_context(database(self.server(), options))


@pytest.fixture
def places(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Places]:
    with ExitStack() as stack:
        yield Places(tmp_path, lambda: request.getfixturevalue("postgres_server"), stack)


EITHER_WAY = pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "sqlite")]
)


def moved(source: str, target: str, report: Callable[[Step], None] = lambda _step: None) -> Moved:
    return move(source, target, at=START, report=report)


def _is_equal(result: Moved) -> bool:
    return all(table.is_equal for table in result.tables)


class Stopped(Exception):  # noqa: N818 - a test's own
    """A test ends a move here."""


def stop_at(doing: str, table: str, least: int = 0) -> Callable[[Step], None]:
    """Return a report that ends a move once so many rows of a table are done."""

    def report(step: Step) -> None:
        if (step.doing, step.table) == (doing, table) and step.done >= least:
            raise Stopped

    return report


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("sqlite", "postgresql"),
        ("postgresql", "sqlite"),
        ("sqlite", "sqlite"),
        ("postgresql", "postgresql"),
        ("danish", "sqlite"),
        ("sqlite", "danish"),
    ],
)
def test_every_row_arrives_whatever_is_in_it(places: Places, source: str, target: str) -> None:
    from_url, to_url = places.make(source), places.make(target)
    fill_awkwardly(from_url)
    before = content(from_url)
    result = moved(from_url, to_url)
    assert _is_equal(result)
    assert content(to_url) == at_rest(before)
    assert content(from_url) == before
    assert {table.table: table.source.rows for table in result.tables} == {name: len(before[name]) for name in TABLES}
    assert all(table.is_equal for table in compare(from_url, to_url, report=lambda _step: None))


GATHERED = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    group: {wait: 1m}
    limit: {count: 1, per: 1h}
    notify:
      - {channel: chat, text: "{{ events | map(attribute='resource_id') | join(' ') }}"}
"""


@EITHER_WAY
async def test_what_waits_and_what_is_remembered_goes_on_in_the_other_store(
    places: Places, tmp_path: Path, source: str, target: str
) -> None:
    from_url, to_url, clock = places.make(source), places.make(target), ManualClock()
    async with Store(from_url, clock=clock) as store:
        bench = bench_maker(store, clock, tmp_path)(GATHERED)
        await bench.event(of="r1")
        await bench.turn(60)
        assert bench.told == ["r1"]
        await bench.event(of="r2")
        await store.leave()
    moved(from_url, to_url)
    async with Store(to_url, clock=clock) as store:
        after = bench_maker(store, clock, tmp_path)(GATHERED)
        after.bank, after.count = bench.bank, bench.count
        after.start()
        await after.event(of="r3")
        await after.turn(60)
        assert after.told == []
        await after.turn(3600)
        (rest,) = after.told
        assert "1 more message" in rest
        assert "evt-2" in rest
        assert "evt-3" in rest


def test_a_round_trip_over_postgresql_is_equal_row_by_row(places: Places) -> None:
    first, second, third = places.make("sqlite"), places.make("danish"), places.make("sqlite")
    fill_awkwardly(first)
    there, back = moved(first, second), moved(second, third)
    assert content(third) == at_rest(content(first))
    assert [table.source for table in there.tables] == [table.target for table in back.tables]


def test_every_table_is_moved_or_known_to_stay() -> None:
    assert set(TABLES) == set(metadata.tables) - {"probes", "nodes", "leaders"}
    assert {"events", "decisions", "snapshots", "deliveries", "attempts", "policy_states", "failures"} <= set(TABLES)


def test_bytes_and_every_other_kind_of_value_are_the_same_on_both_databases(places: Places) -> None:
    table = Table(
        "kinds",
        MetaData(),
        Column("name", Text, primary_key=True),
        Column("content", LargeBinary),
        Column("flag", Boolean),
        Column("number", BigInteger),
    )
    every = bytes(range(256))
    rows = [("a", every * 40, True, -(2**63)), ("b", b"", False, 0), ("c", None, None, None), ("d", b"\\x00", True, 1)]
    read = []
    for kind in ("sqlite", "postgresql"):
        with writing(places.make(kind)) as connection:
            table.create(connection)
            bulk.put(connection, table, rows)
            read.append([row for batch in bulk.stream(connection, table) for row in batch])
            assert bulk.last_key(connection, table) == ("d",)
            assert [row for batch in bulk.stream(connection, table, ("b",)) for row in batch] == rows[2:]
    assert read == [rows, rows]
    assert [bulk.canonical(row) for row in read[0]] == [bulk.canonical(row) for row in read[1]]


@EITHER_WAY
def test_20_000_rows_are_moved_and_compared_within_seconds(places: Places, source: str, target: str) -> None:
    from_url, to_url = places.make(source), places.make(target)
    assert fill(from_url, 4_000) >= 20_000
    began_s = time.monotonic()
    assert _is_equal(moved(from_url, to_url))
    assert time.monotonic() - began_s < 20


@EITHER_WAY
def test_memory_has_a_bound_where_bodies_are_large(places: Places, source: str, target: str) -> None:
    from_url, to_url = places.make(source), places.make(target)
    with writing(from_url) as connection:
        for start in range(1, 241, 20):
            rows = [an_event_row(seq, body="x" * 500_000) for seq in range(start, start + 20)]
            bulk.put(connection, metadata.tables["events"], rows)
    tracemalloc.start()
    try:
        assert _is_equal(moved(from_url, to_url))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Fifty rows of each side are fetched before their size is known: far from all 120 MB.
    assert most < 70_000_000


# Numbers


@EITHER_WAY
async def test_new_rows_are_numbered_behind_the_highest_that_was_ever_given(
    places: Places, source: str, target: str, clock: ManualClock
) -> None:
    from_url, to_url = places.make(source), places.make(target)
    async with Store(from_url, clock=clock) as store:
        for number in range(1, 8):
            await store.receive(an_event(f"e{number}"))
    # As retention does: readers go on from the last they saw, so 7 must not be given again.
    run(from_url, "DELETE FROM events WHERE seq > 5")
    assert _is_equal(moved(from_url, to_url))
    async with Store(to_url, clock=clock) as store:
        seq = await store.receive(an_event("new"))
    assert seq is not None
    assert seq > 7
    assert [row[0] for row in rows_of(to_url, "events")] == [1, 2, 3, 4, 5, seq]


def test_a_table_that_never_had_a_row_begins_at_one(places: Places) -> None:
    from_url, to_url = places.make("sqlite"), places.make("postgresql")
    fill(from_url, 1)
    moved(from_url, to_url)
    run(to_url, "INSERT INTO failures (kind, workspace, event_id, rule, channel, reason, detail, at, delivery_id) "
                "VALUES ('k', '', '', '', '', 'r', '', 0, '')")  # fmt: skip
    assert [row[0] for row in rows_of(to_url, "failures")] == [1]


# What was pending goes on


@EITHER_WAY
async def test_what_waited_or_was_on_its_way_is_claimed_on_the_target(
    places: Places, source: str, target: str, clock: ManualClock
) -> None:
    from_url, to_url = places.make(source), places.make(target)
    with writing(from_url) as connection:
        rows = [
            a_delivery_row("claimed", state="sending", lease="x", lease_until=NOW + 30_000_000, due_at=NOW - 5),
            a_delivery_row("pending", state="pending", attempts=0),
            a_delivery_row("sent"),
        ]
        bulk.put(connection, metadata.tables["deliveries"], rows)
    moved(from_url, to_url)
    async with Store(to_url, clock=clock) as store:
        found = await store.claim("mail", limit=10, lease_s=30)
        assert [(delivery.id, delivery.attempts) for delivery in found] == [("claimed", 2), ("pending", 1)]
        sent = await store.delivery("sent")
    assert sent is not None
    assert sent.state is DeliveryState.SENT


@EITHER_WAY
async def test_an_open_event_is_adopted_and_evaluated_on_the_target(
    places: Places, source: str, target: str, clock: ManualClock
) -> None:
    from_url, to_url = places.make(source), places.make(target)
    async with Store(from_url, clock=clock) as store:
        await store.receive(an_event("kept"), keep=True)
        await store.receive(an_event("free"), keep=False)
    moved(from_url, to_url)
    async with Store(to_url, clock=clock) as store:
        assert await store.adopt(10) == (2 if store.is_shared else 0)
        waiting = await store.unevaluated()
        assert [event.id for event in waiting] == ["kept", "free"]
        assert [await store.record(evaluated(event)) for event in waiting] == [Recorded.WRITTEN] * 2


def test_nodes_and_who_leads_stay_behind(places: Places) -> None:
    from_url, to_url = places.make("postgresql"), places.make("postgresql")
    fill(from_url, 1)
    _node(from_url, "dead", until="0")
    run(from_url, "INSERT INTO leaders VALUES ('leader', 'dead', 0)")
    moved(from_url, to_url)
    assert rows_of(to_url, "nodes") == rows_of(to_url, "leaders") == []


# Cut short, and gone on with

_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from memonotify.store import bulk
from memonotify.store.moving import move
source, target, left, whole = sys.argv[1], sys.argv[2], int(sys.argv[3]), bulk.put
def put(connection, table, rows):
    global left
    whole(connection, table, rows)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
bulk.put = put
def report(step):
    if left > 0 and step.doing == "comparing" and step.table == "snapshots":
        os.kill(os.getpid(), signal.SIGKILL)
move(source, target, at=datetime.now(UTC), report=report)
"""


def _killed(source: str, target: str, batch: int) -> None:
    """Run a move in a process that is killed within the transaction of this batch, or while it compares."""
    done = subprocess.run([sys.executable, "-c", _KILLED, source, target, str(batch)], check=False, timeout=60)
    assert done.returncode == -9


@EITHER_WAY
def test_a_move_that_is_killed_again_and_again_goes_on_where_it_was(places: Places, source: str, target: str) -> None:
    from_url, to_url = places.make(source), places.make(target)
    total = fill(from_url, 4_000)
    seen = []
    # Within the first batch, the third from there, and behind the last.
    for batch in (1, 3, 4, 99):
        _killed(from_url, to_url, batch)
        seen.append(size(to_url))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert 0 < seen[1] < seen[2] < total == seen[3]
    result = moved(from_url, to_url)
    assert sum(result.copied.values()) == 0
    assert _is_equal(result)
    assert content(to_url) == content(from_url)
    assert MARK not in tables_of(to_url)


@EITHER_WAY
def test_a_second_run_copies_only_what_the_first_one_did_not(places: Places, source: str, target: str) -> None:
    from_url, to_url = places.make(source), places.make(target)
    fill(from_url, 3_000)
    with pytest.raises(Stopped):
        moved(from_url, to_url, stop_at("copying", "events", 2_000))
    steps: list[Step] = []
    result = moved(from_url, to_url, steps.append)
    assert (result.copied["deliveries"], result.copied["events"]) == (0, 1_000)
    begun = {step.table: step.done for step in reversed(steps) if step.doing == "copying"}
    assert (begun["deliveries"], begun["events"], begun["decisions"]) == (3_000, 2_000, 0)
    assert _is_equal(result)


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
async def test_a_daemon_refuses_an_unfinished_store_and_leaves_it_as_it_is(
    places: Places, target: str, clock: ManualClock
) -> None:
    from_url, to_url = places.make("sqlite"), places.make(target)
    fill(from_url, 10)
    with pytest.raises(Stopped):
        moved(from_url, to_url, stop_at("comparing", "events"))
    for read_only in (False, True):
        with pytest.raises(StoreUnusable) as caught:
            await Store(to_url, clock=clock).open(read_only=read_only)
        assert "unfinished: it is being filled from" in str(caught.value)
        assert str(path_of(from_url)) in str(caught.value)
        assert "start `memonotify migrate-store`" in str(caught.value)
    assert MARK in tables_of(to_url)
    moved(from_url, to_url)
    async with Store(to_url, clock=clock) as store:
        assert len(await store.events()) == 10


def test_a_run_that_another_one_has_replaced_ends_with_a_sentence(places: Places) -> None:
    from_url, to_url = places.make("postgresql"), places.make("postgresql")
    fill(from_url, 10)
    is_first = True

    def begin_another(step: Step) -> None:
        nonlocal is_first
        if is_first and step.table == "events":
            is_first = False
            assert _is_equal(moved(from_url, to_url))

    with pytest.raises(StoreInUse, match="another `memonotify migrate-store` fills it"):
        moved(from_url, to_url, begin_another)
    assert content(to_url) == content(from_url)
    assert MARK not in tables_of(to_url)


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_connection_that_is_lost_ends_a_run_and_the_next_one_goes_on(
    places: Places, source: str, target: str
) -> None:
    from_url, to_url = places.make(source), places.make(target)
    fill(from_url, 5_000)

    def cut(step: Step) -> None:
        if (step.doing, step.table, step.done) == ("copying", "events", 2_000):
            run(
                to_url if target == "postgresql" else from_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )

    with pytest.raises(StoreUnavailable, match=r"postgresql://127\.0\.0\.1/\w+: .*cannot be used now"):
        moved(from_url, to_url, cut)
    result = moved(from_url, to_url)
    assert _is_equal(result)
    assert (result.copied["deliveries"], result.copied["events"]) == (0, 3_000)


# What differs is found


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("tampering", "table", "difference"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 17", "events", "seq=17 differs in body"),
        ("UPDATE attempts SET ok = (1 = 0) WHERE number = 1", "attempts", "differs in ok"),
        (f"DELETE FROM deliveries WHERE id = '{an_id(9)}'", "deliveries", f"id={an_id(9)} is missing in TO"),
        ("DELETE FROM events WHERE seq = 20", "events", "seq=20 is missing in TO"),
        ("INSERT INTO decisions VALUES (4, 1, 'x', '', '')", "decisions", "event_seq=4, position=1 is in TO only"),
        ("UPDATE policy_states SET key = 'A' WHERE key = 'a-1'", "policy_states", "key=A is in TO only"),
    ],
)
def test_the_first_row_that_differs_is_named(
    places: Places, target: str, tampering: str, table: str, difference: str
) -> None:
    from_url, to_url = places.make("sqlite"), places.make(target)
    fill(from_url, 20)
    moved(from_url, to_url)
    run(to_url, "DELETE FROM attempts" if table == "deliveries" else "SELECT 1")
    run(to_url, tampering)
    found = {one.table: one for one in compare(from_url, to_url, report=lambda _step: None)}
    assert difference in found[table].difference
    assert found[table].source.digest != found[table].target.digest
    assert found[table].source.rows - found[table].target.rows == (
        tampering.startswith("DELETE") - tampering.startswith("INSERT")
    )
    assert found["failures"].is_equal


@EITHER_WAY
def test_a_target_that_differs_stays_unfinished(places: Places, source: str, target: str) -> None:
    from_url, to_url = places.make(source), places.make(target)
    fill(from_url, 20)
    with pytest.raises(Stopped):
        moved(from_url, to_url, stop_at("copying", "decisions"))
    run(to_url, "UPDATE events SET client = 'somebody' WHERE seq = 3")
    before = {table.table: table.difference for table in compare(from_url, to_url, report=lambda _step: None)}
    assert (before["events"], before["decisions"]) == (
        "seq=3 differs in client",
        "event_seq=1, position=0 is missing in TO",
    )
    result = moved(from_url, to_url)
    assert [table.difference for table in result.tables if not table.is_equal] == ["seq=3 differs in client"]
    assert MARK in tables_of(to_url)
    run(to_url, "UPDATE events SET client = '35.181.64.230' WHERE seq = 3")
    assert _is_equal(moved(from_url, to_url))
    assert MARK not in tables_of(to_url)


# What is refused


def _node(url: str, name: str, *, until: str) -> None:
    values = f"'{name}', '{name}', '1', 'all', '', 0, 0, {until}"
    run(
        url,
        f"INSERT INTO nodes (lease, name, version, role, rules, started_at, seen_at, lease_until) VALUES ({values})",
    )


_LIVING = "extract(epoch from now()) * 1000000 + 20000000"


async def test_a_store_in_use_is_refused_on_either_side(places: Places, clock: ManualClock) -> None:
    one, other, third = places.make("sqlite"), places.make("sqlite"), places.make("sqlite")
    fill(one, 1)
    async with Store(other, clock=clock):
        for source, target in ((one, other), (other, third)):
            with pytest.raises(StoreInUse, match=rf"{path_of(other)} is in use by process {os.getpid()}: stop"):
                moved(source, target)
    assert not path_of(third).exists()


@pytest.mark.parametrize("is_target", [False, True])
def test_a_store_with_a_living_node_is_refused_on_either_side(places: Places, is_target: bool) -> None:
    from_url, to_url = places.make("postgresql"), places.make("postgresql")
    fill(from_url, 1)
    fill(to_url, 0)
    used = to_url if is_target else from_url
    _node(used, "anna", until=_LIVING)
    _node(used, "bert", until="0")
    with pytest.raises(StoreInUse, match="is in use by anna: stop every daemon on it first"):
        moved(from_url, to_url)
    assert MARK not in tables_of(to_url)


def test_a_node_that_begins_to_work_meanwhile_is_noticed(places: Places) -> None:
    from_url, to_url = places.make("postgresql"), places.make("sqlite")
    fill(from_url, 1)

    def begin(step: Step) -> None:
        if (step.doing, step.table, step.done) == ("comparing", "events", 0):
            _node(from_url, "anna", until=_LIVING)

    with pytest.raises(StoreInUse, match="in use by anna"):
        moved(from_url, to_url, begin)
    assert MARK in tables_of(to_url)


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_target_that_holds_something_is_refused_and_left_alone(places: Places, target: str) -> None:
    from_url, to_url = places.make("sqlite"), places.make(target)
    fill(from_url, 3)
    with writing(to_url) as connection:
        bulk.put(connection, metadata.tables["policy_states"], [("acme", "low", "fire", "k", "true", 0, None)])
    before = content(to_url)
    with pytest.raises(StoreUnusable, match=r"not empty, there are policy_states; take an empty store, or compare"):
        moved(from_url, to_url)
    assert content(to_url) == before
    assert MARK not in tables_of(to_url)


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_target_that_another_source_fills_is_refused(places: Places, target: str) -> None:
    from_url, other, to_url = places.make("sqlite"), places.make("sqlite"), places.make(target)
    fill(from_url, 3)
    fill(other, 3)
    with pytest.raises(Stopped):
        moved(from_url, to_url, stop_at("copying", "events"))
    with pytest.raises(StoreUnusable, match=rf"being filled from {path_of(from_url)}, not from {path_of(other)}"):
        moved(other, to_url)
    with pytest.raises(StoreUnusable, match=r"unfinished: it is being filled from"):
        moved(to_url, places.make("sqlite"))
    assert _is_equal(moved(from_url, to_url))


def test_one_store_under_two_names_is_refused(places: Places, tmp_path: Path) -> None:
    url = places.make("sqlite")
    fill(url, 1)
    (tmp_path / "link.db").symlink_to(path_of(url))
    (tmp_path / "hard.db").hardlink_to(path_of(url))
    for name in (url, f"sqlite:///{tmp_path}/link.db", f"sqlite:///{tmp_path}/hard.db"):
        for act in (moved, lambda source, target: compare(source, target, report=lambda _step: None)):
            with pytest.raises(StoreUnusable, match="are one and the same store; name two"):
                act(url, name)


def test_one_database_under_two_names_is_refused(places: Places) -> None:
    url = places.make("postgresql")
    other = f"{url}?application_name=other"
    with writing(url):
        pass
    for act in (moved, lambda source, target: compare(source, target, report=lambda _step: None)):
        with pytest.raises(StoreUnusable, match="are one and the same store; name two"):
            act(url, other)
    assert MARK not in tables_of(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("version", "sentence"), [("", "start `memonotify serve` once"), ("9000", "newer memonotify")])
def test_a_source_of_another_version_is_refused(places: Places, kind: str, version: str, sentence: str) -> None:
    from_url, to_url = places.make(kind), places.make("sqlite")
    fill(from_url, 1)
    run(from_url, f"UPDATE alembic_version SET version_num = '{version}'")
    with pytest.raises(StoreUnusable, match=sentence):
        moved(from_url, to_url)
    assert not path_of(to_url).exists()


def test_a_target_of_another_version_is_refused_and_not_migrated(places: Places) -> None:
    from_url, to_url = places.make("sqlite"), places.make("postgresql")
    fill(from_url, 1)
    fill(to_url, 0)
    run(to_url, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StoreUnusable, match="there is a store of an older version; take an empty one"):
        moved(from_url, to_url)
    assert rows_of(to_url, "alembic_version") == [("0000",)]


def test_a_source_that_is_not_there_is_refused_and_not_made(places: Places) -> None:
    from_url, to_url = places.make("sqlite"), places.make("sqlite")
    with pytest.raises(StoreUnusable, match="there is no store yet"):
        moved(from_url, to_url)
    with pytest.raises(StoreUnusable, match="the store is empty"):
        moved(places.make("postgresql"), to_url)
    fill(from_url, 1)
    with pytest.raises(StoreUnusable, match="there is no store yet"):
        compare(from_url, to_url, report=lambda _step: None)
    assert not path_of(to_url).exists()


def test_a_database_of_another_program_is_refused_and_left_alone(places: Places) -> None:
    from_url, to_url = places.make("sqlite"), places.make("postgresql")
    fill(from_url, 1)
    run(to_url, "CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(StoreUnusable, match="another program"):
        moved(from_url, to_url)
    assert tables_of(to_url) == {"recipes"}


def test_a_row_that_postgresql_cannot_keep_is_named(places: Places) -> None:
    from_url, to_url = places.make("sqlite"), places.make("postgresql")
    fill(from_url, 3)
    run(from_url, "UPDATE events SET client = 'a' || char(0) || 'b' WHERE seq = 2")
    with pytest.raises(StoreUnusable, match=r"events: the row seq=2 holds the character U\+0000"):
        moved(from_url, to_url)
    run(from_url, "UPDATE events SET client = 'b' WHERE seq = 2")
    assert _is_equal(moved(from_url, to_url))


def test_a_row_that_a_database_refuses_is_told_with_its_table_and_keys(places: Places) -> None:
    from_url, to_url = places.make("sqlite"), places.make("postgresql")
    fill(from_url, 3)
    run(from_url, "UPDATE events SET attempts = 3000000000 WHERE seq = 2")
    with pytest.raises(StoreError, match=r"events from seq=1 to seq=3: the store refused an operation: .*does not fit"):
        moved(from_url, to_url)
