"""What is asked of the store to explain an event or a rule."""

from __future__ import annotations

from datetime import timedelta

from fakes import ManualClock
from storeparts import HOUR, START, a_delivery, buried, evaluated, stored, written

from memonotify.model import Decision, Evaluation, Outcome
from memonotify.store import Store


async def test_an_event_is_named_by_its_id_in_each_workspace_that_has_one_the_newest_first(store: Store) -> None:
    await stored(store, "ab")
    await stored(store, "ab", workspace="umbrella")
    await stored(store, "abc")
    assert [event.workspace for event in await store.events_named("ab")] == ["umbrella", "acme"]
    assert [event.workspace for event in await store.events_named("ab", workspace="acme")] == ["acme"]


async def test_a_beginning_names_the_events_whose_ids_begin_so_and_tells_cases_apart(store: Store) -> None:
    for name in ("a_c-2", "a_c-1", "A_c-3", "abc-4"):
        await stored(store, name)
    assert [event.id for event in await store.events_named("a_")] == ["a_c-1", "a_c-2"]
    assert [event.id for event in await store.events_named("a_", limit=1)] == ["a_c-1"]
    assert await store.events_named("%") == []


async def test_an_event_waits_until_it_is_evaluated(store: Store, clock: ManualClock) -> None:
    event = await stored(store)
    wait = await store.wait(event)
    assert wait is not None
    assert (wait.due_at, wait.lease, wait.in_order) == (START, store.lease, False)
    await store.postpone(event, START + HOUR)
    later = await store.wait(event)
    assert later is not None
    assert later.due_at == START + HOUR
    await store.record(evaluated(event))
    assert await store.wait(event) is None


async def test_the_tries_of_an_event_are_those_of_all_its_deliveries_and_of_no_other(store: Store) -> None:
    ids = await buried(store, a_delivery(), a_delivery(entry=1))
    event = await written(store, a_delivery("e2"), name="e2")
    found = await store.event("acme", "e1")
    assert found is not None
    assert {attempt.delivery_id for attempt in await store.tries(found)} == set(ids)
    assert await store.tries(event) == []


async def test_decisions_of_a_rule_are_narrowed_by_workspace_and_cut_at_the_newest(store: Store) -> None:
    for number, workspace in enumerate(("acme", "umbrella", "acme")):
        event = await stored(store, f"e{number}", workspace=workspace, at=START + HOUR * number)
        made = (Decision(rule="big", outcome=Outcome.NOT_MATCHED), Decision(rule="bigger", outcome=Outcome.NOT_MATCHED))
        await store.record(Evaluation(event=event, evaluated_at=START, decisions=made))
    told = await store.decisions_of_rule("big", START, workspace="acme")
    assert [name for name, _, _ in told] == ["e2", "e0"]
    assert [name for name, _, _ in await store.decisions_of_rule("big", START, limit=2)] == ["e2", "e1"]


async def test_events_with_messages_are_those_since_the_moment(store: Store) -> None:
    await written(store, a_delivery())
    await written(store, a_delivery("e2", at=START + HOUR), a_delivery("e2", entry=1, at=START + HOUR), name="e2")
    assert await store.events_with_messages("big", START) == {"e1", "e2"}
    assert await store.events_with_messages("big", START + timedelta(minutes=1)) == {"e2"}
    assert await store.events_with_messages("small", START) == set()
