"""The timekeeper: moves what waits for a policy when its moment has come.

In: `wake()` when something was held; the store's due holds and gatherings. Out: deliveries to send, suppressed ones, or
such as wait for the next policy, each written in one transaction that only one node can make. The app starts and stops
it; it works on the node that leads.

A held delivery goes on behind the policy that held it, by the rule as it is now; where the rule is gone, only
silences are still ahead. An escalation first asks the store whether an event that ends it has come. What is due since
long, because nobody ran, goes now: it was promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from memonotify.alarm import Alarm, Pause
from memonotify.engine.evaluate import Hours, Memory, recalled
from memonotify.engine.gathered import (
    MOST_READ,
    body_of,
    entry_of,
    group_message,
    is_rest,
    resource_of,
    rest_message,
)
from memonotify.engine.making import entries_of
from memonotify.engine.stages import SENT_ON, Passage, Step, in_step, stages
from memonotify.errors import StoreError
from memonotify.holding import Ending, Hold, Policy, StateChange
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Clock, DeliveryState, Event, NewDelivery, said_at
from memonotify.policies.expect import is_over
from memonotify.policies.once import gone_on
from memonotify.rules.match import fits
from memonotify.rules.values import Entry, Rule, Ruleset
from memonotify.store.held import Gathering, Held
from memonotify.templating.filters import Filters

PAGE: Final = 200
"""So many holds, or gatherings, are moved before the store is looked at again."""

ABREAST: Final = 32
"""So many are moved at a time: in the morning thousands may be due, and a commit serves all that wait for one."""

LOOK_S: Final = 60.0
"""The store is looked at this often even if nobody says that something waits."""

STORE_WAIT_S: Final = 1.0
_TRIES: Final = 5


class HoldStore(Memory, Protocol):
    """What is used of the store."""

    @property
    def leads(self) -> bool: ...
    async def next_moment(self) -> datetime | None: ...
    async def due_holds(self, limit: int) -> list[Held]: ...
    async def due_gatherings(self, limit: int) -> list[Gathering]: ...
    async def close_gatherings(self, gatherings: Sequence[Gathering]) -> None: ...
    async def postpone_gathering(self, gathering: Gathering, until: datetime) -> None: ...
    async def members(self, gathering: Gathering, limit: int) -> tuple[int, list[Held]]: ...
    async def told_events(self, ids: Sequence[str]) -> dict[str, list[str]]: ...
    async def events_of_resource(self, workspace: str, resource_id: str) -> list[Event]: ...
    async def bury_orphans(self, channels: Iterable[str]) -> int: ...
    async def move(
        self,
        waiting: Held,
        state: DeliveryState,
        *,
        detail: str = ...,
        hold: Hold | None = ...,
        silence: str = ...,
        changes: Sequence[StateChange] = ...,
        gathering: Gathering | None = ...,
    ) -> bool: ...
    async def tell(
        self, gathering: Gathering, new: NewDelivery | None, changes: Sequence[StateChange] = ..., *, count: int
    ) -> bool: ...


class Timekeeper:
    """Moves what is due. `ruleset` is asked for each; `on_deliveries` is told the channels that have something to send.

    `channels` are the configured ones; `hours` those of the configuration, by name; `filters` write amounts and dates.
    """

    def __init__(
        self,
        *,
        store: HoldStore,
        ruleset: Callable[[], Ruleset],
        hours: Mapping[str, Hours],
        channels: Iterable[str],
        resource_types: Mapping[str, str],
        filters: Filters,
        on_deliveries: Callable[[Iterable[str]], None],
        on_failures: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
        look_s: float = LOOK_S,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._store = store
        self._ruleset = ruleset
        self._hours = hours
        self._channels = frozenset(channels)
        self._resource_types = resource_types
        self._filters = filters
        self._on_deliveries = on_deliveries
        self._on_failures = on_failures
        self._clock = clock
        self._metrics = metrics
        self._look_s = look_s
        self._alarm = Alarm(pause)
        self._stopping = False
        self._run: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something was held, or this node has begun to lead."""
        self._alarm.ring()

    async def start(self) -> None:
        """Begin with what is due in the store; returns at once."""
        self._run = asyncio.create_task(self._work(), name="timekeeper")

    async def stop(self, drain_s: float) -> None:
        """Move nothing any more; wait up to `drain_s` for what is being written."""
        self._stopping = True
        self._alarm.ring()
        if self._run is not None:
            await asyncio.wait([self._run], timeout=drain_s)
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)
        self._alarm.close()

    async def _work(self) -> None:
        while not self._stopping:
            try:
                look_s = await self.look()
            except StoreError as error:
                logger().warning("timekeeper_waits", detail=str(error))
                look_s = STORE_WAIT_S
            except Exception:  # noqa: BLE001 - logged with its traceback; the timekeeper outlives whatever happens in it
                logger().exception("timekeeper_stumbled")
                look_s = STORE_WAIT_S
            if not self._stopping:
                now_s = self._clock.monotonic()
                await self._alarm.wait(now_s, now_s + look_s)

    async def look(self) -> float:
        """Move what is due now; return after how many seconds to look again.

        Raises:
            StoreError: the store cannot be read or written now.
        """
        if not self._store.leads:
            return self._look_s
        while not self._stopping:
            holds = await self._store.due_holds(PAGE)
            gatherings = await self._store.due_gatherings(PAGE)
            if not holds and not gatherings:
                break
            # What is alone first: it may join a gathering that is due.
            moved = await self._each(holds, self._go_on)
            moved += await self._each(gatherings, self._tell)
            if not moved:
                return STORE_WAIT_S
        moment = await self._store.next_moment()
        if moment is None:
            return self._look_s
        return min(max((moment - self._clock.now()).total_seconds(), 0.0), self._look_s)

    async def _each(self, items: Sequence[Any], work: Callable[[Any], Awaitable[bool]]) -> int:
        """Do each, several at a time; returns how many moved.

        Raises:
            StoreError: one of them could not be written; those beside it were done all the same.
        """
        moved = 0
        for abreast in self._abreast(items):
            if self._stopping:
                break
            done = await asyncio.gather(*(self._done(item, work) for item in abreast), return_exceptions=True)
            for outcome in done:
                if isinstance(outcome, BaseException):
                    raise outcome
                moved += outcome
        return moved

    def _abreast(self, items: Sequence[Any]) -> Iterator[list[Any]]:
        """Yield items that do not matter to each other together, so that they share commits. Those of a rule that
        remembers go one by one: who comes first decides."""
        batch: list[Any] = []
        for item in items:
            rule = self._ruleset().rule(item.rule if isinstance(item, Gathering) else item.delivery.rule)
            if rule is not None and rule.memories:
                yield from ([batch] if batch else [])
                yield [item]
                batch = []
                continue
            batch.append(item)
            if len(batch) == ABREAST:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _done(self, item: Any, work: Callable[[Any], Awaitable[bool]]) -> bool:
        """Do one; that a fault of ours keeps it from moving keeps no other from it."""
        try:
            return await work(item)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - logged with its traceback
            logger().exception("hold_stuck", item=_name(item))
            return False

    # What waits alone

    async def _go_on(self, waiting: Held) -> bool:
        """Take one delivery on from where it waits. Once more where what is remembered has changed meanwhile."""
        for _ in range(_TRIES):
            step = await self._step_or_send(waiting)
            if await self._move(waiting, step):
                return True
            if not step.changes:
                # Somebody else has moved it.
                return True
        return False

    async def _step_or_send(self, waiting: Held) -> Step:
        """Return what becomes of a delivery; where a fault of ours keeps that from being known, it goes: an alert that
        is sent too soon is better than one that waits for ever."""
        try:
            return await self._step(waiting)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - logged with its traceback
            logger().exception("hold_stuck", item=_name(waiting))
            return SENT_ON

    async def _step(self, waiting: Held) -> Step:
        hold, delivery = waiting.hold, waiting.delivery
        rule = self._ruleset().rule(delivery.rule)
        changes: tuple[StateChange, ...] = ()
        if hold.policy is Policy.ESCALATE:
            why = await self._ended(waiting, hold.ending or Ending())
            if why:
                return Step(state=DeliveryState.SUPPRESSED, policy=Policy.ESCALATE, detail=why)
        step = await self._pass(rule, waiting, hold.policy)
        if hold.policy is Policy.ONCE:
            changes = await self._worth_no_wait(waiting, is_told=step.state is not DeliveryState.SUPPRESSED)
        return Step(
            state=step.state,
            policy=step.policy,
            detail=step.detail,
            hold=step.hold,
            changes=(*changes, *step.changes),
            silence=step.silence,
        )

    async def _move(self, waiting: Held, step: Step, gathering: Gathering | None = None) -> bool:
        delivery = waiting.delivery
        moved = await self._store.move(
            waiting,
            step.state,
            detail=step.detail,
            hold=step.hold,
            silence=step.silence,
            changes=step.changes,
            gathering=gathering,
        )
        if moved:
            self._count(delivery.rule, step.state)
            if step.state is DeliveryState.PENDING:
                await self._send({delivery.channel})
        return moved

    async def _pass(self, rule: Rule | None, waiting: Held, after: Policy) -> Step:
        """Take a delivery through the stages that are still ahead of it."""
        delivery = waiting.delivery
        passage = Passage(
            name=delivery.rule,
            rule=rule,
            branch=delivery.branch,
            entry=delivery.entry,
            channel=delivery.channel,
            workspace=delivery.workspace,
            event=body_of(waiting),
            resource=resource_of(waiting, self._resource_types),
            at=self._clock.now(),
            keys=waiting.hold.keys,
            let_go_by=waiting.hold.key if waiting.hold.policy is Policy.SILENCE else "",
        )
        return await self._staged(passage, after)

    async def _staged(self, passage: Passage, after: Policy) -> Step:
        staging = stages(passage, after=after)
        answer: Any = None
        while True:
            try:
                ask = staging.send(answer)
            except StopIteration as stop:
                step: Step = stop.value
                return step
            answer = await recalled(ask, self._store, self._hours, passage.workspace, passage.name, self._clock.now())

    async def _worth_no_wait(self, waiting: Held, *, is_told: bool) -> tuple[StateChange, ...]:
        """Return that the key is told now, so that a better event that comes later is told already; or that it is not
        told after all, so that the next one speaks."""
        delivery, key = waiting.delivery, waiting.hold.key
        remembered = await self._store.policy_state(delivery.workspace, delivery.rule, Policy.ONCE, key)
        new = None if remembered is None else gone_on(remembered, is_told=is_told)
        if new is None:
            return ()
        change = StateChange(
            workspace=delivery.workspace,
            rule=delivery.rule,
            policy=Policy.ONCE,
            key=key,
            old=remembered,
            new=new,
            keeps_expiry=True,
        )
        return (change,)

    async def _ended(self, waiting: Held, ending: Ending) -> str:
        """Say what has ended an escalation; empty where nothing has."""
        delivery, event = waiting.delivery, waiting.event
        if ending.expect_key is not None:
            course = await self._store.policy_state(delivery.workspace, delivery.rule, Policy.EXPECT, ending.expect_key)
            if is_over(course):
                return "escalate: what was expected has come"
        if event is None or not ending.event_types:
            return ""
        since = said_at(event.date) or event.received_at
        others = await self._store.events_of_resource(delivery.workspace, event.resource_id)
        # By the bank's own dates: what came in late may have happened before.
        ends = (
            other
            for other in others
            if other.id != event.id
            and fits(ending.event_types, other.event_type)
            and (said_at(other.date) or other.received_at) >= since
        )
        found = next(ends, None)
        return "" if found is None else f"escalate: {found.event_type} came ({found.id})"

    # What waits together

    async def _tell(self, gathering: Gathering) -> bool:
        """Write the message that tells a gathering, and let it pass the stages that are still ahead of it."""
        until = self._quiet_until(gathering)
        if until is not None:
            # It began before the quiet time, and has no business in it. Those of the quiet time gather by themselves.
            await self._store.postpone_gathering(gathering, until)
            return True
        await self._store.close_gatherings([gathering])
        count, members = await self._store.members(gathering, MOST_READ)
        if not members:
            await self._store.tell(gathering, None, count=0)
            return True
        for _ in range(_TRIES):
            if count == 1 and not is_rest(gathering):
                step = await self._alone(gathering, members[0])
                if await self._move(members[0], step, gathering) or not step.changes:
                    return True
                continue
            new, changes = await self._together(gathering, count, members)
            if await self._store.tell(gathering, new, changes, count=count):
                self._metrics.gathered.labels(gathering.rule, gathering.policy).inc(count)
                if new.notification.render_error:
                    self._metrics.render_errors.labels(gathering.rule).inc()
                self._count(gathering.rule, new.state)
                if new.state is DeliveryState.PENDING:
                    await self._send({gathering.channel})
                return True
            if not changes:
                return True
        return False

    def _quiet_until(self, gathering: Gathering) -> datetime | None:
        """Return until when a gathering's rule is quiet, None where it is not."""
        rule = self._ruleset().rule(gathering.rule)
        hours = None if rule is None or rule.quiet is None else self._hours.get(rule.quiet.hours)
        return None if rule is None or hours is None else hours.quiet_until(self._clock.now(), rule.severity)

    async def _alone(self, gathering: Gathering, member: Held) -> Step:
        """A gathering of one: the message is its own."""
        return await self._pass(self._ruleset().rule(gathering.rule), member, _stage(gathering))

    async def _together(
        self, gathering: Gathering, count: int, members: Sequence[Held]
    ) -> tuple[NewDelivery, tuple[StateChange, ...]]:
        rule = self._ruleset().rule(gathering.rule)
        entry: Entry | None = None
        if rule is not None and (rule.gathers or is_rest(gathering)):
            # The words of a rule that gathers no more speak of one event only.
            entry = entry_of(gathering, entries_of(rule, gathering.branch))
        at = self._clock.now()
        if is_rest(gathering):
            per_s = None if rule is None or rule.limit is None else rule.limit.per_s
            event_ids = await self._events_told(members)
            return rest_message(gathering, members, count, event_ids, per_s=per_s, entry=entry, at=at), ()
        new = group_message(
            gathering,
            members,
            rule,
            entry,
            resource_types=self._resource_types,
            filters=self._filters,
            at=at,
        )
        last = members[-1]
        step = await self._staged(
            Passage(
                name=gathering.rule,
                rule=rule,
                branch=gathering.branch,
                entry=gathering.entry,
                channel=gathering.channel,
                workspace=gathering.workspace,
                event=body_of(last),
                resource=resource_of(last, self._resource_types),
                at=at,
                keys=last.hold.keys,
            ),
            Policy.GROUP,
        )
        return in_step(new, step), step.changes

    async def _events_told(self, members: Sequence[Held]) -> list[str]:
        """Return the ids of the events behind messages, those that a group's message lists among them."""
        inner = await self._store.told_events([member.delivery.id for member in members])
        found: list[str] = []
        for member in members:
            found += inner.get(member.delivery.id, [member.delivery.event_id])
        return list(dict.fromkeys(found))

    async def _send(self, channels: set[str]) -> None:
        if not channels <= self._channels:
            # The configuration has no such channel any more: a dead letter, of which somebody hears.
            await self._store.bury_orphans(self._channels)
            self._on_failures()
        self._on_deliveries(channels)

    def _count(self, rule: str, state: DeliveryState) -> None:
        self._metrics.released.labels(rule, state).inc()


def _stage(gathering: Gathering) -> Policy:
    """Return the stage behind which a gathering's messages go on: a digest has no further group to wait for."""
    return Policy.LIMIT if is_rest(gathering) else Policy.GROUP


def _name(item: Held | Gathering) -> str:
    return item.delivery.id if isinstance(item, Held) else f"gathering {item.seq} of {item.rule}"
