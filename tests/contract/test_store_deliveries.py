"""Deliveries: claimed with a lease, settled behind its fence, moved by a person's orders, counted."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta

from fakes import ManualClock
from storeparts import (
    HOUR,
    START,
    a_delivery,
    a_failure,
    an_attempt,
    buried,
    claimed,
    evaluated,
    settled,
    stored,
    written,
)

from memonotify.errors import Reason
from memonotify.model import DeliveryState, Notification, Settlement
from memonotify.store import Store

LATER = START + HOUR


async def test_a_written_delivery_waits_as_it_was_decided(store: Store) -> None:
    new = a_delivery(due_at=START + timedelta(minutes=1))
    await written(store, new)
    delivery = await store.delivery(new.id)
    assert delivery is not None
    assert (delivery.id, delivery.identity, delivery.workspace, delivery.event_id) == (new.id, new.id, "acme", "e1")
    assert (delivery.rule, delivery.channel, delivery.branch, delivery.entry) == ("big", "mail", new.branch, 0)
    assert delivery.payload == {"text": "big of e1"}
    assert (delivery.state, delivery.attempts, delivery.lease, delivery.settled_at) == (
        DeliveryState.PENDING,
        0,
        "",
        None,
    )
    assert (delivery.created_at, delivery.due_at) == (START, START + timedelta(minutes=1))
    assert await store.next_due("mail") == delivery.due_at
    assert await store.next_due("other") is None


async def test_a_delivery_without_an_event_is_written_once(store: Store) -> None:
    new = a_delivery("", id="test-1")
    await store.add_delivery(new)
    await store.add_delivery(new)
    assert [delivery.id for delivery in await store.deliveries()] == ["test-1"]


async def test_a_failed_rendering_is_kept_as_the_detail(store: Store) -> None:
    notification = Notification(channel="mail", payload={}, render_error="'x' is missing")
    await written(store, dataclasses.replace(a_delivery(), notification=notification))
    (delivery,) = await store.deliveries()
    assert delivery.detail == "'x' is missing"


async def test_a_claim_takes_what_is_due_longest_first_and_counts_the_attempt(store: Store, clock: ManualClock) -> None:
    await written(
        store,
        a_delivery(entry=0, due_at=START + timedelta(seconds=20)),
        a_delivery(entry=1, due_at=START + timedelta(seconds=10)),
        a_delivery(entry=2, due_at=START + HOUR),
        a_delivery(entry=3, channel="slack"),
    )
    clock.advance(30)
    taken = await store.claim("mail", limit=10, lease_s=60)
    assert [(delivery.entry, delivery.state, delivery.attempts) for delivery in taken] == [
        (1, DeliveryState.SENDING, 1),
        (0, DeliveryState.SENDING, 1),
    ]
    assert {delivery.lease_until for delivery in taken} == {clock.now() + timedelta(seconds=60)}
    assert all(delivery.lease for delivery in taken)
    assert await store.next_due("mail") == START + HOUR


async def test_no_delivery_is_claimed_twice(store: Store) -> None:
    await written(store, *(a_delivery(entry=n) for n in range(30)))
    claims = await asyncio.gather(*(store.claim("mail", limit=7, lease_s=30) for _ in range(6)))
    ids = [delivery.id for claim in claims for delivery in claim]
    assert len(ids) == len(set(ids)) == 30
    assert max(len(claim) for claim in claims) == 7
    leases = {delivery.lease for claim in claims for delivery in claim}
    assert len(leases) == len([claim for claim in claims if claim])


async def test_a_claim_whose_lease_ran_out_is_due_again_and_stays_counted(store: Store, clock: ManualClock) -> None:
    await written(store, a_delivery())
    first = await claimed(store)
    clock.advance(29.9)
    assert await store.claim("mail", limit=10, lease_s=30) == []
    clock.advance(0.1)
    second = await claimed(store)
    assert (second.id, second.attempts) == (first.id, 2)
    assert second.lease != first.lease


async def test_a_renewed_lease_holds_longer(store: Store, clock: ManualClock) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    clock.advance(20)
    assert await store.renew(delivery, lease_s=30)
    clock.advance(20)
    assert await store.claim("mail", limit=10, lease_s=30) == []
    assert await store.settle(settled(delivery, DeliveryState.SENT))
    assert not await store.renew(delivery, lease_s=30)


async def test_a_sent_delivery_is_at_its_end_with_its_attempt(store: Store) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    settlement = settled(delivery, DeliveryState.SENT)
    assert await store.settle(settlement)
    end = await store.delivery(delivery.id)
    assert end is not None
    assert (end.state, end.reason, end.detail) == (DeliveryState.SENT, None, "250 queued")
    assert (end.settled_at, end.lease, end.lease_until) == (START + timedelta(seconds=1), "", None)
    assert await store.attempts(delivery.id) == [settlement.attempt]
    assert await store.next_due("mail") is None


async def test_a_delivery_to_be_tried_again_waits_with_its_reason(store: Store, clock: ManualClock) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    assert await store.settle(settled(delivery, DeliveryState.PENDING, due_at=LATER))
    waiting = await store.delivery(delivery.id)
    assert waiting is not None
    assert (waiting.state, waiting.due_at, waiting.settled_at) == (DeliveryState.PENDING, LATER, None)
    assert (waiting.reason, waiting.detail, waiting.attempts) == (Reason.SERVER_ERROR, "come again", 1)
    clock.advance(3600)
    again = await claimed(store)
    assert await store.settle(settled(again, DeliveryState.SENT))
    assert [attempt.number for attempt in await store.attempts(delivery.id)] == [1, 2]
    sent = await store.delivery(delivery.id)
    assert sent is not None
    assert sent.reason is None


async def test_whoever_lost_the_lease_writes_nothing(store: Store, clock: ManualClock) -> None:
    await written(store, a_delivery())
    stale = await claimed(store)
    clock.advance(31)
    fresh = await claimed(store)
    late = settled(
        stale,
        DeliveryState.DEAD,
        parts=(a_delivery(entry=9),),
        failures=(a_failure(),),
    )
    assert not await store.settle(late)
    assert not await store.release(stale)
    assert await store.attempts(stale.id) == []
    assert len(await store.deliveries()) == 1
    assert await store.untold_failures() == []
    assert await store.settle(settled(fresh, DeliveryState.SENT))
    assert not await store.settle(settled(fresh, DeliveryState.SENT))


async def test_settling_writes_parts_and_failures_with_it(store: Store) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    waiting = a_delivery(entry=1, id="part-1", identity=delivery.identity, attempts=1, due_at=LATER)
    dead = a_delivery(
        entry=2,
        id="part-2",
        identity=delivery.identity,
        state=DeliveryState.DEAD,
        attempts=1,
        reason=Reason.REJECTED,
        detail="550 no such user",
    )
    failure = a_failure(delivery_id="part-2", reason=Reason.REJECTED, detail="550 no such user")
    settlement = settled(delivery, DeliveryState.SENT, parts=(waiting, dead), failures=(failure,))
    assert await store.settle(settlement)
    first, second = await store.delivery("part-1"), await store.delivery("part-2")
    assert first is not None
    assert second is not None
    assert (first.identity, first.state, first.due_at, first.attempts) == (
        delivery.identity,
        DeliveryState.PENDING,
        LATER,
        1,
    )
    assert (second.state, second.reason, second.settled_at) == (DeliveryState.DEAD, Reason.REJECTED, START)
    (told,) = await store.untold_failures()
    assert (told.delivery_id, told.detail) == ("part-2", "550 no such user")


async def test_a_released_claim_was_no_attempt(store: Store) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    assert await store.release(delivery)
    back = await store.delivery(delivery.id)
    assert back is not None
    assert (back.state, back.attempts, back.due_at, back.lease) == (DeliveryState.PENDING, 0, START, "")


async def test_claims_of_a_dead_daemon_are_void_and_their_attempts_counted(store: Store, clock: ManualClock) -> None:
    await written(store, a_delivery(entry=0), a_delivery(entry=1))
    await store.claim("mail", limit=1, lease_s=3600)
    clock.advance(5)
    assert await store.void_claims() == 1
    assert await store.void_claims() == 0
    again = await store.claim("mail", limit=10, lease_s=30)
    assert sorted(delivery.attempts for delivery in again) == [1, 2]


async def test_a_dead_letter_sent_again_starts_its_clock_anew(store: Store, clock: ManualClock) -> None:
    (name,) = await buried(store, a_delivery())
    clock.advance(3600)
    assert await store.retry([name, "unknown"]) == [name]
    delivery = await store.delivery(name)
    assert delivery is not None
    assert (delivery.state, delivery.created_at, delivery.due_at) == (DeliveryState.PENDING, LATER, LATER)
    assert (delivery.settled_at, delivery.attempts) == (None, 1)
    assert await store.retry([name]) == []


async def test_all_dead_letters_or_those_of_a_rule_or_channel_are_sent_again(store: Store) -> None:
    one, two, three = await buried(
        store, a_delivery(rule="a"), a_delivery(rule="b"), a_delivery(rule="b", channel="slack", entry=1)
    )
    assert await store.retry() == []
    assert await store.retry(dead=True, rule="a") == [one]
    assert await store.retry(dead=True, channel="slack") == [three]
    assert await store.retry(dead=True) == [two]


async def test_what_waits_or_is_dead_can_be_given_up(store: Store) -> None:
    (dead,) = await buried(store, a_delivery("e1"))
    await written(store, a_delivery("e2"), a_delivery("e2", entry=1), name="e2")
    sending, waiting = (
        (await store.claim("mail", limit=1, lease_s=30))[0],
        await store.deliveries(state=DeliveryState.PENDING),
    )
    assert await store.discard([dead, sending.id, waiting[0].id]) == [dead, waiting[0].id]
    given_up = await store.deliveries(state=DeliveryState.DISCARDED)
    assert {delivery.id for delivery in given_up} == {dead, waiting[0].id}
    assert all(delivery.settled_at == START for delivery in given_up)
    assert await store.settle(settled(sending, DeliveryState.SENT))


async def test_a_thousand_ids_are_one_order(store: Store) -> None:
    names = await buried(store, *(a_delivery(entry=n) for n in range(3)))
    many = [*(f"unknown-{n}" for n in range(1200)), *names]
    assert await store.retry(many) == list(names)


async def test_the_list_is_newest_first_and_filtered(store: Store) -> None:
    await written(store, a_delivery("e1", rule="a"), name="e1")
    await written(store, a_delivery("e2", rule="b", channel="slack", at=LATER), name="e2")
    first, second = [delivery.event_id for delivery in await store.deliveries()]
    assert (first, second) == ("e2", "e1")
    assert len(await store.deliveries(limit=1)) == 1
    assert [delivery.rule for delivery in await store.deliveries(rule="a")] == ["a"]
    assert [delivery.rule for delivery in await store.deliveries(channel="slack")] == ["b"]
    assert [delivery.rule for delivery in await store.deliveries(event_id="e1", workspace="acme")] == ["a"]
    assert [delivery.rule for delivery in await store.deliveries(since=LATER)] == ["b"]
    assert len(await store.deliveries(state=DeliveryState.PENDING)) == 2
    assert await store.delivery("unknown") is None


async def test_deliveries_are_counted_by_channel_and_state(store: Store) -> None:
    await buried(store, a_delivery("e1"))
    await written(store, a_delivery("e2"), a_delivery("e2", channel="slack", entry=1), name="e2")
    sent = await claimed(store, "slack")
    assert await store.settle(settled(sent, DeliveryState.SENT))
    counts = await store.counts()
    assert counts.deliveries == {
        "mail": {DeliveryState.DEAD: 1, DeliveryState.PENDING: 1},
        "slack": {DeliveryState.SENT: 1},
    }
    assert counts.in_state(DeliveryState.SENT) == 1
    stats = await store.channel_stats()
    assert stats["mail"].last_reason is Reason.SERVER_ERROR
    assert stats["mail"].last_sent_at is None
    assert stats["slack"].last_sent_at == START + timedelta(seconds=1)
    assert stats["slack"].last_reason is None


async def test_a_channels_last_reason_is_that_of_what_waits(store: Store) -> None:
    await buried(store, a_delivery("e1"))
    await written(store, a_delivery("e2"), name="e2")
    delivery = await claimed(store)
    attempt = an_attempt(delivery, ok=False, reason=Reason.TIMEOUT)
    assert await store.settle(Settlement(delivery=delivery, attempt=attempt, state=DeliveryState.PENDING, due_at=LATER))
    assert (await store.channel_stats())["mail"].last_reason is Reason.TIMEOUT


async def test_a_long_answer_of_a_receiver_is_cut(store: Store) -> None:
    event = await stored(store)
    await store.record(evaluated(event, a_delivery(detail="x" * 100_000 + "\0")))
    (delivery,) = await store.deliveries()
    assert len(delivery.detail) == 4000
    assert delivery.detail.endswith("…")
