"""The scheduler: runs each rule that is due by the clock, once, on the node that leads.

In: the jobs of the rules in force, and the store's schedules. Out: deliveries and the moment after them, written in
one transaction that is void where the row is not the one that was read; so two nodes that both believe to lead make a
report once. What could not be done is tried again with growing waits. The app starts and stops it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

from memonotify.config.values import Retry
from memonotify.errors import Reason, StoreError
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Clock, DeliveryState, Failure, FailureKind
from memonotify.policies.waits import wait_s
from memonotify.schedules import Job, Made, NotYet, Occasion, Realignment, Schedule

GRACE: Final = timedelta(hours=6)
"""A moment that was missed, as nothing ran, is made up for within this time. A morning's report is still of use after
lunch; the next day another one is due, and two at once would only be taken for an error."""

MOST_MADE_UP: Final = 7
"""Of a job that makes up for what it missed, so many moments at most, the last ones: a week of days."""

PATIENCE: Final = Retry(first_s=30.0, max_s=600.0, give_up_after_s=3600.0)
"""For so long a job that says "not yet" is tried again: who waits for the balances at eight needs to know at nine that
there are none."""

LONGEST_S: Final = 300.0
"""No job runs longer."""

LOOK_S: Final = 5.0
"""How often the rules in force are looked at; what is due earlier wakes it earlier."""

_LEAST_S: Final = 0.05

Key = tuple[str, str]


class Shelf(Protocol):
    """What is used of the store."""

    async def schedules(self) -> list[Schedule]: ...
    async def realign_schedules(self, wish: Realignment) -> None: ...
    async def put_off_schedule(self, before: Schedule, after: Schedule) -> bool: ...
    async def complete_schedule(self, before: Schedule, after: Schedule | None, made: Made) -> bool: ...


class Scheduler:
    """Runs jobs. `jobs` returns those of the rules in force, `leads` says whether this node runs them, `pause` waits
    for seconds, `bound` ends what takes longer than so many. For one event loop."""

    def __init__(
        self,
        *,
        store: Shelf,
        jobs: Callable[[], Sequence[Job]],
        on_deliveries: Callable[[Iterable[str]], None],
        clock: Clock,
        metrics: Metrics,
        random: Random,
        on_failures: Callable[[], None] = lambda: None,
        on_holds: Callable[[], None] = lambda: None,
        leads: Callable[[], bool] = lambda: True,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        bound: Callable[[float], AbstractAsyncContextManager[object]] = asyncio.timeout,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._on_deliveries = on_deliveries
        self._on_failures = on_failures
        self._on_holds = on_holds
        self._began_at = clock.now()
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._leads = leads
        self._pause = pause
        self._bound = bound
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="scheduler")

    async def stop(self, drain_s: float) -> None:
        """End; jobs that run have `drain_s` seconds. One that is cut short is run again at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        running = list(self._running.values())
        if running and drain_s > 0:
            await asyncio.wait(running, timeout=drain_s)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until no job runs."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _run(self) -> None:
        while True:
            until_s = LOOK_S
            try:
                until_s = await self.look()
            except StoreError as error:
                logger().warning("scheduler_waits", error=str(error))
            except Exception:  # noqa: BLE001 - logged with its traceback; the daemon goes on
                logger().exception("scheduler_failed")
            await self._pause(until_s)

    async def look(self) -> float:
        """Bring the schedules in step with the rules and begin what is due; return the seconds until the next look.

        Raises:
            StoreError: the store cannot be used now.
        """
        if not self._leads():
            return LOOK_S
        jobs = {(job.workspace, job.rule): job for job in self._jobs()}
        # One that ends while the rows are read has changed its own since.
        busy = set(self._running)
        kept = await self._in_step(jobs)
        now = self._clock.now()
        until_s = LOOK_S
        for schedule in kept:
            key = (schedule.workspace, schedule.rule)
            if key in busy or key in self._running or key not in jobs:
                continue
            left_s = (schedule.try_at - now).total_seconds()
            if left_s <= 0:
                self._begin(key, jobs[key], schedule)
            else:
                until_s = min(until_s, left_s)
        return max(until_s, _LEAST_S)

    async def _in_step(self, jobs: dict[Key, Job]) -> list[Schedule]:
        kept = await self._store.schedules()
        wish = realignment(kept, jobs, self._clock.now())
        if wish.is_empty:
            return kept
        await self._store.realign_schedules(wish)
        return await self._store.schedules()

    def _begin(self, key: Key, job: Job, schedule: Schedule) -> None:
        task = asyncio.create_task(self._in_peace(job, schedule), name=f"schedule-{job.rule}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _in_peace(self, job: Job, schedule: Schedule) -> None:
        """Run a job; a store that is away leaves it as it was, for the next look."""
        try:
            await self._run_job(job, schedule)
        except StoreError as error:
            logger().warning("schedule_not_written", rule=job.rule, workspace=job.workspace, error=str(error))

    async def _run_job(self, job: Job, schedule: Schedule) -> None:
        now = self._clock.now()
        due_at = _moment(job, schedule, now)
        if due_at is None:
            self._count(job, "missed")
            logger().warning(
                "schedule_missed", rule=job.rule, workspace=job.workspace, due_at=schedule.due_at.isoformat()
            )
            await self._store.complete_schedule(schedule, _next(job, schedule, now, ran=None), Made())
            return
        occasion = Occasion(
            due_at=due_at,
            last_at=schedule.last_at,
            now=now,
            is_last=now >= self._gives_up_at(job, due_at),
            begun_at=schedule.begun_at,
        )
        outcome = await self._outcome(job, occasion)
        if isinstance(outcome, NotYet) and not occasion.is_last:
            await self._put_off(job, schedule, due_at, outcome)
            return
        await self._write(job, schedule, occasion, outcome)

    async def _outcome(self, job: Job, occasion: Occasion) -> Made | NotYet:
        try:
            async with self._bound(LONGEST_S):
                return await job.run(occasion)
        except TimeoutError:
            return NotYet(reason=f"it took longer than {LONGEST_S:g} s")
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one job is told, and ends no other
            logger().exception("schedule_failed", rule=job.rule, workspace=job.workspace)
            return NotYet(reason=f"unexpected {type(error).__name__}")

    async def _put_off(self, job: Job, schedule: Schedule, due_at: datetime, outcome: NotYet) -> None:
        now = self._clock.now()
        later_s = wait_s(schedule.attempts + 1, PATIENCE, self._random, floor_s=outcome.after_s)
        # The last try falls on the moment of giving up, not somewhere behind it.
        try_at = max(min(now + timedelta(seconds=later_s), self._gives_up_at(job, due_at)), now)
        after = replace(schedule, due_at=due_at, try_at=try_at, attempts=schedule.attempts + 1)
        self._count(job, "put_off")
        logger().info(
            "schedule_put_off",
            rule=job.rule,
            workspace=job.workspace,
            reason=outcome.reason,
            try_at=try_at.isoformat(),
        )
        await self._store.put_off_schedule(schedule, after)

    async def _write(self, job: Job, schedule: Schedule, occasion: Occasion, outcome: Made | NotYet) -> None:
        failed = isinstance(outcome, NotYet)
        made = Made(failures=(self._failure(job, outcome),)) if isinstance(outcome, NotYet) else outcome
        after = _next(job, schedule, occasion.due_at, ran=occasion.due_at)
        if not await self._store.complete_schedule(schedule, after, made):
            logger().info("schedule_changed_meanwhile", rule=job.rule, workspace=job.workspace)
            return
        self._count(job, "failed" if failed else "made")
        logger().info(
            "schedule_ran",
            rule=job.rule,
            workspace=job.workspace,
            due_at=occasion.due_at.isoformat(),
            deliveries=len(made.deliveries),
        )
        if made.deliveries:
            pending = (new for new in made.deliveries if new.state is DeliveryState.PENDING)
            self._on_deliveries({new.notification.channel for new in pending})
        if any(new.hold is not None for new in made.deliveries):
            self._on_holds()
        if made.failures:
            self._on_failures()

    def _gives_up_at(self, job: Job, due_at: datetime) -> datetime:
        """Return until when a moment is tried for: no longer than until the next one; and where it is made up for, for
        as long as any other from when this process began, so that what comes in meanwhile is seen."""
        patience = timedelta(seconds=PATIENCE.give_up_after_s)
        if job.makes_up:
            return max(due_at, self._began_at) + patience
        following = job.next_after(due_at)
        return due_at + patience if following is None else min(due_at + patience, following)

    def _failure(self, job: Job, outcome: NotYet) -> Failure:
        return Failure(
            kind=FailureKind.DECISION_FAILED,
            workspace=job.workspace,
            event_id="",
            rule=job.rule,
            channel="",
            reason=Reason.INTERNAL,
            detail=f"its schedule could not be kept: {outcome.reason}",
            at=self._clock.now(),
        )

    def _count(self, job: Job, result: str) -> None:
        self._metrics.scheduled.labels(job.rule, result).inc()


def realignment(kept: Sequence[Schedule], jobs: dict[Key, Job], now: datetime) -> Realignment:
    """Return what brings the kept schedules in step with the jobs there are: a new rule is due at its first moment from
    now on, one whose schedule changed as well, one that is gone never."""
    known = {(schedule.workspace, schedule.rule): schedule for schedule in kept}
    added, changed, removed = [], [], []
    for key, job in jobs.items():
        before = known.get(key)
        if before is not None and before.digest == job.digest:
            continue
        due_at = job.next_after(now)
        if due_at is None:
            if before is not None:
                removed.append(before)
            continue
        last_at = None if before is None else before.last_at
        after = Schedule(
            workspace=job.workspace,
            rule=job.rule,
            digest=job.digest,
            due_at=due_at,
            try_at=due_at,
            last_at=last_at,
            begun_at=now,
        )
        if before is None:
            added.append(after)
        else:
            changed.append((before, after))
    removed += [schedule for key, schedule in known.items() if key not in jobs]
    return Realignment(added=tuple(added), changed=tuple(changed), removed=tuple(removed))


def _moment(job: Job, schedule: Schedule, now: datetime) -> datetime | None:
    """Return the moment to run for: of several that have passed the last one, None where that is too long ago."""
    if job.makes_up:
        return _made_up(job, schedule, now)
    if schedule.attempts and now - schedule.due_at <= GRACE:
        return schedule.due_at
    if now - schedule.due_at <= GRACE:
        found = schedule.due_at
    else:
        first = job.next_after(now - GRACE)
        if first is None or first > now:
            return None
        found = first
    while (following := job.next_after(found)) is not None and following <= now:
        found = following
    return found


def _made_up(job: Job, schedule: Schedule, now: datetime) -> datetime:
    """Return the first moment that nothing ran for, but none before the last few."""
    passed: deque[datetime] = deque([schedule.due_at], maxlen=MOST_MADE_UP)
    while (following := job.next_after(passed[-1])) is not None and following <= now:
        passed.append(following)
    return passed[0]


def _next(job: Job, schedule: Schedule, behind: datetime, *, ran: datetime | None) -> Schedule | None:
    due_at = job.next_after(behind)
    if due_at is None:
        return None
    return replace(schedule, due_at=due_at, try_at=due_at, attempts=0, last_at=ran or schedule.last_at)
