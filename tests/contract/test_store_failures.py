"""What somebody must hear of: kept until it was told, a rule's failed decisions once an hour."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from fakes import ManualClock
from storeparts import HOUR, START, a_delivery, a_failure, claimed, evaluated, settled, stored, written

from memonotify.errors import Reason
from memonotify.model import DeliveryState, Evaluation, Failure, FailureKind, Recorded
from memonotify.store import Store


async def _fail(store: Store, name: str, *failures: Failure) -> None:
    event = await stored(store, name)
    assert await store.record(Evaluation(event=event, evaluated_at=START, failures=failures)) is Recorded.WRITTEN


def _decision(minutes: float, rule: str = "low") -> Failure:
    at = START + timedelta(minutes=minutes)
    return a_failure(FailureKind.DECISION_FAILED, at=at, rule=rule, channel="", reason=Reason.TEMPLATE)


async def test_a_failure_comes_back_as_it_was_written(store: Store) -> None:
    failure = a_failure(delivery_id="d1")
    await _fail(store, "e1", failure)
    (found,) = await store.untold_failures()
    assert found.seq > 0
    assert found == Failure(
        kind=FailureKind.DEAD_LETTER,
        workspace="acme",
        event_id="e1",
        rule="big",
        channel="mail",
        reason=Reason.TIMEOUT,
        detail="no answer",
        at=START,
        seq=found.seq,
        delivery_id="d1",
    )


async def test_a_rules_failed_decision_is_kept_once_an_hour(store: Store) -> None:
    for n, minutes in enumerate((0, 30, 59.9, 60, 61)):
        await _fail(store, f"e{n}", _decision(minutes))
    assert [failure.at - START for failure in await store.untold_failures()] == [timedelta(), HOUR]


async def test_a_clock_that_was_set_back_silences_no_failed_decision(store: Store) -> None:
    await _fail(store, "e1", _decision(600))
    await _fail(store, "e2", _decision(0))
    assert len(await store.untold_failures()) == 2


async def test_another_rules_failed_decision_is_kept_beside_it(store: Store) -> None:
    await _fail(store, "e1", _decision(0, "low"), _decision(0, "high"))
    assert {failure.rule for failure in await store.untold_failures()} == {"low", "high"}


async def test_failed_decisions_that_arrive_together_are_kept_once(store: Store) -> None:
    await asyncio.gather(*(_fail(store, f"e{n}", _decision(n)) for n in range(8)))
    assert len(await store.untold_failures()) == 1


async def test_a_told_failure_still_keeps_the_hour(store: Store) -> None:
    await _fail(store, "e1", _decision(0))
    await store.told(await store.untold_failures())
    await _fail(store, "e2", _decision(10))
    assert await store.untold_failures() == []


async def test_every_dead_letter_is_kept(store: Store) -> None:
    for n in range(3):
        await _fail(store, f"e{n}", a_failure())
    assert len(await store.untold_failures()) == 3
    assert len(await store.untold_failures(2)) == 2


async def test_telling_writes_the_notice_and_remembers_when(store: Store, clock: ManualClock) -> None:
    await _fail(store, "e1", a_failure(), a_failure())
    assert await store.last_told_at() is None
    clock.advance(60)
    failures = await store.untold_failures()
    await store.told(failures[:1], [a_delivery("", id="notice-1", channel="ops")])
    assert [failure.seq for failure in await store.untold_failures()] == [failures[1].seq]
    assert await store.last_told_at() == START + timedelta(minutes=1)
    assert (await claimed(store, "ops")).id == "notice-1"
    assert (await store.counts()).untold == 1


async def test_a_dead_letter_and_its_failure_are_one(store: Store) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    assert await store.settle(settled(delivery, DeliveryState.DEAD, failures=(a_failure(),)))
    assert len(await store.untold_failures()) == 1


async def test_an_evaluation_that_was_recorded_before_fails_nobody_again(store: Store) -> None:
    event = await stored(store)
    evaluation = evaluated(event, failures=(a_failure(),))
    await store.record(evaluation)
    await store.record(evaluation)
    assert len(await store.untold_failures()) == 1
