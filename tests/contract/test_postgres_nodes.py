"""Several nodes on one database: whose an event is, who leads, and that nothing is done twice or lost between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from databases import execute
from fakes import ManualClock
from storeparts import (
    HOUR,
    START,
    a_delivery,
    a_failure,
    an_event,
    buried,
    claimed,
    evaluated,
    settled,
    stored,
    until_locks_are_waited_for,
    written,
)

from memonotify.holding import Policy, StateChange
from memonotify.model import Decision, DeliveryState, Evaluation, Event, Node, Outcome, Recorded
from memonotify.store import Store
from memonotify.store.nodes import Pulse

LEASE_S = 20.0


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
async def other(store: Store, store_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    """Another node on the same database."""
    async with Store(store_url, clock=clock) as opened:
        yield opened


async def beat(store: Store, name: str = "n", *, may_lead: bool = True) -> Pulse:
    node = Node(
        lease=store.lease,
        name=name,
        version="1",
        role="all",
        rules="abc",
        started_at=START,
        seen_at=START,
        lease_until=START,
        leads=False,
        events=0,
    )
    return await store.beat(node, lease_s=LEASE_S, may_lead=may_lead)


async def waiting(store: Store) -> list[str]:
    return [event.id for event in await store.unevaluated()]


# Events


async def test_an_event_that_one_node_has_taken_in_the_other_knows(store: Store, other: Store) -> None:
    assert await store.receive(an_event()) is not None
    assert await other.receive(an_event()) is None


async def test_of_events_that_come_to_both_nodes_at_once_each_gets_one_number(store: Store, other: Store) -> None:
    names = [f"e{n}" for n in range(200)]
    answers = await asyncio.gather(
        *(node.receive(an_event(name)) for name in names for node in (store, other)),
        # In the opposite order they would wait for each other.
        *(node.receive(an_event(name)) for name in reversed(names) for node in (other, store)),
    )
    numbers = [answer for answer in answers if answer is not None]
    assert sorted(numbers) == sorted(event.seq for event in await store.events(limit=1000))
    assert len(numbers) == len(names)


async def test_an_event_that_a_node_keeps_the_other_does_not_see(store: Store, other: Store) -> None:
    await beat(store)
    await store.receive(an_event("kept"))
    await store.receive(an_event("free"), keep=False)
    await beat(other)
    assert await other.adopt(10) == 1
    assert await waiting(store) == ["kept"]
    assert await waiting(other) == ["free"]
    assert await other.next_event_due() == START


async def test_what_a_node_kept_is_free_once_its_lease_is_over_and_somebody_beats(
    store: Store, other: Store, clock: ManualClock
) -> None:
    await beat(store)
    await beat(other)
    await store.receive(an_event())
    clock.advance(LEASE_S - 0.1)
    await beat(other)
    assert await other.adopt(10) == 0
    clock.advance(0.1)
    assert await beat(other) == Pulse(leads=True, nodes=1)
    assert await other.adopt(10) == 1
    assert await waiting(other) == ["e1"]
    assert await waiting(store) == []


async def test_an_event_that_was_adopted_the_first_node_has_lost_and_writes_nothing_of(
    store: Store, other: Store, clock: ManualClock
) -> None:
    await beat(store)
    event = await stored(store)
    clock.advance(LEASE_S)
    await beat(other)
    await other.adopt(10)
    change = StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key="k", old=None, new="true")
    whole = evaluated(event, a_delivery(), changes=[change], failures=(a_failure(),))
    assert await store.record(whole) is Recorded.LOST
    await store.mark_evaluated([event], START)
    await store.postpone(event, START + HOUR)
    await store.hand_over(event)
    assert await store.deliveries() == []
    assert await store.decisions(event) == []
    assert await store.untold_failures() == []
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") is None
    assert await waiting(other) == ["e1"]
    assert await other.record(whole) is Recorded.WRITTEN


async def test_a_node_that_comes_back_late_records_what_nobody_has_taken(
    store: Store, other: Store, clock: ManualClock
) -> None:
    await beat(store)
    event = await stored(store)
    clock.advance(LEASE_S)
    # Nobody has looked, so it is still this node's.
    assert await store.record(evaluated(event, a_delivery())) is Recorded.WRITTEN
    await beat(other)
    assert await other.adopt(10) == 0


async def test_an_event_of_a_node_that_nobody_knows_is_free(store: Store, other: Store) -> None:
    # It left, and its listener still had a request under way; or it died before its first beat.
    await beat(store)
    await store.leave()
    await store.receive(an_event())
    await beat(other)
    assert await other.adopt(10) == 1


async def test_a_node_that_leaves_gives_back_at_once(store: Store, other: Store) -> None:
    assert (await beat(store)).leads
    await beat(other)
    await stored(store)
    await store.leave()
    assert not store.leads
    assert await other.adopt(10) == 1
    assert await beat(other) == Pulse(leads=True, nodes=1)


async def test_events_that_are_adopted_at_once_go_to_one_node_each(store: Store, other: Store) -> None:
    await asyncio.gather(*(store.receive(an_event(f"e{n}"), keep=False) for n in range(100)))
    counts = await asyncio.gather(*(node.adopt(10) for _ in range(5) for node in (store, other)))
    assert max(counts) == 10
    held = [event.id for node in (store, other) for event in await node.unevaluated()]
    assert sum(counts) == len(held) == len(set(held))
    while await store.adopt(10) + await other.adopt(10):
        pass
    assert len(await store.unevaluated()) + len(await other.unevaluated()) == 100


async def test_an_event_is_adopted_when_it_is_due_and_in_order_of_arrival(
    store: Store, other: Store, clock: ManualClock
) -> None:
    for name in ("e1", "e2", "e3"):
        await store.receive(an_event(name))
    first = (await store.unevaluated())[0]
    await store.postpone(first, START + HOUR)
    await store.leave()
    assert await other.adopt(1) == 1
    assert await waiting(other) == ["e2"]
    assert await other.adopt(10) == 1
    clock.advance(3600)
    assert await other.adopt(10) == 1
    assert await waiting(other) == ["e1", "e2", "e3"]


# Who leads


async def test_one_node_leads_and_keeps_the_lead_while_it_beats(store: Store, other: Store, clock: ManualClock) -> None:
    assert (await beat(store)).leads
    for _ in range(5):
        assert await beat(other) == Pulse(leads=False, nodes=2)
        clock.advance(LEASE_S / 2)
        assert (await beat(store)).leads
        assert (store.leads, other.leads) == (True, False)


async def test_of_nodes_that_begin_at_once_one_leads(store: Store, other: Store) -> None:
    pulses = await asyncio.gather(*(beat(node) for _ in range(10) for node in (store, other)))
    assert {pulse.leads for pulse in pulses[::2]} == {store.leads}
    assert {pulse.leads for pulse in pulses[1::2]} == {other.leads}
    assert store.leads is not other.leads


async def test_the_lead_passes_on_when_its_time_is_over_and_not_before(
    store: Store, other: Store, clock: ManualClock
) -> None:
    await beat(store)
    clock.advance(LEASE_S - 0.1)
    assert store.leads
    assert not (await beat(other)).leads
    clock.advance(0.1)
    # Nobody told it so: the time that it was given is over.
    assert not store.leads
    assert (await beat(other)).leads
    assert not (await beat(store)).leads
    assert not store.leads


async def test_a_node_that_may_not_lead_does_not(store: Store, other: Store) -> None:
    assert not (await beat(store, may_lead=False)).leads
    assert not store.leads
    assert (await beat(other)).leads


async def test_what_is_in_order_only_the_one_that_leads_takes(store: Store, other: Store) -> None:
    await beat(store)
    await beat(other)
    for name, in_order in (("e1", True), ("e2", False), ("e3", True)):
        await other.receive(an_event(name), keep=False, in_order=in_order)
    assert await other.adopt(10) == 1
    assert await waiting(other) == ["e2"]
    assert await store.adopt(10) == 2
    assert await waiting(store) == ["e1", "e3"]


async def test_an_event_that_is_handed_over_is_the_leads(store: Store, other: Store) -> None:
    await beat(store)
    await beat(other)
    await other.hand_over(await stored(other))
    assert await waiting(other) == []
    assert await other.adopt(10) == 0
    assert await store.adopt(10) == 1
    assert await waiting(store) == ["e1"]


async def test_who_begins_to_lead_resumes_what_is_in_order_alone(store: Store, other: Store) -> None:
    await beat(store)
    for name, in_order in (("e1", True), ("e2", False)):
        await store.receive(an_event(name), in_order=in_order)
    for event in await store.unevaluated():
        await store.postpone(event, START + HOUR)
    await store.leave()
    await beat(other)
    assert await other.resume() == 1
    assert await other.adopt(10) == 1
    assert await waiting(other) == ["e1"]


async def test_the_nodes_are_listed_with_what_they_hold(store: Store, other: Store, clock: ManualClock) -> None:
    await beat(store, "first")
    clock.advance(1)
    await beat(other, "second")
    await stored(store)
    clock.advance(LEASE_S - 1)
    listed = await store.nodes()
    assert [(node.name, node.leads, node.events) for node in listed] == [("second", False, 0), ("first", True, 1)]
    assert [node.lease_until for node in listed] == [clock.now() + timedelta(seconds=1), clock.now()]
    clock.advance(86_400)
    assert (await beat(other)).nodes == 1
    assert [node.name for node in await store.nodes()] == ["second"]


async def test_the_time_is_the_databases(store: Store, store_url: str) -> None:
    asking = "SELECT clock_timestamp()"
    before, now, after = execute(store_url, asking)[0][0], await store.moment(), execute(store_url, asking)[0][0]
    assert before <= now <= after
    assert now.utcoffset() == timedelta(0)


# Deliveries


async def test_nodes_that_claim_at_once_get_different_deliveries(store: Store, other: Store) -> None:
    await written(store, *(a_delivery(entry=n) for n in range(200)))
    claims = await asyncio.gather(
        *(node.claim("mail", limit=7, lease_s=30) for _ in range(10) for node in (store, other))
    )
    assert max(len(claim) for claim in claims) == 7
    while len(claims[-1]):
        claims.append(await store.claim("mail", limit=50, lease_s=30))
    ids = [delivery.id for claim in claims for delivery in claim]
    assert len(ids) == len(set(ids)) == 200
    assert {delivery.attempts for claim in claims for delivery in claim} == {1}


_NESTED = ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize")


async def test_no_more_is_taken_than_was_asked_for_whatever_the_plan(store_url: str, clock: ManualClock) -> None:
    name = store_url.rpartition("/")[2]
    # What is left is a plan that reads what is due anew for each row.
    execute(store_url, *(f"ALTER DATABASE {name} SET enable_{way} = off" for way in _NESTED))
    try:
        async with Store(store_url, clock=clock) as store:
            await written(store, *(a_delivery(entry=n) for n in range(30)))
            assert len(await store.claim("mail", limit=7, lease_s=30)) == 7
            await asyncio.gather(*(store.receive(an_event(f"f{n}"), keep=False) for n in range(30)))
            assert await store.adopt(7) == 7
    finally:
        execute(store_url, *(f"ALTER DATABASE {name} RESET enable_{way}" for way in _NESTED))


async def test_who_lost_a_claim_to_another_node_settles_nothing(store: Store, other: Store, clock: ManualClock) -> None:
    await written(store, a_delivery())
    stale = await claimed(store)
    clock.advance(30)
    fresh = await claimed(other)
    assert fresh.attempts == 2
    late = settled(stale, DeliveryState.DEAD, parts=(a_delivery(entry=9),), failures=(a_failure(),))
    assert not await store.settle(late)
    assert not await store.renew(stale, lease_s=30)
    assert not await store.release(stale)
    assert await store.untold_failures() == []
    assert len(await store.deliveries()) == 1
    assert await other.settle(settled(fresh, DeliveryState.SENT))
    assert [attempt.number for attempt in await store.attempts(fresh.id)] == [2]


async def test_of_a_claim_settled_twice_at_once_one_holds(store: Store, other: Store) -> None:
    await written(store, *(a_delivery(entry=n) for n in range(20)))
    taken = await store.claim("mail", limit=20, lease_s=30)
    answers = await asyncio.gather(
        *(node.settle(settled(delivery, DeliveryState.SENT)) for delivery in taken for node in (store, other))
    )
    assert [sum(answers[n : n + 2]) for n in range(0, 40, 2)] == [1] * 20


# What two nodes do at once


async def _flips(node: Store, event: Event) -> tuple[str | None, str]:
    """Turn a remembered answer round by the evaluation of an event, however often another does so in between."""
    while True:
        old = await node.policy_state("acme", "big", Policy.FIRE, "k")
        new = "no" if old == "yes" else "yes"
        change = StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key="k", old=old, new=new)
        recorded = await node.record(evaluated(event, a_delivery(event.id), changes=[change]))
        if recorded is Recorded.WRITTEN:
            return old, new


async def test_no_change_of_a_remembered_answer_is_lost_between_nodes(store: Store, other: Store) -> None:
    work = [(node, await stored(node, f"e{n}-{i}")) for i, node in enumerate((store, other)) for n in range(20)]
    flips = await asyncio.gather(*(_flips(node, event) for node, event in work))
    # Each went by what the one before it left, so there is one more of one direction at the most.
    assert flips.count((None, "yes")) == 1
    assert flips.count(("yes", "no")) == 20
    assert flips.count(("no", "yes")) == 19
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") == "no"
    assert len(await store.deliveries()) == 40


async def test_changes_of_several_answers_at_once_are_whole_on_either_node(store: Store, other: Store) -> None:
    def changing(event: Event, keys: list[str]) -> Evaluation:
        changes = [
            StateChange(workspace="acme", rule=key, policy=Policy.FIRE, key="k", old=None, new="true") for key in keys
        ]
        decisions = tuple(Decision(rule=change.rule, outcome=Outcome.MATCHED, changes=(change,)) for change in changes)
        return Evaluation(event=event, evaluated_at=START, decisions=decisions)

    for n in range(3):
        first, second = await stored(store, f"a{n}"), await stored(other, f"b{n}")
        # In opposite orders, so that each may wait for what the other has.
        keys = [f"{n}-{letter}" for letter in "xyz"]
        answers = await asyncio.gather(store.record(changing(first, keys)), other.record(changing(second, keys[::-1])))
        assert sorted(answers) == sorted([Recorded.WRITTEN, Recorded.CHANGED])


async def test_a_dead_letter_is_sent_again_or_given_up_by_one_of_two_who_say_so(store: Store, other: Store) -> None:
    names = list(await buried(store, *(a_delivery(entry=n) for n in range(40))))
    answers = await asyncio.gather(
        *(node.retry(names[n::4]) for n in range(4) for node in (store, other)),
        store.retry(names),
        other.retry(names[::-1]),
    )
    found = [name for answer in answers for name in answer]
    assert sorted(found) == sorted(names)
    answers = await asyncio.gather(store.discard(names), other.discard(names[::-1]))
    assert sorted(name for answer in answers for name in answer) == sorted(names)


async def test_what_two_nodes_purge_at_once_is_counted_once(store: Store, other: Store) -> None:
    for n in range(30):
        await store.record(evaluated(await stored(store, f"e{n}")))
    removed = await asyncio.gather(
        *(node.purge(before=START + HOUR, limit=10) for _ in range(3) for node in (store, other))
    )
    while more := await store.purge(before=START + HOUR):
        removed.append(more)
    assert sum(removed) == 30
    assert await store.events() == []


async def test_a_dead_letter_that_is_sent_again_while_its_event_is_purged_stays(
    store: Store, other: Store, store_url: str
) -> None:
    (name,) = await buried(store, a_delivery())
    await written(store, name="e2")
    with psycopg.connect(store_url) as connection:
        # As `retry` of a node that has not committed yet.
        connection.execute("UPDATE deliveries SET state = 'pending', settled_at = NULL WHERE id = %s", (name,))
        purging = asyncio.ensure_future(other.purge(before=START + HOUR))
        await until_locks_are_waited_for(store_url)
        connection.commit()
    assert await purging == 1
    assert [event.id for event in await store.events()] == ["e1"]
    assert (await claimed(store)).id == name
