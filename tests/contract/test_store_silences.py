"""Silences: what was written is in force at once, ends when it is told to, and makes due what it held."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import Faults, ManualClock
from storeparts import HOUR, START, a_delivery, a_held_delivery, a_silence, statements, stored, written

from memonotify.errors import StoreUnavailable
from memonotify.holding import Policy
from memonotify.model import DeliveryState, Fate, HeldBack, Matchers
from memonotify.store import Store

AWKWARD = Matchers(
    rule=("big", "b*"),
    channel=("mail",),
    workspace=("acme",),
    event_type=("transaction_*",),
    fields=(("resource.label", 'é "\x00\U0001f600'), ("event.id", "e1")),
)


async def test_a_silence_comes_back_as_it_was_written(store: Store) -> None:
    silence = a_silence(matchers=AWKWARD, then=Fate.DROP, reason="déménagement", author="ana")
    assert await store.add_silence(silence)
    assert await store.silence("sil_a") == silence
    assert await store.silences() == [silence]
    assert await store.silence("sil_b") is None


async def test_an_id_that_is_taken_is_told_and_overwrites_nothing(store: Store) -> None:
    silence = a_silence()
    assert await store.add_silence(silence)
    assert not await store.add_silence(a_silence(author="bob"))
    assert await store.silences() == [silence]


async def test_what_no_database_can_keep_of_a_reason_is_replaced(store: Store) -> None:
    assert await store.add_silence(a_silence(reason="a\x00b", author="\ud800"))
    found = await store.silence("sil_a")
    assert found is not None
    assert (found.reason, found.author) == ("a�b", "�")


async def test_the_list_begins_with_what_ends_last_and_can_be_of_what_is_in_force(store: Store) -> None:
    for name, hours in (("sil_a", 1), ("sil_b", 3), ("sil_c", 2)):
        await store.add_silence(a_silence(name, hours=hours))
    await store.add_silence(a_silence("sil_later", at=START + 4 * HOUR))
    assert [silence.id for silence in await store.silences()] == ["sil_later", "sil_b", "sil_c", "sil_a"]
    assert [silence.id for silence in await store.silences(active_at=START + HOUR)] == ["sil_b", "sil_c"]


async def test_the_engine_sees_at_once_what_this_store_writes_and_asks_nothing_meanwhile(
    store: Store, clock: ManualClock
) -> None:
    assert await store.active_silences(clock.now()) == ()
    await store.add_silence(a_silence())
    assert [silence.id for silence in await store.active_silences(clock.now())] == ["sil_a"]
    with statements() as seen:
        for _ in range(100):
            await store.active_silences(clock.now())
    assert not seen
    await store.expire_silence("sil_a", clock.now())
    assert await store.active_silences(clock.now()) == ()


async def test_what_another_node_writes_is_seen_within_a_second(
    store: Store, store_url: str, clock: ManualClock
) -> None:
    if not store.is_shared:
        pytest.skip("a store of one node")
    assert await store.active_silences(clock.now()) == ()
    async with Store(store_url, clock=clock) as other:
        await other.add_silence(a_silence())
        clock.advance(1.0)
        assert [silence.id for silence in await store.active_silences(clock.now())] == ["sil_a"]
        await other.expire_silence("sil_a", clock.now())
        clock.advance(1.0)
        assert await store.active_silences(clock.now()) == ()


async def test_a_silence_that_could_not_be_written_is_not_in_force(
    store: Store, clock: ManualClock, faults: Faults, full_disk: tuple[Exception, str]
) -> None:
    faults.queued.append(full_disk[0])
    with pytest.raises(StoreUnavailable):
        await store.add_silence(a_silence())
    assert await store.active_silences(clock.now()) == ()


async def test_ending_one_early_makes_due_what_it_holds_and_nothing_else(store: Store) -> None:
    await store.add_silence(a_silence())
    await store.add_silence(a_silence("sil_b"))
    ends = START + 2 * HOUR
    await written(
        store,
        a_held_delivery("sil_a", ends, entry=0),
        a_held_delivery("sil_a", ends, entry=1),
        a_held_delivery("sil_b", ends, entry=2),
        a_delivery(entry=3, silence="sil_a", state=DeliveryState.SUPPRESSED),
        # It has gone on from the silence, and waits for quiet hours.
        a_held_delivery("sil_a", ends, entry=4, policy=Policy.QUIET),
    )
    now = START + timedelta(minutes=5)
    expired = await store.expire_silence("sil_a", now)
    assert expired is not None
    assert (expired.silence.ends_at, expired.released) == (now, 2)
    due = {delivery.entry: delivery.due_at for delivery in await store.deliveries(state=DeliveryState.HELD)}
    assert due == {0: now, 1: now, 2: ends, 4: ends}


async def test_what_is_over_or_unknown_cannot_be_ended(store: Store) -> None:
    await store.add_silence(a_silence())
    assert await store.expire_silence("sil_x", START) is None
    assert await store.expire_silence("sil_a", START + 2 * HOUR) is None
    assert await store.expire_silence("sil_a", START + HOUR) is not None
    assert await store.expire_silence("sil_a", START + HOUR) is None


async def test_what_a_silence_held_back_is_counted_and_listed(store: Store) -> None:
    states = (DeliveryState.HELD, DeliveryState.SUPPRESSED, DeliveryState.SUPPRESSED, DeliveryState.PENDING)
    await written(
        store,
        *(a_delivery(entry=entry, silence="sil_a", state=state) for entry, state in enumerate(states)),
        a_delivery(entry=9),
    )
    assert await store.held_back(["sil_a", "sil_b"]) == {"sil_a": HeldBack(held=1, suppressed=2, released=1)}
    listed = await store.deliveries(silence="sil_a", state=DeliveryState.SUPPRESSED)
    assert sorted((delivery.entry, delivery.silence) for delivery in listed) == [(1, "sil_a"), (2, "sil_a")]
    assert await store.deliveries(silence="sil_b") == []


async def test_retention_removes_what_ended_long_ago(store: Store) -> None:
    await store.add_silence(a_silence("sil_old", hours=1))
    await store.add_silence(a_silence("sil_new", hours=3))
    await stored(store)
    await store.purge(before=START + 2 * HOUR)
    assert [silence.id for silence in await store.silences()] == ["sil_new"]
