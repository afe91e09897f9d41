"""The engine: takes committed events, evaluates them, writes what they lead to, wakes the courier.

In: events from the intake (`submit`) and from the store. Out: one Evaluation per event, in one transaction, and the
names of the channels that have something to send. The app starts and stops it.

Events that wait for the bank or for each other take one of their workspace's places (`places`), so no workspace's bank
delays another's events. An event that no rule's `match` fits never gets an evaluator: it is marked as evaluated
together with others like it, one store operation for all that came in within a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, Protocol, TypeVar

from prometheus_client import Counter as Metric

from memonotify.config.values import Retry
from memonotify.engine.backlog import MOST_WAIT_S, Backlog, EventSource
from memonotify.engine.evaluate import Evaluator, Hours, Memory, Work
from memonotify.engine.inquiry import Bank, PutOff
from memonotify.engine.places import PLACES, Places
from memonotify.errors import StoreUnavailable
from memonotify.headroom import Gate, Headroom
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Clock, DeliveryState, Evaluation, Event, Outcome, Recorded
from memonotify.policies.waits import wait_s
from memonotify.rules.values import Rule, Ruleset

T = TypeVar("T")

CONCURRENCY: Final = 4
"""Evaluators beside those for the workspaces' places: for events that wait for nobody."""

MAX_QUIET: Final = 512
"""Events without rules in one store operation, and how many are taken before other tasks get a turn."""

_QUIET_GATHER_S: Final = 0.02
_STORE_WAIT_S: Final = 0.5
_STORE_WAIT_MAX_S: Final = 5.0


class EngineStore(EventSource, Memory, Protocol):
    """What the engine uses of the store."""

    async def record(self, evaluation: Evaluation) -> Recorded: ...
    async def mark_evaluated(self, events: Sequence[Event], evaluated_at: datetime) -> None: ...
    async def hand_over(self, event: Event) -> None: ...
    async def postpone(self, event: Event, due_at: datetime, *, is_try: bool = True) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Whether the node that takes an event in evaluates it as well, and whether it belongs to those in order."""

    keep: bool
    in_order: bool


class Engine:
    """Evaluates events with a bounded number at a time: `concurrency`, and `PLACES` for each workspace that has a bank.
    For use on one event loop.

    `ruleset` is asked once per event, so that a reload takes effect with the next one. `on_deliveries` is told the
    channels after each transaction that made deliveries, `on_failures` hears of one that has a failed decision,
    `on_holds` of one with messages that wait. `hours` are the configuration's, by name. `is_filled` says whether a
    window has been filled from the past: the events of its rules wait until then. `pause` waits for seconds.
    Where several nodes share the store, `leads` says whether this one evaluates what must be in order, and the store is
    looked at every `look_s` seconds for events that nobody has.
    """

    def __init__(
        self,
        *,
        store: EngineStore,
        ruleset: Callable[[], Ruleset],
        banks: Mapping[str, Bank],
        resource_types: Mapping[str, str],
        retry: Retry,
        on_deliveries: Callable[[Iterable[str]], None],
        clock: Clock,
        metrics: Metrics,
        random: Random,
        headroom: Headroom,
        on_failures: Callable[[], None] = lambda: None,
        on_holds: Callable[[], None] = lambda: None,
        hours: Mapping[str, Hours] | None = None,
        is_filled: Callable[[str], bool] = lambda _window: True,
        leads: Callable[[], bool] = lambda: True,
        look_s: float = MOST_WAIT_S,
        concurrency: int = CONCURRENCY,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._ruleset = ruleset
        self._retry = retry
        self._on_deliveries = on_deliveries
        self._on_failures = on_failures
        self._on_holds = on_holds
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._concurrency = concurrency + PLACES * len(banks)
        self._pause = pause
        self._log = logger()
        self._leads = leads
        self._backlog = Backlog(store, clock=clock, pause=pause, look_s=look_s)
        self._evaluator = Evaluator(
            memory=store,
            banks=banks,
            resource_types=resource_types,
            retry=retry,
            clock=clock,
            random=random,
            hours=hours,
            is_filled=is_filled,
        )
        self._places = Places()
        self._headroom = headroom
        self._gates: dict[str, Gate] = {}
        self._reading = asyncio.Lock()
        self._quiet: list[Event] = []
        self._quiet_ready = asyncio.Event()
        self._quiet_room = asyncio.Event()
        self._counters: dict[str, Metric] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._busy: set[asyncio.Task[Any]] = set()
        self._waiting = 0
        self._in_hand: set[int] = set()
        self._stopping = False

    @property
    def backlog(self) -> int:
        """How many events are not yet evaluated, as far as is known here; after a start the store may hold more."""
        return len(self._backlog)

    def in_hand(self) -> frozenset[int]:
        """Return the numbers of the events that are under evaluation now, by the rules as they were at its start."""
        return frozenset(self._in_hand)

    def away(self) -> dict[str, str]:
        """Return the workspaces whose bank is taken to be away, each with why."""
        return self._evaluator.away()

    def plan(self, event_type: str, resource_type: str, workspace: str) -> Plan:
        """Say what is to become of an event that comes in, where several nodes share the store."""
        rules = self._ruleset().concerned(event_type, resource_type, workspace)
        in_order = any(rule.memories for rule in rules)
        return Plan(keep=self._backlog.has_room and (not in_order or self._leads()), in_order=in_order)

    def look(self) -> None:
        """Look into the store soon for events that nobody has."""
        self._backlog.look()

    def lead(self) -> None:
        """Forget what earlier events waited for: this node has begun to lead, or has ceased to."""
        self._evaluator.forget_order()
        self._backlog.look()

    def submit(self, event: Event, seq: int) -> None:
        """Take in an event that is on stable storage, and its number there.

        Never blocks, never raises, never loses it: the store has it.
        """
        self._backlog.submit(replace(event, seq=seq))

    async def start(self) -> None:
        """Start evaluating, with what the store has first."""
        self._log = self._log.bind()
        self._spawn("engine-feeder", self._backlog.feed)
        self._spawn("engine-quiet", self._mark_quiet_events)
        for number in range(self._concurrency):
            self._spawn(f"engine-{number}", self._evaluate_events)

    async def stop(self, drain_s: float) -> None:
        """Finish what is under evaluation, for at most `drain_s` seconds. The rest stays in the store."""
        self._stopping = True
        for task in self._tasks:
            if task not in self._busy:
                task.cancel()
        if self._quiet and drain_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await self._mark_gathered()
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(self._kept_going(name, work), name=name))

    async def _kept_going(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a part of the engine; a fault of ours in it is logged and ends neither the part nor the daemon."""
        while not self._stopping:
            try:
                await work()
            except Exception:  # noqa: BLE001 - logged with its traceback
                self._log.exception("engine_part_failed", part=name)
                await self._pause(_STORE_WAIT_S)

    async def _evaluate_events(self) -> None:
        """One evaluator: event after event until the engine stops."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - runs as a task
        while not self._stopping:
            async with self._reading:
                event, rules = await self._next()
            self._busy.add(task)
            try:
                if not _waits(rules):
                    await self._evaluate(event, rules)
                    continue
                await self._evaluate_in_turn(event, rules)
                # The place goes to the next in the workspace's line, by the rules as they are by then.
                while not self._stopping and (following := self._places.hand_on(event.workspace)) is not None:
                    event = following
                    await self._evaluate_in_turn(event, self._candidates(event))
            finally:
                self._busy.discard(task)

    async def _evaluate_in_turn(self, event: Event, rules: tuple[Rule, ...]) -> None:
        """Evaluate when the headroom has room for one more of the workspace's."""
        self._in_hand.add(event.seq)
        gate = self._gates.get(event.workspace)
        if gate is None:
            gate = self._gates[event.workspace] = Gate(self._headroom, PLACES)
        async with gate:
            await self._evaluate(event, rules)

    async def _evaluate(self, event: Event, rules: tuple[Rule, ...]) -> None:
        if not self._leads() and any(rule.memories for rule in rules):
            await self._with_store(lambda: self._store.hand_over(event))
            self._in_hand.discard(event.seq)
            self._backlog.done(event)
            return
        work = self._evaluator.begin(event, rules)
        self._in_hand.add(event.seq)
        try:
            await self._settle(work)
        except Exception:  # noqa: BLE001 - logged with its traceback
            # Not even put off: the store has it, and it is read again after a while.
            self._log.exception("event_left", workspace=event.workspace, event_id=event.id)
        finally:
            self._in_hand.discard(event.seq)
            self._evaluator.end(work)
            self._backlog.done(event)

    def _candidates(self, event: Event) -> tuple[Rule, ...]:
        return self._ruleset().concerned(event.event_type, event.resource_type, event.workspace)

    async def _next(self) -> tuple[Event, tuple[Rule, ...]]:
        """Return the next event that may be evaluated now, with the rules that look at it.

        Those that no rule looks at go to the quiet ones, those without a place into their workspace's line. One
        evaluator reads at a time, so a burst of events wakes one and not all.
        """
        taken = 0
        while True:
            event = await self._backlog.next()
            rules = self._candidates(event)
            if rules and (not _waits(rules) or self._places.take(event)):
                return event, rules
            taken += 1
            if taken % MAX_QUIET == 0:
                await asyncio.sleep(0)
            if rules:
                await self._places.room()
                continue
            self._evaluator.pass_over(event)
            self._in_hand.add(event.seq)
            self._quiet.append(event)
            self._quiet_ready.set()
            if len(self._quiet) >= MAX_QUIET:
                self._quiet_room.clear()
                await self._quiet_room.wait()

    async def _mark_quiet_events(self) -> None:
        """Record events without rules, all that have gathered at once.

        Nobody waits for it, so it gathers for a moment: each write beside the intake's costs every caller a wait. What
        a crash forgets is looked up again at the next start, and concerns no rule then either.
        """
        while True:
            await self._quiet_ready.wait()
            await self._pause(_QUIET_GATHER_S)
            await self._mark_gathered()

    async def _mark_gathered(self) -> None:
        self._quiet_ready.clear()
        events, self._quiet = self._quiet, []
        self._quiet_room.set()
        evaluated_at = self._clock.now()
        try:
            await self._with_store(lambda: self._store.mark_evaluated(events, evaluated_at))
            for workspace, count in Counter(event.workspace for event in events).items():
                self._evaluated(workspace, count)
        finally:
            for event in events:
                self._in_hand.discard(event.seq)
                self._backlog.done(event)
        self._log.debug("events_evaluated", count=len(events), rules=0)

    async def _settle(self, work: Work) -> None:
        """Evaluate one event and record it, or put it off."""
        event = work.event
        try:
            evaluation = await self._recorded(work)
        except PutOff as put_off:
            due_at = await self._put_off(event, put_off.wait_s, is_try=not put_off.is_behind)
            self._evaluator.put_off(work, due_at, put_off)
            facts = {
                "workspace": event.workspace,
                "event_id": event.id,
                "reason": str(put_off.reason),
                "wait_s": round(put_off.wait_s, 1),
            }
            # While the bank is away thousands of events may wait; what each call said is news, that they wait is not.
            if put_off.was_asked:
                self._log.info("event_put_off", **facts)
            else:
                self._log.debug("event_waits", **facts)
        except Exception:  # noqa: BLE001 - logged with its traceback
            # A fault of ours with this one event: it must not spin, and must not be lost.
            self._log.exception("evaluation_failed", workspace=event.workspace, event_id=event.id)
            await self._put_off(event, wait_s(event.attempts + 1, self._retry, self._random))
        else:
            if evaluation is not None:
                self._announce(evaluation)

    async def _recorded(self, work: Work) -> Evaluation | None:
        """Evaluate until what was decided could be written on the state it was decided on; None where another node
        has the event by now."""
        while True:
            evaluation = await self._with_store(lambda: self._evaluator.evaluate(work))
            recorded = await self._with_store(lambda: self._store.record(evaluation))  # noqa: B023
            if recorded is Recorded.WRITTEN:
                return evaluation
            if recorded is Recorded.LOST:
                self._log.warning("event_lost", workspace=work.event.workspace, event_id=work.event.id)
                return None

    async def _put_off(self, event: Event, later_s: float, *, is_try: bool = True) -> datetime:
        due_at = self._clock.now() + timedelta(seconds=later_s)
        await self._with_store(lambda: self._store.postpone(event, due_at, is_try=is_try))
        self._backlog.done(event, due_at=due_at)
        return due_at

    async def _with_store(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it again until the store can be written: a full disk loses nothing."""
        pause_s, is_waiting = _STORE_WAIT_S, False
        try:
            while True:
                try:
                    return await work()
                except StoreUnavailable as error:
                    if not is_waiting:
                        is_waiting = True
                        self._waiting += 1
                        # Of all that wait at the same time the first tells it.
                        if self._waiting == 1:
                            self._log.warning("evaluation_waits", detail=str(error))
                    await self._pause(pause_s)
                    pause_s = min(pause_s * 2, _STORE_WAIT_MAX_S)
        finally:
            self._waiting -= is_waiting

    def _announce(self, evaluation: Evaluation) -> None:
        """Count and log what is now written, and wake the courier."""
        event = evaluation.event
        self._evaluated(event.workspace)
        channels: set[str] = set()
        made = failed = 0
        waits = False
        for decision in evaluation.decisions:
            self._metrics.decisions.labels(decision.rule, decision.outcome).inc()
            if decision.outcome is Outcome.FAILED:
                failed += 1
                self._log.warning(
                    "decision_failed",
                    workspace=event.workspace,
                    event_id=event.id,
                    rule=decision.rule,
                    detail=decision.detail,
                )
            for delivery in decision.deliveries:
                made += 1
                if delivery.state is DeliveryState.PENDING:
                    channels.add(delivery.notification.channel)
                waits = waits or delivery.state is DeliveryState.HELD
                if delivery.notification.render_error:
                    self._metrics.render_errors.labels(decision.rule).inc()
        if channels:
            self._on_deliveries(channels)
        if failed:
            self._on_failures()
        if waits:
            self._on_holds()
        self._log.debug(
            "event_evaluated",
            workspace=event.workspace,
            event_id=event.id,
            event_type=event.event_type,
            rules=len(evaluation.decisions),
            deliveries=made,
            failed=failed,
        )

    def _evaluated(self, workspace: str, count: int = 1) -> None:
        counter = self._counters.get(workspace)
        if counter is None:
            counter = self._counters[workspace] = self._metrics.evaluated.labels(workspace)
        counter.inc(count)


def _waits(rules: Iterable[Rule]) -> bool:
    """Whether the evaluation may wait for the bank, or for an earlier event of the same key."""
    return any(rule.needs_resource or rule.lookups or rule.memories or rule.attaches for rule in rules)
