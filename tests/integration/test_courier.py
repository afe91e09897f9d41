"""The courier over the real store, with faults injected at the channel and at the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import ManualClock
from lanes import WatchedStore, Yard
from storeparts import evaluated, stored
from structlog.testing import capture_logs

from memonotify.config.values import Rate
from memonotify.delivery.courier import shares
from memonotify.errors import Reason, SendError, StoreUnavailable
from memonotify.model import (
    Branch,
    DeliveryState,
    Document,
    FailureKind,
    NewDelivery,
    Notification,
    Receipt,
    Refusal,
    delivery_id,
)

PENDING, SENDING, SENT, DEAD = (
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.SENT,
    DeliveryState.DEAD,
)
TIMEOUT = SendError(Reason.TIMEOUT)


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    clock = ManualClock()
    async with WatchedStore(f"sqlite:///{tmp_path}/m.db", clock=clock) as store:
        yard = Yard(store, clock)
        yield yard
        store.fault = lambda _: None
        if yard.courier is not None:
            await yard.courier.stop(0)


def metric(yard: Yard, name: str, **labels: str) -> float | None:
    return yard.metrics.registry.get_sample_value(name, labels)


async def test_a_delivery_is_sent_with_its_identity_and_settled(yard):
    channel = yard.channel("erp")
    await yard.start()
    with capture_logs() as logs:
        (name,) = await yard.put("erp")
        await yard.until(lambda: len(yard.store.settled) == 1)
        await yard.rest()
    delivery = await yard.get(name)
    assert (delivery.state, delivery.attempts, delivery.lease) == (SENT, 1, "")
    assert channel.got == [({"json": {"number": 1}}, name)]
    assert [(attempt.number, attempt.ok) for attempt in await yard.store.attempts(name)] == [(1, True)]
    assert metric(yard, "memonotify_delivery_attempts_total", channel="erp", result="ok") == 1
    assert metric(yard, "memonotify_deliveries_settled_total", channel="erp", state="sent") == 1
    (line,) = [log for log in logs if log["event"] == "delivery_sent"]
    assert line["delivery"] == name
    assert (line["event_id"], line["rule"], line["channel"], line["attempt"]) == ("event-1", "rule", "erp", 1)


PROOF = "/v2/transfers/t-1/proof"
FILE = {"what": "proof", "name": "proof-1.pdf", "type": "application/pdf", "size": 5, "path": PROOF}


async def put_mail_with_a_file(yard: Yard, *, event_id: str = "paid", keep: bool = True) -> str:
    """Write what an evaluation leaves that made a mail with a file; `keep=False` forgets the file."""
    now = yard.clock.now()
    mail = NewDelivery(
        id=delivery_id("acme", event_id, "rule", Branch.NOTIFY, 0),
        workspace="acme",
        event_id=event_id,
        rule="rule",
        branch=Branch.NOTIFY,
        entry=0,
        notification=Notification(channel="mail", payload={"subject": "s", "text": "t", "attach": [FILE]}),
        created_at=now,
        due_at=now,
    )
    event = await stored(yard.store, event_id, at=now)
    document = Document(path=PROOF, fetched_at=now, content=b"%PDF-")
    await yard.store.record(evaluated(event, mail, at=now, documents=(document,) if keep else ()))
    return mail.id


async def test_a_mail_goes_with_its_file_on_every_try_and_the_store_keeps_it_once(yard):
    channel = yard.channel("mail", kind="email")
    channel.answers.append(SendError(Reason.DEFERRED))
    name = await put_mail_with_a_file(yard)
    await yard.start()
    await yard.until(lambda: len(channel.got) == 1)
    await yard.later(60)
    await yard.until(lambda: len(yard.store.settled) == 2)
    assert [payload["attach"] for payload, _ in channel.got] == [[{**FILE, "content": b"%PDF-"}]] * 2
    assert (await yard.get(name)).payload["attach"] == [FILE]


async def test_a_refused_recipient_who_goes_on_alone_gets_the_file_too(yard):
    channel = yard.channel("mail", kind="email")
    refusal = Refusal(recipient="full@example.com", reason=Reason.DEFERRED)
    channel.answers.append(Receipt(status=250, refusals=(refusal,)))
    await put_mail_with_a_file(yard)
    await yard.start()
    await yard.until(lambda: len(yard.store.settled) == 1)
    assert await yard.store.release_documents() == 0
    await yard.later(60)
    await yard.until(lambda: len(yard.store.settled) == 2)
    part, _ = channel.got[1]
    assert part["recipients"] == ["full@example.com"]
    assert part["attach"] == [{**FILE, "content": b"%PDF-"}]


async def test_a_mail_whose_file_is_gone_is_sent_without_it_and_says_so(yard):
    channel = yard.channel("mail", kind="email")
    name = await put_mail_with_a_file(yard, keep=False)
    await yard.start()
    await yard.until(lambda: len(yard.store.settled) == 1)
    ((payload, _),) = channel.got
    assert payload["attach"] == []
    assert "proof-1.pdf is not there any more" in payload["text"]
    assert (await yard.get(name)).state is SENT


async def test_a_file_that_cannot_be_read_now_is_read_at_the_next_try(yard):
    channel = yard.channel("mail", kind="email")
    name = await put_mail_with_a_file(yard)
    faults = [StoreUnavailable("no")]

    def fault(what: str) -> None:
        if what == "document" and faults:
            raise faults.pop()

    yard.store.fault = fault
    await yard.start()
    await yard.until(lambda: len(yard.store.settled) == 1)
    (attempt,) = await yard.store.attempts(name)
    assert (attempt.reason, channel.got) == (Reason.INTERNAL, [])
    await yard.later(60)
    await yard.until(lambda: len(yard.store.settled) == 2)
    assert channel.got[0][0]["attach"][0]["content"] == b"%PDF-"
    assert metric(yard, "memonotify_channel_breaker_open", channel="mail") == 0


async def test_all_of_many_are_sent_once_and_never_more_at_once_than_allowed(yard):
    channel = yard.channel("erp", concurrency=3)
    await yard.put("erp", 100)
    await yard.start()
    await yard.until(lambda: len(yard.store.settled) == 100)
    assert len({identity for _, identity in channel.got}) == len(channel.got) == 100
    assert channel.most_in_flight == 3
    assert yard.store.claims < 60


async def test_what_is_due_later_is_sent_when_its_time_comes(yard):
    channel = yard.channel("erp")
    await yard.put("erp", in_s=12)
    await yard.start()
    await yard.later(11.9)
    assert channel.got == []
    await yard.later(0.2)
    await yard.until(lambda: len(channel.got) == 1)


class CrossingClock(ManualClock):
    """Time passes while the lane reads it: after so many readings it is a millisecond later."""

    readings = -1

    def monotonic(self) -> float:
        self.readings -= 1
        if self.readings == 0:
            self.advance(0.001)
        return super().monotonic()


@pytest.mark.parametrize("readings", range(1, 16))
async def test_a_timer_that_rings_a_moment_early_loses_nothing(tmp_path, readings):
    clock = CrossingClock()
    async with WatchedStore(f"sqlite:///{tmp_path}/m.db", clock=clock) as store:
        yard = Yard(store, clock)
        channel = yard.channel("slack")
        channel.answers.append(SendError(Reason.RATE_LIMITED, retry_after_s=20))
        courier = await yard.start()
        await yard.put("slack")
        await yard.until(lambda: len(store.settled) == 1)
        await yard.later(19.9995)
        for _, sleeper in yard.pause.sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        clock.readings = readings
        await yard.rest()
        await yard.later(0.5)
        got = len(channel.got)
        await courier.stop(0)
    assert got == 2


async def test_a_hint_that_was_lost_costs_half_a_minute_at_most(yard):
    channel = yard.channel("erp")
    await yard.start()
    await yard.rest()
    await yard.put("erp", wake=False)
    await yard.later(30)
    await yard.until(lambda: len(channel.got) == 1)


async def test_an_idle_lane_leaves_the_store_in_peace(yard):
    yard.channel("erp")
    await yard.start()
    await yard.rest()
    claims = yard.store.claims
    for _ in range(29):
        await yard.later(1)
    assert yard.store.claims == claims


async def test_a_failure_for_a_time_is_tried_again_with_the_same_identity(yard):
    channel = yard.channel("erp")
    channel.answers.extend([SendError(Reason.SERVER_ERROR, "HTTP 500", status=500), TIMEOUT])
    await yard.start()
    (name,) = await yard.put("erp")
    await yard.until(lambda: len(yard.store.settled) == 1)
    first = await yard.get(name)
    assert (first.state, first.reason) == (PENDING, Reason.SERVER_ERROR)
    assert timedelta(seconds=5) <= first.due_at - yard.clock.now() <= timedelta(seconds=7.5)
    await yard.later(4.9)
    assert len(channel.got) == 1
    await yard.later(2.7)
    await yard.until(lambda: len(yard.store.settled) == 2)
    await yard.later(15.1)
    await yard.until(lambda: len(yard.store.settled) == 3)
    assert (await yard.get(name)).state is SENT
    assert {identity for _, identity in channel.got} == {name}
    assert [attempt.number for attempt in await yard.store.attempts(name)] == [1, 2, 3]


async def test_a_permanent_failure_is_a_dead_letter_at_once_and_somebody_is_to_be_told(yard):
    channel = yard.channel("erp")
    channel.answers.append(SendError(Reason.REJECTED, "HTTP 422", status=422))
    courier = await yard.start()
    told: list[bool] = []
    courier.on_failures = lambda: told.append(True)
    (name,) = await yard.put("erp")
    await yard.until(lambda: bool(told))
    assert (await yard.get(name)).state is DEAD
    (failure,) = await yard.store.untold_failures()
    assert (failure.kind, failure.delivery_id, failure.reason) == (FailureKind.DEAD_LETTER, name, Reason.REJECTED)
    assert metric(yard, "memonotify_deliveries_settled_total", channel="erp", state="dead") == 1


async def test_a_notice_that_dies_raises_no_failure(yard):
    channel = yard.channel("erp")
    channel.always = SendError(Reason.REJECTED)
    await yard.start()
    await yard.put("erp", branch=Branch.FAILURE)
    await yard.until(lambda: len(yard.store.settled) == 1)
    assert await yard.store.untold_failures() == []


async def test_one_refused_recipient_is_a_dead_letter_and_another_is_tried_again_alone(yard):
    channel = yard.channel("mail", kind="email")
    channel.answers.append(
        Receipt(
            status=250,
            refusals=(
                Refusal(recipient="gone@example.com", reason=Reason.REJECTED, status=550),
                Refusal(recipient="busy@example.com", reason=Reason.DEFERRED, status=450),
            ),
        )
    )
    await yard.start()
    payload = {"to": ["cfo@example.com", "gone@example.com", "busy@example.com"], "subject": "s", "text": "t"}
    (name,) = await yard.put("mail", notification=Notification(channel="mail", payload=payload))
    await yard.until(lambda: len(yard.store.settled) == 1)
    await yard.later(7.6)
    await yard.until(lambda: len(yard.store.settled) == 2)
    assert channel.got[1:] == [({**payload, "recipients": ["busy@example.com"]}, name)]
    deliveries = await yard.store.deliveries()
    by_recipient = {tuple(each.payload.get("recipients", ())): each.state for each in deliveries}
    assert by_recipient == {(): SENT, ("gone@example.com",): DEAD, ("busy@example.com",): SENT}
    assert {each.identity for each in deliveries} == {name}
    (failure,) = await yard.store.untold_failures()
    assert "gone@example.com" in failure.detail


async def test_a_channel_that_hangs_delays_no_other(yard):
    stuck, well = yard.channel("stuck", concurrency=64), yard.channel("well", concurrency=8)
    stuck.gate.clear()
    await yard.start()
    await yard.put("stuck", 200)
    await yard.until(lambda: stuck.in_flight > 20)
    await yard.put("well", 200)
    await yard.until(lambda: len(well.got) == 200 and well.in_flight == 0)
    assert well.most_in_flight == 8


@pytest.mark.parametrize(
    ("wanted", "bound", "given"),
    [
        ({"a": 2, "b": 8}, 64, {"a": 2, "b": 8}),
        ({"a": 100, "b": 100}, 64, {"a": 32, "b": 32}),
        ({"a": 2, "b": 500, "c": 20}, 64, {"a": 2, "c": 20, "b": 42}),
        ({"a": 5, "b": 5, "c": 5}, 2, {"a": 1, "b": 1, "c": 1}),
        ({}, 64, {}),
    ],
)
def test_the_sends_at_once_are_divided_so_that_no_lane_can_take_anothers(wanted, bound, given):
    assert shares(wanted, bound) == given


async def test_while_a_channel_is_down_nothing_is_claimed_and_nothing_used_up(yard):
    channel = yard.channel("erp", concurrency=2)
    channel.always = SendError(Reason.UNREACHABLE)
    courier = await yard.start()
    names = await yard.put("erp", 12)
    await yard.until(lambda: courier.breakers()["erp"] == "open")
    await yard.rest()
    tried = len(channel.got)
    assert tried <= 6
    assert metric(yard, "memonotify_channel_breaker_open", channel="erp") == 1
    claims = yard.store.claims
    for _ in range(4):
        await yard.put("erp")
        await yard.later(1)
    assert (len(channel.got), yard.store.claims) == (tried, claims)
    states = [await yard.get(name) for name in names]
    assert sum(each.attempts for each in states) == tried
    assert {each.state for each in states} == {PENDING}


async def test_a_channel_that_heals_is_found_by_one_probe_and_gets_everything(yard):
    channel = yard.channel("erp", concurrency=2)
    channel.always = SendError(Reason.TIMEOUT)
    courier = await yard.start()
    await yard.put("erp", 30)
    await yard.until(lambda: courier.breakers()["erp"] == "open")
    await yard.rest()
    tried = len(channel.got)
    await yard.later(7.6)
    await yard.until(lambda: len(channel.got) == tried + 1 and courier.breakers()["erp"] == "open")
    channel.always = Receipt(status=200)
    channel.gate.clear()
    await yard.later(15.1)
    await yard.until(lambda: channel.in_flight == 1)
    await yard.rest()
    assert (channel.in_flight, courier.breakers()["erp"]) == (1, "half-open")
    channel.gate.set()
    await yard.until(lambda: courier.breakers()["erp"] == "closed")
    for _ in range(10):
        await yard.later(15)
    assert len({identity for _, identity in channel.got}) == 30
    assert {each.state for each in await yard.store.deliveries(limit=100)} == {SENT}
    assert metric(yard, "memonotify_channel_breaker_open", channel="erp") == 0


async def test_a_dead_letter_does_not_open_the_breaker(yard):
    channel = yard.channel("erp")
    channel.always = SendError(Reason.AUTH, status=401)
    courier = await yard.start()
    await yard.put("erp", 20)
    await yard.until(lambda: len(yard.store.settled) == 20)
    assert courier.breakers() == {"erp": "closed"}
    assert {each.state for each in await yard.store.deliveries()} == {DEAD}


async def test_a_receiver_that_asks_for_quiet_gets_it_for_the_whole_channel(yard):
    channel = yard.channel("slack", concurrency=1)
    channel.answers.append(SendError(Reason.RATE_LIMITED, status=429, retry_after_s=30))
    await yard.start()
    names = await yard.put("slack", 5)
    await yard.until(lambda: len(yard.store.settled) == 1)
    await yard.later(29.9)
    assert len(channel.got) == 1
    assert sum([(await yard.get(name)).attempts for name in names]) == 1
    await yard.later(0.2)
    await yard.until(lambda: len(channel.got) == 6)


async def test_a_channel_with_a_pace_is_fed_at_that_pace(yard):
    channel = yard.channel("slack", concurrency=1, rate=Rate(count=1, per_s=1))
    await yard.start()
    await yard.put("slack", 5)
    await yard.rest()
    for expected in range(1, 6):
        assert len(channel.got) == expected
        await yard.later(0.5)
        assert len(channel.got) == expected
        await yard.later(0.5)


async def test_a_stop_gives_unused_claims_back_and_waits_for_what_is_in_flight(yard):
    channel = yard.channel("erp", concurrency=1)
    channel.gate.clear()
    courier = await yard.start()
    first, second = await yard.put("erp", 2)
    await yard.until(lambda: courier.states()["erp"].waiting == 1 and channel.in_flight == 1)
    stopping = asyncio.create_task(courier.stop(30))
    await yard.rest()
    channel.gate.set()
    await stopping
    held = await yard.get(first), await yard.get(second)
    done, back = sorted(held, key=lambda each: each.state, reverse=True)
    assert (done.state, done.attempts) == (SENT, 1)
    assert (back.state, back.attempts) == (PENDING, 0)


async def test_a_stop_does_not_wait_for_a_receiver_that_hangs(yard):
    channel = yard.channel("erp", concurrency=1)
    channel.gate.clear()
    courier = await yard.start()
    (name,) = await yard.put("erp")
    await yard.until(lambda: channel.in_flight == 1)
    with capture_logs() as logs:
        await courier.stop(0)
    assert logs == [{"event": "courier_cut", "log_level": "warning", "erp": 1}]
    assert channel.in_flight == 0
    left = await yard.get(name)
    assert (left.state, left.attempts) == (SENDING, 1)
    await yard.store.void_claims()
    channel.gate.set()
    await yard.start()
    await yard.until(lambda: len(yard.store.settled) == 1)
    assert [identity for _, identity in channel.got] == [name, name]


async def test_a_stop_at_once_says_nothing_where_nothing_is_in_flight(yard):
    yard.channel("erp")
    courier = await yard.start()
    with capture_logs() as logs:
        await courier.stop(0)
    assert logs == []


@pytest.mark.parametrize("fault", [RuntimeError("https://hooks.example.com/secret"), asyncio.CancelledError()])
async def test_a_fault_in_a_channel_is_one_failed_attempt_and_its_text_is_never_told(yard, fault):
    channel = yard.channel("erp")
    channel.answers.append(fault)
    await yard.start()
    with capture_logs() as logs:
        (name,) = await yard.put("erp")
        await yard.until(lambda: len(yard.store.settled) == 1)
        await yard.rest()
    delivery = await yard.get(name)
    assert (delivery.state, delivery.reason) == (PENDING, Reason.INTERNAL)
    assert type(fault).__name__ in delivery.detail
    assert "secret" not in repr(logs) + delivery.detail
    await yard.later(7.6)
    await yard.until(lambda: len(yard.store.settled) == 2)
    assert (await yard.get(name)).state is SENT


async def test_a_channel_that_never_answers_is_a_timeout(yard):
    channel = yard.channel("erp", timeout_s=10)
    channel.gate.clear()
    asked: list[float] = []

    def bound(seconds: float) -> contextlib.AbstractAsyncContextManager[object]:
        asked.append(seconds)
        return asyncio.timeout(0)

    await yard.start(bound=bound)
    (name,) = await yard.put("erp")
    await yard.until(lambda: len(yard.store.settled) == 1)
    assert (await yard.get(name)).reason is Reason.TIMEOUT
    assert asked == [12.0]
    assert channel.in_flight == 0


def away(*operations: str):
    def fault(operation: str) -> None:
        if operation in operations:
            raise StoreUnavailable("the disk is full")

    return fault


async def test_a_result_the_store_cannot_take_is_kept_and_the_message_is_not_sent_again(yard):
    channel = yard.channel("erp", concurrency=1)
    await yard.start()
    yard.store.fault = away("settle")
    names = await yard.put("erp", 5)
    await yard.until(lambda: len(channel.got) >= 1)
    await yard.rest()
    tried, claims = len(channel.got), yard.store.claims
    for _ in range(10):
        await yard.later(10)
    assert len(channel.got) == tried
    assert yard.store.claims == claims
    yard.store.fault = lambda _: None
    for _ in range(4):
        await yard.later(1)
    await yard.until(lambda: len(yard.store.settled) == 5)
    assert sorted(identity for _, identity in channel.got) == sorted(names)
    assert {(await yard.get(name)).state for name in names} == {SENT}


async def test_a_store_that_cannot_claim_is_asked_again(yard):
    channel = yard.channel("erp")
    yard.store.fault = away("claim")
    with capture_logs() as logs:
        await yard.start()
        await yard.put("erp")
        for _ in range(5):
            await yard.later(1)
    assert [log["event"] for log in logs] == ["lane_stumbled"]
    yard.store.fault = lambda _: None
    await yard.later(1.1)
    await yard.until(lambda: len(channel.got) == 1)


async def test_a_send_that_lasts_keeps_its_lease(yard):
    channel = yard.channel("mail", concurrency=1, timeout_s=300)
    channel.gate.clear()
    await yard.start()
    (name,) = await yard.put("mail")
    await yard.until(lambda: channel.in_flight == 1)
    for _ in range(20):
        await yard.later(5)
        assert (await yard.get(name)).lease_until > yard.clock.now()
    channel.gate.set()
    await yard.until(lambda: len(yard.store.settled) == 1)
    assert (len(channel.got), (await yard.get(name)).state) == (1, SENT)


async def test_a_machine_that_slept_through_its_leases_sends_nothing_twice(yard):
    channel = yard.channel("erp", concurrency=2)
    channel.gate.clear()
    await yard.start()
    await yard.put("erp")
    await yard.until(lambda: channel.in_flight == 1)
    await yard.later(3600)
    await yard.put("erp")
    await yard.until(lambda: channel.in_flight == 2)
    channel.gate.set()
    await yard.until(lambda: len(yard.store.settled) == 2)
    assert len({identity for _, identity in channel.got}) == len(channel.got) == 2


async def test_an_outcome_that_comes_after_the_lease_was_lost_changes_nothing(yard):
    channel = yard.channel("erp", concurrency=1)
    channel.gate.clear()
    channel.answers.append(SendError(Reason.REJECTED))
    await yard.start()
    (name,) = await yard.put("erp")
    await yard.until(lambda: channel.in_flight == 1)
    await yard.store.void_claims()
    (other,) = await yard.store.claim("erp", limit=1, lease_s=30)
    with capture_logs() as logs:
        channel.gate.set()
        await yard.until(lambda: len(yard.store.settled) == 1)
        await yard.rest()
    delivery = await yard.get(name)
    assert (delivery.state, delivery.lease) == (SENDING, other.lease)
    assert await yard.store.untold_failures() == []
    assert [log["event"] for log in logs] == ["delivery_lease_lost"]


async def test_an_outcome_does_not_wait_for_a_neighbour_that_hangs(yard):
    channel = yard.channel("erp", concurrency=2)
    channel.gate.clear()
    courier = await yard.start()
    await yard.put("erp", 2)
    await yard.until(lambda: channel.in_flight == 2)
    channel.gate.set()
    await asyncio.sleep(0)
    channel.gate.clear()
    await yard.put("erp", 1)
    await yard.until(lambda: channel.in_flight == 1)
    await yard.later(0.03)
    await yard.until(lambda: len(yard.store.settled) == 2)
    assert courier.states()["erp"].sending == 1
    channel.gate.set()


async def test_outcomes_and_claims_share_transactions(yard):
    yard.channel("erp", concurrency=8)
    await yard.put("erp", 400)
    await yard.start()
    await yard.until(lambda: len(yard.store.settled) == 400)
    assert yard.store.claims <= 60


async def test_a_claim_lost_before_it_was_sent_is_not_sent(yard):
    channel = yard.channel("erp", concurrency=1)
    channel.gate.clear()
    courier = await yard.start()
    await yard.put("erp", 2)
    await yard.until(lambda: courier.states()["erp"].waiting == 1)
    await yard.store.void_claims()
    taken = await yard.store.claim("erp", limit=2, lease_s=3600)
    assert len(taken) == 2
    for _ in range(3):
        await yard.later(5)
    channel.gate.set()
    await yard.rest()
    assert len(channel.got) == 1


async def test_a_wake_for_a_channel_that_is_no_more_does_nothing(yard):
    yard.channel("erp")
    courier = await yard.start()
    courier.wake(["gone", "erp"])
    await yard.rest()
    assert courier.breakers() == {"erp": "closed"}
