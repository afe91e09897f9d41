"""Events: received once, evaluated in one transaction, found again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from fakes import ManualClock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from storeparts import HOUR, START, a_delivery, a_failure, an_event, evaluated, stored

from memonotify.errors import Reason
from memonotify.holding import Policy, StateChange
from memonotify.metrics import Metrics
from memonotify.model import (
    Decision,
    Evaluation,
    EventState,
    FailureKind,
    Outcome,
    Recorded,
    Snapshot,
)
from memonotify.store import Store


async def test_an_event_comes_back_as_it_was_received(store: Store) -> None:
    event = an_event(extra={"nested": [1, 2.5, None, True]}, euro="€")
    seq = await store.receive(event)
    found = await store.event("acme", "e1")
    assert found is not None
    assert seq == found.seq
    assert found.body == event.body
    assert (found.workspace, found.id, found.date) == ("acme", "e1", event.date)
    assert (found.event_type, found.resource_type, found.resource_id) == ("transaction_confirmed", "transaction", "r1")
    assert (found.received_at, found.client) == (START, "35.181.64.230")
    assert (found.state, found.attempts, found.evaluated_at) == (EventState.RECEIVED, 0, None)


async def test_a_body_with_characters_no_database_takes_comes_back_whole(store: Store) -> None:
    event = an_event(strange="\0 \ud800 \U0001f4b6 \u2028", order={"b": 1, "a": 2})
    await store.receive(event)
    found = await store.event("acme", "e1")
    assert found is not None
    assert found.body == event.body
    assert list(found.body["order"]) == ["b", "a"]


async def test_the_second_of_two_equal_events_is_known(store: Store) -> None:
    assert await store.receive(an_event()) is not None
    assert await store.receive(an_event()) is None
    assert len(await store.events()) == 1


async def test_the_same_id_in_two_workspaces_is_two_events(store: Store) -> None:
    assert await store.receive(an_event(workspace="acme")) is not None
    assert await store.receive(an_event(workspace="other")) is not None
    newest = await store.event(None, "e1")
    assert newest is not None
    assert newest.workspace == "other"
    named = await store.event("acme", "e1")
    assert named is not None
    assert named.workspace == "acme"


async def test_of_equal_events_that_arrive_together_one_gets_a_number(store: Store) -> None:
    answers = await asyncio.gather(*(store.receive(an_event(f"e{n % 5}")) for n in range(20)))
    numbers = [answer for answer in answers if answer is not None]
    assert len(numbers) == len(set(numbers)) == 5
    assert {event.seq: event.id for event in await store.events()} == {
        answer: f"e{n % 5}" for n, answer in enumerate(answers) if answer is not None
    }


async def test_numbers_given_after_duplicates_are_the_events_own(store: Store) -> None:
    await asyncio.gather(*(store.receive(an_event(name)) for name in ("e1", "e1", "e2")))
    answers = await asyncio.gather(*(store.receive(an_event(name)) for name in ("e2", "e3", "e4")))
    assert answers[0] is None
    for name, answer in zip(("e3", "e4"), answers[1:], strict=True):
        found = await store.event("acme", name)
        assert found is not None
        assert found.seq == answer


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=20), max_size=6))
@example([[0], [1, 0, 0, 2, 0, 3]])
# The database is the same for all examples: each has a workspace of its own.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_arrives_together_and_again_each_event_gets_its_own_number_once(
    store_url: str, batches: list[list[int]]
) -> None:
    async def run(workspace: str) -> None:
        async with Store(store_url, clock=ManualClock()) as store:
            given_out: dict[str, int] = {}
            for batch in batches:
                names = [f"e{n}" for n in batch]
                answers = await asyncio.gather(*(store.receive(an_event(name, workspace=workspace)) for name in names))
                new = [(name, answer) for name, answer in zip(names, answers, strict=True) if answer is not None]
                assert {name for name, _ in new} == set(names) - given_out.keys()
                assert len(new) == len(set(names) - given_out.keys())
                given_out.update(new)
            assert {event.id: event.seq for event in await store.events(workspace=workspace)} == given_out

    asyncio.run(run(uuid4().hex))


async def test_operations_that_wait_together_share_one_commit(store_url: str, clock: ManualClock) -> None:
    metrics = Metrics()
    async with Store(store_url, clock=clock, metrics=metrics) as store:
        await asyncio.gather(*(store.receive(an_event(f"e{n}")) for n in range(64)))
    assert metrics.registry.get_sample_value("memonotify_store_commits_total") == 1


async def test_unevaluated_events_come_in_order_of_arrival_from_where_one_left_off(store: Store) -> None:
    for n in range(5):
        await store.receive(an_event(f"e{n}"))
    first = await store.unevaluated(limit=2)
    rest = await store.unevaluated(after_seq=first[-1].seq)
    assert [event.id for event in [*first, *rest]] == ["e0", "e1", "e2", "e3", "e4"]


async def test_a_postponed_event_is_out_of_sight_until_it_is_due(store: Store, clock: ManualClock) -> None:
    event = await stored(store)
    await store.postpone(event, START + HOUR)
    assert await store.unevaluated() == []
    assert await store.next_event_due() == START + HOUR
    clock.advance(3600)
    (again,) = await store.unevaluated()
    assert (again.id, again.attempts) == ("e1", 1)


async def test_an_event_that_was_only_put_off_behind_another_has_not_had_a_try(
    store: Store, clock: ManualClock
) -> None:
    await store.postpone(await stored(store), START + HOUR, is_try=False)
    clock.advance(3600)
    assert [event.attempts for event in await store.unevaluated()] == [0]


async def test_at_the_start_what_was_put_off_is_read_in_order_of_arrival(store: Store) -> None:
    await store.receive(an_event("e1"), in_order=True)
    (first,) = await store.unevaluated()
    await store.postpone(first, START + HOUR)
    await stored(store, "e2")
    assert [event.id for event in await store.unevaluated()] == ["e2"]
    assert await store.resume() == 1
    assert [event.id for event in await store.unevaluated()] == ["e1", "e2"]
    assert await store.resume() == 0


async def test_nothing_is_due_where_nothing_waits(store: Store) -> None:
    assert await store.next_event_due() is None


async def test_an_evaluation_leaves_all_it_holds(store: Store) -> None:
    event = await stored(store)
    snapshots = (
        Snapshot(path="/v2/transactions/r1", fetched_at=START, status=200, body={"amount": 1250}),
        Snapshot(path="/v2/accounts/a", fetched_at=START, status=404, body=None, reason=Reason.NOT_FOUND),
    )
    quiet = Decision(rule="quiet", outcome=Outcome.FAILED, detail="'None' has no attribute 'id'")
    loud = Decision(rule="big", outcome=Outcome.MATCHED, deliveries=(a_delivery(), a_delivery(entry=1)))
    failure = a_failure(FailureKind.DECISION_FAILED, rule="quiet", channel="", reason=Reason.TEMPLATE)
    evaluation = Evaluation(
        event=event,
        evaluated_at=START + HOUR,
        decisions=(loud, quiet),
        snapshots=snapshots,
        failures=(failure,),
    )
    assert await store.record(evaluation) is Recorded.WRITTEN
    assert tuple(await store.snapshots(event)) == snapshots
    assert await store.decisions(event) == [Decision(rule="big", outcome=Outcome.MATCHED), quiet]
    assert {delivery.entry for delivery in await store.deliveries(event_id="e1")} == {0, 1}
    assert [told.rule for told in await store.untold_failures()] == ["quiet"]
    found = await store.event("acme", "e1")
    assert found is not None
    assert (found.state, found.evaluated_at) == (EventState.EVALUATED, START + HOUR)
    assert await store.unevaluated() == []


async def test_recording_twice_makes_no_second_delivery(store: Store) -> None:
    event = await stored(store)
    assert await store.record(evaluated(event, a_delivery())) is Recorded.WRITTEN
    assert await store.record(evaluated(event, a_delivery())) is Recorded.WRITTEN
    assert len(await store.deliveries()) == 1
    assert len(await store.decisions(event)) == 1


async def test_the_same_evaluation_twice_at_once_is_written_once(store: Store) -> None:
    event = await stored(store)
    evaluation = evaluated(event, a_delivery())
    assert await asyncio.gather(store.record(evaluation), store.record(evaluation)) == [
        Recorded.WRITTEN,
        Recorded.WRITTEN,
    ]
    assert len(await store.deliveries()) == 1


async def test_an_evaluation_without_a_trace_only_marks_its_event(store: Store) -> None:
    events = [await stored(store, f"e{n}") for n in range(3)]
    marks = [Evaluation(event=event, evaluated_at=START + n * HOUR) for n, event in enumerate(events[:2])]
    assert await asyncio.gather(*(store.record(mark) for mark in marks)) == [Recorded.WRITTEN, Recorded.WRITTEN]
    assert [event.id for event in await store.unevaluated()] == ["e2"]
    found = await store.events(state=EventState.EVALUATED)
    assert {event.id: event.evaluated_at for event in found} == {"e0": START, "e1": START + HOUR}


async def test_an_event_keeps_the_moment_it_was_first_evaluated_at(store: Store) -> None:
    event = await stored(store)
    for at in (START, START + HOUR):
        assert await store.record(Evaluation(event=event, evaluated_at=at)) is Recorded.WRITTEN
    found = await store.event("acme", "e1")
    assert found is not None
    assert found.evaluated_at == START


async def test_many_events_are_marked_as_one(store: Store) -> None:
    events = [await stored(store, f"e{n}") for n in range(3)]
    await store.mark_evaluated(events, START + HOUR)
    assert await store.unevaluated() == []
    await store.mark_evaluated([], START)


def _change(old: str | None, new: str, key: str = "k") -> StateChange:
    return StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key=key, old=old, new=new)


async def test_a_policy_remembers_its_answer(store: Store) -> None:
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") is None
    first, second = await stored(store, "e1"), await stored(store, "e2")
    assert await store.record(evaluated(first, changes=[_change(None, "yes")])) is Recorded.WRITTEN
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") == "yes"
    assert await store.record(evaluated(second, changes=[_change("yes", "no")])) is Recorded.WRITTEN
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") == "no"
    assert await store.policy_state("other", "big", Policy.FIRE, "k") is None


@pytest.mark.parametrize("old", ["yes", "no"])
async def test_an_evaluation_that_went_by_another_answer_leaves_nothing(store: Store, old: str) -> None:
    event = await stored(store)
    assert await store.record(evaluated(event, a_delivery(), changes=[_change(old, "other")])) is Recorded.CHANGED
    assert await store.deliveries() == []
    assert await store.decisions(event) == []
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") is None
    assert [waiting.id for waiting in await store.unevaluated()] == ["e1"]


async def test_of_two_evaluations_that_went_by_the_same_answer_one_holds(store: Store) -> None:
    first, second, bystander = [await stored(store, name) for name in ("e1", "e2", "e3")]
    assert await asyncio.gather(
        store.record(evaluated(first, a_delivery("e1"), changes=[_change(None, "yes")])),
        store.record(evaluated(second, a_delivery("e2"), changes=[_change(None, "yes")])),
        store.record(evaluated(bystander, a_delivery("e3"), changes=[_change(None, "yes", key="other")])),
    ) == [Recorded.WRITTEN, Recorded.CHANGED, Recorded.WRITTEN]
    assert {delivery.event_id for delivery in await store.deliveries()} == {"e1", "e3"}


async def test_a_key_of_any_characters_is_found_again(store: Store) -> None:
    event = await stored(store)
    assert await store.record(evaluated(event, changes=[_change(None, "yes", key="\ud800\0é")])) is Recorded.WRITTEN
    assert await store.policy_state("acme", "big", Policy.FIRE, "\ud800\0é") == "yes"


async def test_the_list_is_newest_first_and_filtered(store: Store, clock: ManualClock) -> None:
    old = await stored(store, "e1")
    await store.record(evaluated(old))
    await stored(store, "e2", workspace="other", at=START + HOUR)
    await stored(store, "e3", at=START + 2 * HOUR)
    assert [event.id for event in await store.events()] == ["e3", "e2", "e1"]
    assert [event.id for event in await store.events(limit=1)] == ["e3"]
    assert [event.id for event in await store.events(state=EventState.RECEIVED)] == ["e3", "e2"]
    assert [event.id for event in await store.events(workspace="other")] == ["e2"]
    assert [event.id for event in await store.events(since=START + HOUR)] == ["e3", "e2"]
    assert [event.id for event in await store.events(rule="big")] == ["e1"]
    assert await store.events(rule="none") == []


async def test_a_rule_that_did_not_match_does_not_list_the_event(store: Store) -> None:
    event = await stored(store)
    decision = Decision(rule="big", outcome=Outcome.NOT_MATCHED)
    await store.record(Evaluation(event=event, evaluated_at=START, decisions=(decision,)))
    assert await store.events(rule="big") == []


async def test_an_unknown_event_is_none(store: Store) -> None:
    assert await store.event("acme", "nothing") is None


async def test_the_backlog_is_counted(store: Store) -> None:
    first = await stored(store, "e1")
    await stored(store, "e2", at=START + timedelta(seconds=5))
    await store.record(evaluated(first))
    counts = await store.counts()
    assert (counts.backlog, counts.last_event_at) == (1, START + timedelta(seconds=5))


async def test_a_naive_moment_is_refused_before_it_reaches_the_database(store: Store) -> None:
    with pytest.raises(TypeError):
        await store.receive(an_event(at=START.replace(tzinfo=None)))
    assert await store.events() == []
