"""PostgreSQL's plans on a long history: whatever runs while the daemon works finds its rows through an index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from databases import Postgres, database, execute
from fakes import ManualClock
from storeparts import (
    START,
    a_delivery,
    a_failure,
    a_silence,
    a_span,
    an_entry,
    an_event,
    claimed,
    evaluated,
    settled,
    statements,
    stored,
    work_on_holds,
)

from memonotify.errors import Reason
from memonotify.holding import Policy, StateChange
from memonotify.model import DeliveryState, EventState, FailureKind, Node
from memonotify.store import Store, postgres
from memonotify.store.backend import backend_for
from memonotify.store.cells import micros
from memonotify.store.schema import prepare
from memonotify.windowing import Measure

ROWS = 20_000
LATER = START + timedelta(days=100)
FAR = START + timedelta(days=1000)
TEXT = "jsonb_build_object('text', repeat('x', 700))::text"
# Rows as long as they are in life: short ones a database reads whole with good reason. Every thousandth event has an
# untold failure. Nothing waits: what does comes with the work.
HISTORY = f"""
INSERT INTO events (workspace, event_id, date, event_type, resource_type, resource_id, body, client, received_at,
    due_at, evaluated_at, lease)
SELECT 'acme', 'old' || n, '', 'transaction_confirmed', 'transaction', 'r', {TEXT}, '', {micros(START)} + n,
    NULL, {micros(START)} + n, 'gone' FROM generate_series(1, {ROWS}) n;
INSERT INTO decisions (event_seq, position, rule, outcome, detail)
SELECT seq, 0, 'rule' || seq % 50, 'matched', '' FROM events;
INSERT INTO snapshots (event_seq, path, position, fetched_at, status, body)
SELECT seq, '/v2/x', 0, 0, 200, {TEXT} FROM events;
INSERT INTO deliveries (id, identity, workspace, event_id, rule, channel, branch, entry, payload, state, attempts,
    created_at, due_at, settled_at)
SELECT 'd' || n, 'd' || n, 'acme', 'old' || n, 'rule' || n % 50, CASE n % 2 WHEN 0 THEN 'mail' ELSE 'slack' END,
    'notify', 0, {TEXT}, CASE n % 20 WHEN 0 THEN 'dead' ELSE 'sent' END, 1, {micros(START)} + n, {micros(START)} + n,
    {micros(START)} + n FROM generate_series(1, {ROWS}) n;
INSERT INTO attempts (delivery_id, number, started_at, ended_at, ok, detail)
SELECT id, 1, 0, 0, true, '' FROM deliveries;
INSERT INTO failures (kind, workspace, event_id, rule, channel, reason, detail, at, delivery_id, told_at)
SELECT 'dead_letter', 'acme', 'old' || n, 'rule' || n % 50, 'mail', 'timeout', '', {micros(START)} + n, 'd' || n,
    CASE n % 1000 WHEN 0 THEN NULL ELSE {micros(START)} + n END FROM generate_series(1, {ROWS}) n;
INSERT INTO window_entries (window_id, workspace, resource_type, resource_id, key, at, event_seq, amount, currency)
SELECT 'w', 'acme', 'transaction', 'r' || n, 'k', {micros(START) - 30 * 86_400_000_000} + n, n, 100, 'EUR'
FROM generate_series(1, 5 * {ROWS}) n;
INSERT INTO policy_states (workspace, rule, policy, key, value, changed_at)
SELECT 'acme', 'rule' || n % 50, 'fire', 'k' || n, 'true', 0 FROM generate_series(1, {ROWS}) n;
INSERT INTO gatherings (workspace, rule, branch, entry, channel, policy, key, opened_at, due_at, size)
SELECT 'acme', 'rule' || n % 50, 'notify', 0, 'mail', 'group', 'k' || n, {micros(START)}, {micros(FAR)} + n, 1
FROM generate_series(1, {ROWS}) n;
INSERT INTO holds (delivery_id, workspace, rule, policy, key, keys, gathering, due_at)
SELECT 'd' || n, 'acme', 'rule' || n % 50, 'once', 'k' || n, {TEXT}, CASE n % 2 WHEN 0 THEN n END, {micros(FAR)} + n
FROM generate_series(1, {ROWS}) n;
"""
OPEN = ("pending", "sending", "dead")
BIG = {
    "events", "decisions", "snapshots", "deliveries", "attempts", "failures", "policy_states", "holds", "gatherings",
    "window_entries",
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(postgres_server: Postgres) -> Iterator[str]:
    """A database with a long history that has been looked at, as autovacuum does."""
    with database(postgres_server) as url:
        with backend_for(url).writing_engine().connect() as connection:
            prepare(connection, "here")
        execute(url, HISTORY, "ANALYZE")
        yield url


@pytest.fixture
def store_url(filled: str) -> str:
    return filled


def _whole(plan: dict[str, Any]) -> Iterator[str]:
    """Yield what a plan reads from its first page to its last."""
    kind, table = plan["Node Type"], plan.get("Relation Name")
    if table in BIG and (kind == "Seq Scan" or (kind.startswith("Index") and not _is_bounded(plan))):
        yield f"{kind} of {table} by {plan.get('Index Name')}"
    for part in plan.get("Plans", ()):
        yield from _whole(part)


def _is_bounded(plan: dict[str, Any]) -> bool:
    # Without a condition only what is short may be read: an index of what is open.
    return "Index Cond" in plan or plan["Index Name"] in {"ix_events_open", *(f"ix_deliveries_{of}" for of in OPEN)}


def _plan(url: str, statement: str, values: Any) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        (found,) = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", values).fetchone() or ()
    return dict((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


async def _work(store: Store, clock: ManualClock) -> None:
    node = Node(
        lease=store.lease,
        name="n1",
        version="1",
        role="all",
        rules="",
        started_at=START,
        seen_at=START,
        lease_until=START,
        leads=True,
        events=0,
    )
    await store.beat(node, lease_s=20, may_lead=True)
    change = StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key="k", old=None, new="true")
    failure = a_failure(FailureKind.DECISION_FAILED, reason=Reason.TEMPLATE)
    await store.record(evaluated(await stored(store), a_delivery(), changes=[change], failures=(failure,)))
    await store.receive(an_event("free"), keep=False)
    assert await store.adopt(100) == 1
    await store.unevaluated()
    await store.next_event_due()
    await store.postpone(await stored(store, "e3"), LATER)
    await store.resume()
    await store.hand_over(await stored(store, "e4"))
    await store.mark_evaluated([await stored(store, "e5")], START)
    await store.policy_state("acme", "big", Policy.FIRE, "k")
    await store.fill_windows([an_entry()], filled=["w"])
    for measure in Measure:
        await store.window_figures(a_span(measure))
    await store.drop_windows(["w"])
    await store.purge_windows(before=START + timedelta(days=1))
    delivery = await claimed(store)
    await store.renew(delivery, lease_s=30)
    await store.settle(settled(delivery, DeliveryState.DEAD, failures=(a_failure(),)))
    await store.next_due("mail")
    await store.retry([delivery.id])
    await store.release(await claimed(store))
    await store.discard([delivery.id])
    await store.told(await store.untold_failures(), ())
    await store.last_told_at()
    await store.event("acme", "e1")
    await store.event(None, "e1")
    await store.delivery(delivery.id)
    await store.attempts(delivery.id)
    await store.deliveries(event_id="e1", workspace="acme")
    await store.add_silence(a_silence())
    await store.active_silences(START)
    await store.silence("sil_a")
    await store.silences(active_at=START)
    await store.held_back(["sil_a", "sil_b"])
    await store.deliveries(silence="sil_a")
    await store.expire_silence("sil_a", START)
    await store.deliveries(rule="rule1", limit=10)
    await store.deliveries(state=DeliveryState.DEAD, limit=10)
    await store.events(state=EventState.RECEIVED)
    await store.events(rule="rule1", limit=10)
    await store.waiting(["mail", "slack"])
    await store.nodes()
    await store.bury_orphans(["mail", "slack"])
    await work_on_holds(store)
    await store.hasten()
    await store.leave()
    await store.check_writable()


def _wholes(url: str, seen: dict[str, Any]) -> dict[str, list[str]]:
    found = {statement: list(_whole(_plan(url, statement, values))) for statement, values in seen.items()}
    return {statement: whole for statement, whole in found.items() if whole}


async def test_no_statement_of_the_daemons_work_reads_a_whole_table(
    store: Store, clock: ManualClock, store_url: str
) -> None:
    with statements() as seen:
        await _work(store, clock)
    assert len(seen) > 40
    for part in ("WITH due AS", "WITH free AS", "min(events.due_at)", "min(deliveries.due_at)", "INSERT INTO attempts"):
        assert any(part in statement for statement in seen), part
    assert _wholes(store_url, seen) == {}


async def test_marking_many_events_finds_each_by_its_number(store_url: str) -> None:
    plan = _plan(store_url, postgres._MARK, ([1, 2, 3], [4, 4, 4], "lease"))
    assert list(_whole(plan)) == []
    assert "events" in json.dumps(plan)


async def test_a_window_reads_nothing_of_the_history_outside_it(store: Store, store_url: str) -> None:
    with statements() as seen:
        for measure in Measure:
            assert (await store.window_figures(a_span(measure))).count == 0
    for statement, values in seen.items():
        with psycopg.connect(store_url, autocommit=True, prepare_threshold=None) as connection:
            rows = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", values).fetchone()
        (found,) = rows or ()
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20, plan


async def test_retention_reads_no_more_than_what_it_removes(store: Store, store_url: str) -> None:
    with statements() as seen:
        assert await store.purge(before=LATER, limit=200) == 200
        # What is old and of no event: nothing, but it is looked for once all else is gone.
        assert await store.purge(before=START, limit=200) == 0
    assert any(statement.startswith("DELETE FROM events") for statement in seen)
    assert _wholes(store_url, seen) == {}


def test_a_plan_that_reads_a_whole_table_is_seen(store_url: str) -> None:
    assert list(_whole(_plan(store_url, "SELECT * FROM deliveries WHERE detail = %s", ("x",))))
    assert list(_whole(_plan(store_url, "SELECT id FROM deliveries ORDER BY id", ())))
    assert not list(_whole(_plan(store_url, "SELECT * FROM deliveries WHERE id = %s", ("x",))))
