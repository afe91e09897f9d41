"""What is due by the clock, on every backend: in step with the rules, and written once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from fakes import ManualClock
from storeparts import HOUR, START, a_delivery, a_failure

from memonotify.model import FailureKind
from memonotify.schedules import Made, Realignment, Schedule
from memonotify.store import Store

DUE = START + HOUR
MORNING = Schedule(workspace="acme", rule="morning", digest="a", due_at=DUE, try_at=DUE)
NEXT = replace(MORNING, due_at=DUE + 24 * HOUR, try_at=DUE + 24 * HOUR, last_at=DUE)


async def test_schedules_are_listed_as_they_were_written_the_earliest_try_first(store: Store) -> None:
    early = replace(MORNING, workspace="zeta", try_at=START, last_at=START - HOUR, attempts=2)
    await store.realign_schedules(Realignment(added=(MORNING, early)))
    assert await store.schedules() == [early, MORNING]


async def test_a_schedule_that_is_there_already_is_not_added_over(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    await store.realign_schedules(Realignment(added=(NEXT,)))
    assert await store.schedules() == [MORNING]


async def test_realigning_leaves_alone_what_is_not_as_it_was_read(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    stale = replace(MORNING, due_at=DUE - HOUR)
    await store.realign_schedules(Realignment(changed=((stale, NEXT),), removed=(stale,)))
    assert await store.schedules() == [MORNING]
    await store.realign_schedules(Realignment(changed=((MORNING, replace(NEXT, digest="b")),)))
    assert await store.schedules() == [replace(NEXT, digest="b")]
    await store.realign_schedules(Realignment(removed=(replace(NEXT, digest="b"),)))
    assert await store.schedules() == []


async def test_what_a_job_made_and_its_next_moment_are_written_together(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    made = Made(
        deliveries=(a_delivery("", rule="morning"),),
        failures=(a_failure(FailureKind.DECISION_FAILED, rule="morning", event_id="", channel=""),),
    )
    assert await store.complete_schedule(MORNING, NEXT, made)
    assert await store.schedules() == [NEXT]
    assert [delivery.rule for delivery in await store.deliveries()] == ["morning"]
    assert [failure.rule for failure in await store.untold_failures()] == ["morning"]


async def test_of_two_that_ran_the_same_moment_one_writes(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    made = [Made(deliveries=(a_delivery(f"run{number}", rule="morning"),)) for number in range(2)]
    written = await asyncio.gather(*(store.complete_schedule(MORNING, NEXT, each) for each in made))
    assert sorted(written) == [False, True]
    assert len(await store.deliveries()) == 1


async def test_a_job_whose_rule_is_gone_meanwhile_writes_nothing(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    await store.realign_schedules(Realignment(removed=(MORNING,)))
    assert not await store.complete_schedule(MORNING, NEXT, Made(deliveries=(a_delivery(),)))
    assert await store.deliveries() == []


async def test_a_schedule_that_is_never_due_again_goes_with_its_last_run(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    assert await store.complete_schedule(MORNING, None, Made())
    assert await store.schedules() == []


async def test_a_run_put_off_counts_and_fences_the_one_before(store: Store) -> None:
    await store.realign_schedules(Realignment(added=(MORNING,)))
    later = replace(MORNING, try_at=DUE + timedelta(seconds=30), attempts=1)
    assert await store.put_off_schedule(MORNING, later)
    assert await store.schedules() == [later]
    assert not await store.put_off_schedule(MORNING, later)
    assert not await store.complete_schedule(MORNING, NEXT, Made())


async def test_two_nodes_on_one_database_write_what_a_moment_led_to_once(postgres_url: str, clock: ManualClock) -> None:
    async with Store(postgres_url, clock=clock) as first, Store(postgres_url, clock=clock) as second:
        await first.realign_schedules(Realignment(added=(MORNING,)))
        made = [Made(deliveries=(a_delivery(f"run{number}", rule="morning"),)) for number in range(2)]
        written = await asyncio.gather(
            first.complete_schedule(MORNING, NEXT, made[0]), second.complete_schedule(MORNING, NEXT, made[1])
        )
        assert sorted(written) == [False, True]
        assert len(await first.deliveries()) == 1
        assert await second.schedules() == [NEXT]
