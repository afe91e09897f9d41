"""Retention: what is old and done with goes, with all that hangs on it; nothing else does."""

from __future__ import annotations

from datetime import timedelta

from fakes import ManualClock
from storeparts import START, a_delivery, a_failure, an_event, claimed, evaluated, row_counts, settled, stored, written

from memonotify.metrics import Metrics
from memonotify.model import DeliveryState, Evaluation, Recorded, Snapshot
from memonotify.store import Store

LATER = START + timedelta(days=91)


async def _done(store: Store, name: str = "e1") -> None:
    await written(store, a_delivery(name), name=name)
    assert await store.settle(settled(await claimed(store), DeliveryState.SENT))


async def test_an_old_event_goes_with_all_that_hangs_on_it(store: Store) -> None:
    event = await stored(store)
    shot = Snapshot(path="/v2/x", fetched_at=START, status=200, body={})
    whole = evaluated(event, a_delivery(), snapshots=(shot,), failures=(a_failure(),))
    assert await store.record(whole) is Recorded.WRITTEN
    assert await store.settle(settled(await claimed(store), DeliveryState.SENT))
    await store.told(await store.untold_failures())
    assert await store.purge(before=LATER) == 1
    assert set((await row_counts(store)).values()) == {0}


async def test_what_is_not_old_yet_stays(store: Store) -> None:
    await _done(store)
    assert await store.purge(before=START) == 0
    assert await store.event("acme", "e1") is not None


async def test_an_event_stays_while_it_or_a_delivery_of_it_is_open(store: Store) -> None:
    await _done(store, "done")
    await stored(store, "waits")
    await written(store, a_delivery("pending"), name="pending")
    assert await store.purge(before=LATER) == 1
    assert {event.id for event in await store.events()} == {"waits", "pending"}


async def test_an_event_stays_while_a_failure_of_it_is_untold(store: Store) -> None:
    event = await stored(store)
    await store.record(Evaluation(event=event, evaluated_at=START, failures=(a_failure(),)))
    assert await store.purge(before=LATER) == 0
    await store.told(await store.untold_failures())
    assert await store.purge(before=LATER) == 1


async def test_purging_goes_in_batches_oldest_first(store: Store) -> None:
    for n in range(5):
        event = await stored(store, f"e{n}", at=START + timedelta(hours=n))
        await store.record(evaluated(event))
    assert await store.purge(before=LATER, limit=2) == 2
    assert {event.id for event in await store.events()} == {"e2", "e3", "e4"}
    assert await store.purge(before=LATER, limit=2) == 2
    assert await store.purge(before=LATER, limit=2) == 1
    assert await store.purge(before=LATER, limit=2) == 0


async def test_messages_of_no_event_go_by_their_own_age(store: Store) -> None:
    await store.add_delivery(a_delivery("", id="old"))
    assert await store.settle(settled(await claimed(store), DeliveryState.SENT))
    await store.add_delivery(a_delivery("", id="open"))
    await store.add_delivery(a_delivery("", id="new", at=LATER, state=DeliveryState.SENT))
    await store.purge(before=LATER)
    assert {delivery.id for delivery in await store.deliveries()} == {"open", "new"}


async def test_numbers_are_not_given_again_after_a_purge(store: Store) -> None:
    event = await stored(store)
    await store.record(evaluated(event))
    assert await store.purge(before=LATER) == 1
    again = await store.receive(an_event("e2"))
    assert again is not None
    assert again > event.seq


async def test_an_event_is_known_for_as_long_as_it_is_kept(store: Store) -> None:
    event = await stored(store)
    await store.record(evaluated(event))
    assert await store.receive(an_event()) is None
    await store.purge(before=LATER)
    assert await store.receive(an_event()) is not None


async def test_what_was_purged_is_counted(store_url: str, clock: ManualClock) -> None:
    metrics = Metrics()
    async with Store(store_url, clock=clock, metrics=metrics) as store:
        event = await stored(store)
        await store.record(evaluated(event))
        await store.purge(before=LATER)
    assert metrics.registry.get_sample_value("memonotify_events_purged_total") == 1
