"""Looking back: pages of the past, and what a replay adds to an event."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import ManualClock
from sqlalchemy import func, select
from storeparts import HOUR, START, a_delivery, claimed, evaluated, settled, stored, written

from memonotify.errors import Reason
from memonotify.model import (
    Branch,
    Decision,
    DeliveryState,
    Document,
    Evaluation,
    NewDelivery,
    Notification,
    Outcome,
    Snapshot,
    delivery_id,
)
from memonotify.past import Extent, Past, Selection
from memonotify.store import Store
from memonotify.store.tables import documents

EVERYTHING = Selection()


async def _past(store: Store, selection: Selection = EVERYTHING, **options: bool) -> list[Past]:
    extent = await store.extent(selection)
    return await store.past(selection, after=0, last=extent.last, limit=100, **options)


def _named(found: list[Past]) -> list[str]:
    return [each.event.id for each in found]


async def test_the_past_of_an_event_is_what_the_bank_gave_and_the_messages_of_its_rules(store: Store) -> None:
    shots = tuple(
        Snapshot(path=path, fetched_at=START, status=status, body=body, reason=reason)
        for path, status, body, reason in (
            ("/v2/b", 200, {"amount": 5, "é": "\ud800"}, None),
            ("/v2/a", 404, None, Reason.NOT_FOUND),
        )
    )
    event = await stored(store)
    decision = Decision(rule="big", outcome=Outcome.MATCHED, key="k", deliveries=(a_delivery(), a_delivery(entry=1)))
    await store.record(Evaluation(event=event, evaluated_at=START, decisions=(decision,), snapshots=shots))
    (past,) = await _past(store, with_decisions=True)
    assert past.event.evaluated_at == START
    assert past.snapshots == shots
    assert sorted(each.entry for each in past.deliveries) == [0, 1]
    assert [(each.rule, each.key) for each in past.decisions] == [("big", "k")]
    (past,) = await _past(store)
    assert past.decisions == ()


async def test_tests_notices_and_parts_for_one_recipient_are_no_messages_of_an_event(store: Store) -> None:
    await written(store, a_delivery())
    for number, branch in enumerate((Branch.TEST, Branch.FAILURE, Branch.NOTIFY)):
        await store.add_delivery(
            NewDelivery(
                id=f"dlv_{number}",
                workspace="acme",
                event_id="e1",
                rule="big",
                branch=branch,
                entry=0,
                notification=Notification(channel="mail", payload={}),
                created_at=START,
                due_at=START,
                identity=a_delivery().id if branch is Branch.NOTIFY else "",
            )
        )
    (past,) = await _past(store)
    assert [each.id for each in past.deliveries] == [a_delivery().id]


async def test_two_workspaces_may_have_an_event_of_the_same_id(store: Store) -> None:
    await written(store, a_delivery())
    await stored(store, "e1", workspace="other")
    mine, other = await _past(store)
    assert (len(mine.deliveries), len(other.deliveries)) == (1, 0)
    assert _named(await _past(store, Selection(workspace="other"))) == ["e1"]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (EVERYTHING, ["e0", "e1", "e2", "e3"]),
        (Selection(since=START + HOUR), ["e1", "e2", "e3"]),
        (Selection(since=START + HOUR, until=START + 3 * HOUR), ["e1", "e2"]),
        (Selection(event_ids=("e3", "e0", "none")), ["e0", "e3"]),
        (Selection(event_ids=()), []),
    ],
)
async def test_a_selection_is_narrowed_by_id_and_by_when_events_came(
    store: Store, selection: Selection, names: list[str]
) -> None:
    for number in range(4):
        await stored(store, f"e{number}", at=START + number * HOUR)
    assert _named(await _past(store, selection)) == names
    assert (await store.extent(selection)).count == len(names)


async def test_pages_follow_each_other_and_do_not_meet_what_comes_in_meanwhile(store: Store) -> None:
    for number in range(5):
        await stored(store, f"e{number}")
    extent = await store.extent(EVERYTHING)
    await stored(store, "later")
    after, found = extent.first - 1, []
    while page := await store.past(EVERYTHING, after=after, last=extent.last, limit=2):
        found += _named(page)
        after = page[-1].event.seq
    assert found == ["e0", "e1", "e2", "e3", "e4"]


async def test_an_empty_store_has_no_past(store: Store) -> None:
    assert await store.extent(EVERYTHING) == Extent()
    assert await _past(store) == []


async def test_what_a_replay_adds_is_there_once_and_to_be_sent(store: Store, clock: ManualClock) -> None:
    event = await written(store, a_delivery())
    await store.settle(settled(await claimed(store), DeliveryState.SENT))
    salted = delivery_id("acme", "e1", "big", Branch.NOTIFY, 0, salt="resent")
    again = [a_delivery(), a_delivery(id=salted, replay="resent"), a_delivery(entry=1, replay="added")]
    assert await store.replay(event, again) == {salted, again[2].id}
    assert await store.replay(event, again) == frozenset()
    found = {each.id: each for each in await store.deliveries()}
    assert {each.replay for each in found.values()} == {"", "resent", "added"}
    assert found[a_delivery().id].state is DeliveryState.SENT
    assert {each.id for each in await store.claim("mail", limit=9, lease_s=30)} == {salted, again[2].id}
    assert found[salted].identity == salted


async def test_files_are_written_with_the_messages_that_carry_them_and_only_then(store: Store) -> None:
    event = await written(store)
    document = Document(path="/v2/x", fetched_at=START, content=b"%PDF-")
    await store.replay(event, [a_delivery()], [document])
    assert await store.document("acme", "e1", "/v2/x") == b"%PDF-"
    await store.discard([a_delivery().id])
    await store.release_documents()
    assert await store.replay(event, [a_delivery()], [document]) == frozenset()
    count = select(func.count()).select_from(documents)
    assert await store._read(lambda connection: connection.scalar(count)) == 0


async def test_an_event_that_waits_for_its_evaluation_gets_nothing_from_a_replay(store: Store) -> None:
    event = await stored(store)
    assert await store.replay(event, [a_delivery(replay="added")]) == frozenset()
    await store.record(evaluated(event, a_delivery()))
    (delivery,) = await store.deliveries()
    assert delivery.replay == ""


async def test_an_event_that_retention_removed_gets_nothing_from_a_replay(store: Store) -> None:
    event = await written(store)
    assert await store.purge(before=START + timedelta(days=1)) == 1
    document = Document(path="/v2/x", fetched_at=START, content=b"%PDF-")
    assert await store.replay(event, [a_delivery()], [document]) == frozenset()
    assert await store.deliveries() == []
