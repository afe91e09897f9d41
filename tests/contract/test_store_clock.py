"""A clock that is set back between two runs parks nothing."""

from __future__ import annotations

from datetime import timedelta

from storeparts import HOUR, START, a_delivery, an_event, written

from memonotify.store import Store


async def test_what_a_clock_ahead_has_written_is_due_after_the_start(store: Store) -> None:
    later = START + 24 * HOUR
    await store.receive(an_event("e2", at=later))
    await written(store, a_delivery(at=later))
    assert await store.unevaluated() == []
    assert await store.claim("mail", limit=9, lease_s=30) == []
    assert await store.hasten() == 2
    assert [event.id for event in await store.unevaluated()] == ["e2"]
    (delivery,) = await store.claim("mail", limit=9, lease_s=30)
    assert delivery.created_at == START


async def test_what_waits_for_its_time_goes_on_waiting(store: Store) -> None:
    await written(store, a_delivery(due_at=START + timedelta(minutes=5)))
    await store.receive(an_event("e2"))
    (event,) = await store.unevaluated()
    await store.postpone(event, START + timedelta(minutes=5))
    assert await store.hasten() == 0
    assert await store.unevaluated() == []
    assert await store.claim("mail", limit=9, lease_s=30) == []
