"""SQLite's plans: whatever runs while the daemon works finds its rows through an index, however long the history is."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from fakes import ManualClock
from storeparts import (
    START,
    a_delivery,
    a_failure,
    a_silence,
    a_span,
    an_entry,
    buried,
    claimed,
    evaluated,
    settled,
    statements,
    stored,
    work_on_holds,
    written,
)

from memonotify.errors import Reason
from memonotify.holding import Policy, StateChange
from memonotify.model import DeliveryState, Document, Evaluation, EventState, FailureKind
from memonotify.past import Selection
from memonotify.store import Store
from memonotify.store.cells import micros
from memonotify.windowing import Measure

# "SCAN events" reads a whole table; "SCAN events USING INDEX ix_events_open" only what a partial index holds.
_WHOLE = re.compile(
    r"^SCAN (?!m |marked |due$)\w+( USING (COVERING )?INDEX (?!ix_events_open|ix_deliveries_sending)\w+)?$"
)


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


async def _work(store: Store, clock: ManualClock) -> None:
    later = START + timedelta(days=100)
    change = StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key="k", old=None, new="true")
    failure = a_failure(FailureKind.DECISION_FAILED, reason=Reason.TEMPLATE)
    await store.unevaluated()
    await store.next_event_due()
    document = Document(path="/v2/x", fetched_at=START, content=b"%PDF-")
    await store.record(
        evaluated(await stored(store), a_delivery(), changes=[change], failures=(failure,), documents=(document,))
    )
    await store.document("acme", "e1", "/v2/x")
    await store.record(Evaluation(event=await stored(store, "e2"), evaluated_at=START))
    await store.postpone(await stored(store, "e3"), later)
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
    await store.past(Selection(since=START), after=0, last=9, limit=5, with_decisions=True)
    await store.past(Selection(event_ids=("e1",), workspace="acme"), after=0, last=9, limit=5)
    await store.replay(await stored(store), [a_delivery(entry=1)], [document])
    await store.events(state=EventState.RECEIVED)
    await store.events(rule="big")
    await work_on_holds(store)
    await store.void_claims()
    await store.release_documents()
    await store.purge(before=later)
    await store.purge(before=later)
    await store.check_writable()


async def test_no_statement_of_the_daemons_work_reads_a_whole_table(store: Store, clock: ManualClock) -> None:
    with statements() as seen:
        await _work(store, clock)
    assert len(seen) > 30
    with closing(sqlite3.connect(store.name)) as connection:
        plans = {
            statement: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement, values in seen.items()
        }
    whole = {statement: plan for statement, plan in plans.items() if any(_WHOLE.match(step) for step in plan)}
    assert whole == {}


async def test_statements_over_open_work_use_the_partial_indexes(store: Store, clock: ManualClock) -> None:
    with statements() as seen:
        await written(store, a_delivery())
        await store.settle(settled(await claimed(store), DeliveryState.SENT))
        await buried(store, a_delivery("e2"))
        await store.retry(dead=True)
        await store.next_due("mail")
        await store.unevaluated()
    with closing(sqlite3.connect(store.name)) as connection:
        text = "\n".join(
            str(row[3])
            for statement, values in seen.items()
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        )
    for name in ("ix_deliveries_pending", "ix_deliveries_sending", "ix_deliveries_dead", "ix_events_open"):
        assert f"INDEX {name}" in text


_OUTSIDE = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
INSERT INTO window_entries (window_id, workspace, resource_type, resource_id, key, at, event_seq, amount, currency)
SELECT 'w', 'acme', 'transaction', 'old' || n, 'k', :old + n, n, 100, 'EUR' FROM numbers
"""


def _steps(connection: sqlite3.Connection, statement: str, values: object) -> int:
    """Return how many instructions of its machine SQLite takes for a statement."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    # Prepared before: that reads the schema, whose cost is another.
    connection.execute(statement, values).fetchall()
    connection.set_progress_handler(step, 1)
    connection.execute(statement, values).fetchall()
    connection.set_progress_handler(None, 1)
    return count


async def test_a_window_costs_the_same_with_a_long_history_outside_it(store: Store) -> None:
    await store.fill_windows([an_entry(resource_id=f"r{number}") for number in range(10)])
    with statements() as seen:
        for measure in Measure:
            await store.window_figures(a_span(measure))
    assert len(seen) == 3
    with closing(sqlite3.connect(store.name)) as connection:
        before = [_steps(connection, statement, values) for statement, values in seen.items()]
        connection.execute(_OUTSIDE, {"old": micros(START - timedelta(days=30))})
        connection.commit()
        after = [_steps(connection, statement, values) for statement, values in seen.items()]
    assert after == before


def test_a_plan_that_reads_a_whole_table_is_seen() -> None:
    assert _WHOLE.match("SCAN deliveries")
    assert _WHOLE.match("SCAN deliveries USING INDEX ix_deliveries_created_at")
    assert not _WHOLE.match("SCAN events USING INDEX ix_events_open")
    assert not _WHOLE.match("SEARCH deliveries USING INDEX ix_deliveries_event (event_id=?)")
