"""Faults of PostgreSQL's own: its error codes, connections that are cut, transactions that meet another node's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import psycopg
import pytest
from databases import execute, server_error
from fakes import Faults
from sqlalchemy import Connection
from storeparts import a_delivery, an_event, evaluated, stored, until_locks_are_waited_for

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.holding import Policy, StateChange
from memonotify.metrics import Metrics
from memonotify.model import Decision, Evaluation, Outcome, Recorded
from memonotify.store import Store
from memonotify.store.writer import _CONFLICT_TRIES


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


async def run_in_writer(store: Store, statement: str) -> None:
    """Run a statement on the writing connection, as an operation of its own."""

    def lane(connection: Connection, statements: Sequence[str]) -> list[None]:
        return [connection.exec_driver_sql(text).close() for text in statements]

    await store._write(lane, statement)


PASSING = {
    "08006": "the connection failed",
    "25006": "the server takes no writes",
    "25P03": "a transaction was idle for too long",
    "25P04": "a transaction was open for too long",
    "53100": "its disk is full",
    "53200": "it has no memory",
    "53300": "it has too many connections",
    "57014": "the statement took too long",
    "57P01": "an administrator ends it",
    "57P02": "it crashed",
    "57P03": "it starts",
    "58030": "its disk fails",
    "XX000": "it has a fault of its own",
}


@pytest.mark.parametrize("state", PASSING)
async def test_failures_of_the_server_pass(store: Store, store_url: str, faults: Faults, state: str) -> None:
    faults.queued.append(server_error(store_url, state, PASSING[state]))
    with pytest.raises(StoreUnavailable) as caught:
        await store.receive(an_event())
    assert str(caught.value) == f"the store cannot be used now: {PASSING[state]} ({state})"
    assert await store.receive(an_event()) is not None


@pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.InterfaceError])
async def test_a_connection_that_breaks_has_no_code_and_passes(
    store: Store, faults: Faults, error: type[Exception]
) -> None:
    faults.queued.append(error("server closed the connection unexpectedly\n\tThis probably means something"))
    with pytest.raises(StoreUnavailable) as caught:
        await store.receive(an_event())
    assert str(caught.value) == "the store cannot be used now: server closed the connection unexpectedly"
    assert await store.receive(an_event()) is not None


async def test_what_the_user_may_not_do_somebody_has_to_repair(store: Store, store_url: str, faults: Faults) -> None:
    faults.queued.append(server_error(store_url, "42501", "permission denied for table events"))
    with pytest.raises(StoreUnusable, match=r"does not let this user do that: permission denied for table events"):
        await store.receive(an_event())


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
async def test_what_met_another_nodes_transaction_is_begun_anew_and_nobody_notices(
    store: Store, store_url: str, faults: Faults, metrics: Metrics, state: str
) -> None:
    faults.queued.extend([server_error(store_url, state)] * (_CONFLICT_TRIES - 1))
    answers = await asyncio.gather(store.receive(an_event("e1")), store.add_delivery(a_delivery()))
    assert answers[0] is not None
    assert len(await store.deliveries()) == 1
    assert metrics.registry.get_sample_value("memonotify_store_errors_total") == _CONFLICT_TRIES - 1


async def test_what_always_meets_another_nodes_transaction_passes(store: Store, store_url: str, faults: Faults) -> None:
    faults.queued.extend([server_error(store_url, "40001")] * _CONFLICT_TRIES)
    with pytest.raises(StoreUnavailable):
        await store.receive(an_event())
    assert await store.receive(an_event()) is not None


_NEW_ANSWER = (
    "INSERT INTO policy_states (workspace, rule, policy, key, value, changed_at) "
    "VALUES ('acme', %s, 'fire', 'k', 'true', 0) "
    "ON CONFLICT DO NOTHING"
)


async def test_a_deadlock_with_another_node_is_begun_anew_and_nobody_notices(
    store: Store, store_url: str, metrics: Metrics
) -> None:
    event = await stored(store)
    changes = [
        StateChange(workspace="acme", rule=rule, policy=Policy.FIRE, key="k", old=None, new="true")
        for rule in ("first", "second")
    ]
    evaluation = Evaluation(
        event=event,
        evaluated_at=event.received_at,
        decisions=tuple(Decision(rule=change.rule, outcome=Outcome.MATCHED, changes=(change,)) for change in changes),
    )
    with psycopg.connect(store_url) as another:
        # It finds the deadlock later, so that it is not the one which gives in.
        another.execute("SET LOCAL deadlock_timeout = '60s'")
        another.execute(_NEW_ANSWER, ("second",))
        recording = asyncio.ensure_future(store.record(evaluation))
        await until_locks_are_waited_for(store_url)
        await asyncio.to_thread(another.execute, _NEW_ANSWER, ("first",))
        another.rollback()
    assert await recording is Recorded.WRITTEN
    assert await store.policy_state("acme", "second", Policy.FIRE, "k") == "true"
    assert (metrics.registry.get_sample_value("memonotify_store_errors_total") or 0) >= 1


_CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_a_connection_that_is_cut_before_the_commit_leaves_nothing_and_is_made_anew(
    store: Store, store_url: str, faults: Faults
) -> None:
    event = await stored(store)
    faults.on_commit = lambda: execute(store_url, _CUT) and None
    with pytest.raises(StoreUnavailable, match="terminating connection due to administrator command|closed"):
        await store.record(evaluated(event, a_delivery()))
    with pytest.raises(StoreUnavailable):
        await asyncio.gather(*(store.receive(an_event(f"n{n}")) for n in range(5)))
    faults.on_commit = None
    assert [found.id for found in await store.events()] == ["e1"]
    assert await store.deliveries() == []
    assert await store.record(evaluated(event, a_delivery())) is Recorded.WRITTEN
    assert await store.receive(an_event("n0")) is not None


async def test_a_server_that_ends_idle_transactions_is_one_that_is_away_for_a_moment(
    store: Store, store_url: str, faults: Faults
) -> None:
    name = store_url.rpartition("/")[2]
    idle = f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}' AND state = 'idle in transaction'"

    def wait_until_it_is_ended() -> None:
        while execute(store_url, idle):
            pass

    execute(store_url, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '50ms'", _CUT)
    try:
        with pytest.raises(StoreUnavailable):
            await store.check_writable()
        faults.on_commit = wait_until_it_is_ended
        with pytest.raises(StoreUnavailable):
            await store.add_delivery(a_delivery())
        faults.on_commit = None
    finally:
        execute(store_url, f"ALTER DATABASE {name} RESET idle_in_transaction_session_timeout", _CUT)
    with suppress(StoreUnavailable):
        await store.check_writable()
    await store.add_delivery(a_delivery())
    assert len(await store.deliveries()) == 1


async def test_idle_connections_that_were_cut_are_made_anew(store: Store, store_url: str) -> None:
    await asyncio.gather(*(store.events() for _ in range(9)))
    execute(store_url, _CUT)
    # A reader looks before it asks; a writer learns it from the first that it writes.
    assert await asyncio.gather(*(store.events() for _ in range(9))) == [[]] * 9
    with pytest.raises(StoreUnavailable):
        await store.receive(an_event())
    assert await store.receive(an_event()) is not None


async def test_a_server_that_repeats_a_value_in_its_error_is_not_repeated(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        await run_in_writer(store, "SELECT 'FR7617338000010109143651430'::bigint")
    assert str(caught.value) == "the store refused an operation: a value does not fit (22P02)"
    with pytest.raises(StoreError) as caught:
        await run_in_writer(store, "SELECT * FROM nothing")
    assert str(caught.value) == 'the store refused an operation: relation "nothing" does not exist (42P01)'


async def test_an_event_that_no_text_column_takes_does_not_fail_its_neighbours(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.receive(an_event(name)) for name in ("e1", "e\0", "e2")), return_exceptions=True
    )
    assert isinstance(answers[1], StoreError)
    assert not isinstance(answers[1], StoreUnavailable)
    assert isinstance(answers[0], int)
    assert isinstance(answers[2], int)
