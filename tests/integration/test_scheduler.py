"""The scheduler on a real store, with jobs of the test's own: nothing here knows of reports."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import ManualClock

from memonotify.engine.scheduler import GRACE, LOOK_S, PATIENCE, Scheduler
from memonotify.metrics import Metrics
from memonotify.model import Branch, NewDelivery, Notification, delivery_id
from memonotify.schedules import Made, NotYet, Occasion
from memonotify.store import Store
from memonotify.timetable import Timetable

START = ManualClock().now()
EIGHT = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
DAY_S, HOUR_S = 86400.0, 3600.0


@dataclass
class AJob:
    """A job that makes one message, or what the test puts into `answers`."""

    schedule: str = "0 8 * * *"
    workspace: str = "acme"
    rule: str = "morning"
    answers: list[NotYet | Exception] = field(default_factory=list)
    ran: list[Occasion] = field(default_factory=list)
    gate: asyncio.Event | None = None
    makes_up: bool = False

    @property
    def digest(self) -> str:
        return self.schedule

    def next_after(self, moment: datetime) -> datetime | None:
        return Timetable(self.schedule, "UTC").next_after(moment)

    async def run(self, occasion: Occasion) -> Made | NotYet:
        self.ran.append(occasion)
        if self.gate is not None:
            await self.gate.wait()
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        made = NewDelivery(
            id=delivery_id(self.workspace, occasion.due_at.isoformat(), self.rule, Branch.NOTIFY, 0),
            workspace=self.workspace,
            event_id="",
            rule=self.rule,
            branch=Branch.NOTIFY,
            entry=0,
            notification=Notification(channel="mail", payload={"text": "good morning"}),
            created_at=occasion.now,
            due_at=occasion.now,
        )
        return Made(deliveries=(made,))

    @property
    def moments(self) -> list[datetime]:
        return [occasion.due_at for occasion in self.ran]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path}/store.db", clock=clock) as opened:
        yield opened


class Stage:
    """A scheduler whose jobs a test changes, with what it woke."""

    def __init__(self, store: Store, clock: ManualClock, *jobs: AJob, leads: bool = True) -> None:
        self.jobs, self.leads = list(jobs), leads
        self.store, self._clock = store, clock
        self.woken: list[str] = []
        self.scheduler = Scheduler(
            store=store,
            jobs=lambda: self.jobs,
            on_deliveries=self.woken.extend,
            clock=clock,
            metrics=Metrics(),
            random=random.Random(1),
            leads=lambda: self.leads,
        )

    async def look(self, *, after_s: float = 0.0) -> float:
        self._clock.advance(after_s)
        until_s = await self.scheduler.look()
        await self.scheduler.idle()
        return until_s

    async def at(self, moment: datetime) -> float:
        return await self.look(after_s=(moment - self._clock.now()).total_seconds())


async def test_a_new_rule_is_due_at_its_first_moment_from_now_on(store: Store, clock: ManualClock) -> None:
    stage = Stage(store, clock, job := AJob())
    assert await stage.look() == LOOK_S
    (schedule,) = await store.schedules()
    assert (schedule.due_at, schedule.last_at) == (EIGHT, None)
    assert job.ran == []
    assert await stage.at(EIGHT - timedelta(seconds=2)) == 2.0
    await stage.at(EIGHT)
    assert job.moments == [EIGHT]
    assert stage.woken == ["mail"]
    (schedule,) = await store.schedules()
    assert (schedule.due_at, schedule.last_at, schedule.attempts) == (EIGHT + timedelta(days=1), EIGHT, 0)


async def test_a_moment_runs_once_however_often_it_is_looked_at(store: Store, clock: ManualClock) -> None:
    stage = Stage(store, clock, job := AJob())
    await stage.look()
    for _ in range(3):
        await stage.at(EIGHT)
    assert job.moments == [EIGHT]
    assert len(await store.deliveries()) == 1


async def test_a_changed_schedule_is_reckoned_anew_and_a_rule_that_is_gone_forgotten(
    store: Store, clock: ManualClock
) -> None:
    stage = Stage(store, clock, AJob(), AJob(rule="evening", schedule="0 18 * * *"))
    await stage.look()
    stage.jobs = [changed := AJob(schedule="0 10 * * *")]
    await stage.look()
    assert [(one.rule, one.due_at.hour) for one in await store.schedules()] == [("morning", 10)]
    await stage.at(datetime(2026, 3, 2, 10, tzinfo=UTC))
    assert len(changed.ran) == 1


async def test_a_moment_missed_within_the_grace_is_made_up_for_once(store: Store, clock: ManualClock) -> None:
    await Stage(store, clock, AJob()).look()
    stage = Stage(store, clock, job := AJob())
    await stage.at(EIGHT + GRACE)
    assert job.moments == [EIGHT]


async def test_a_moment_missed_longer_ago_is_left_out(store: Store, clock: ManualClock) -> None:
    await Stage(store, clock, AJob()).look()
    stage = Stage(store, clock, job := AJob())
    await stage.at(EIGHT + GRACE + timedelta(seconds=1))
    assert job.ran == []
    assert [one.due_at for one in await store.schedules()] == [EIGHT + timedelta(days=1)]


async def test_of_many_missed_moments_the_last_one_runs(store: Store, clock: ManualClock) -> None:
    await Stage(store, clock, AJob(schedule="*/10 * * * *")).look()
    stage = Stage(store, clock, job := AJob(schedule="*/10 * * * *"))
    await stage.look(after_s=5 * DAY_S + 300)
    assert job.moments == [START + timedelta(days=5)]
    await stage.look(after_s=300)
    assert job.moments[1:] == [START + timedelta(days=5, minutes=10)]
    assert job.ran[1].last_at == START + timedelta(days=5)


async def test_what_cannot_be_done_yet_is_tried_again_with_growing_waits_and_then_for_the_last_time(
    store: Store, clock: ManualClock
) -> None:
    stage = Stage(store, clock, job := AJob(answers=[NotYet(reason="the bank is away")] * 100))
    await stage.look()
    await stage.at(EIGHT)
    waits = []
    while not job.ran[-1].is_last:
        (schedule,) = await store.schedules()
        waits.append((schedule.try_at - clock.now()).total_seconds())
        await stage.at(schedule.try_at)
    assert waits[:3] == sorted(waits[:3])
    assert waits[0] >= PATIENCE.first_s
    assert job.ran[-1].now == EIGHT + timedelta(seconds=PATIENCE.give_up_after_s)
    assert {occasion.due_at for occasion in job.ran} == {EIGHT}
    assert [one.due_at for one in await store.schedules()] == [EIGHT + timedelta(days=1)]


async def test_a_try_never_outlasts_the_next_moment(store: Store, clock: ManualClock) -> None:
    stage = Stage(store, clock, job := AJob(schedule="* * * * *", answers=[NotYet(reason="away", after_s=600)]))
    await stage.look()
    await stage.look(after_s=60)
    await stage.look(after_s=60)
    assert [(occasion.due_at.minute, occasion.is_last) for occasion in job.ran] == [(1, False), (1, True)]
    await stage.look()
    assert job.ran[-1].due_at.minute == 2


async def test_a_fault_in_a_job_is_told_and_holds_up_no_other(store: Store, clock: ManualClock) -> None:
    broken = AJob(schedule="* * * * *", rule="broken", answers=[RuntimeError("ours"), RuntimeError("ours")])
    stage = Stage(store, clock, broken, sound := AJob(schedule="* * * * *"))
    await stage.look()
    await stage.look(after_s=60)
    await stage.look(after_s=60)
    assert len(sound.ran) == 2
    (failure,) = await store.untold_failures()
    assert (failure.rule, failure.detail) == ("broken", "its schedule could not be kept: unexpected RuntimeError")


async def test_a_node_that_does_not_lead_runs_nothing(store: Store, clock: ManualClock) -> None:
    stage = Stage(store, clock, job := AJob(), leads=False)
    await stage.look()
    assert await store.schedules() == []
    stage.leads = True
    await stage.look()
    stage.leads = False
    await stage.at(EIGHT)
    assert job.ran == []


async def test_two_nodes_that_both_believe_to_lead_make_it_once(store: Store, clock: ManualClock) -> None:
    stages = [Stage(store, clock, AJob()) for _ in range(2)]
    for stage in stages:
        await stage.look()
    clock.advance((EIGHT - clock.now()).total_seconds())
    await asyncio.gather(*(stage.scheduler.look() for stage in stages))
    for stage in stages:
        await stage.scheduler.idle()
    assert [len(stage.jobs[0].ran) for stage in stages] == [1, 1]
    assert len(await store.deliveries()) == 1
    assert sorted(stage.woken for stage in stages) == [[], ["mail"]]


async def test_a_job_that_is_cut_short_by_a_stop_runs_again_at_the_next_start(store: Store, clock: ManualClock) -> None:
    stage = Stage(store, clock, slow := AJob(gate=asyncio.Event()))
    await stage.look()
    clock.advance((EIGHT - clock.now()).total_seconds())
    await stage.scheduler.look()
    await asyncio.sleep(0)
    await stage.scheduler.stop(0)
    assert slow.moments == [EIGHT]
    assert await store.deliveries() == []
    await Stage(store, clock, job := AJob()).look()
    assert job.moments == [EIGHT]
