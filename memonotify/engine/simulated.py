"""What policies would have done with the messages of the past, in memory: the timekeeper without a store.

In: messages as `decide` leaves them, in order of arrival, and how far time has come. Out: Tellings: which messages went
out, alone or as one for many. The stages are the daemon's own. The backtest calls. What is kept is what waits, and what
limits remember.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any, Protocol

from memonotify.engine.asks import QuietUntil, Remembered
from memonotify.engine.evaluate import Hours
from memonotify.engine.stages import Passage, Step, stages
from memonotify.holding import Hold, Overtaken, Policy, StateChange
from memonotify.model import DeliveryState
from memonotify.policies.once import gone_on

Memory = dict[tuple[str, str, Policy, str], str]
"""What policies remember, by workspace, rule, policy and key."""


class Due(Protocol):
    """What is told of one event: who asked hears once what became of it."""

    def told(self) -> None: ...
    def dropped(self, policy: Policy) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message on its way: what it passes, and what it tells, one for each event."""

    passage: Passage
    dues: tuple[Due, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A message that went out at a moment, and of how many events it tells."""

    rule: str
    channel: str
    at: datetime
    events: int


@dataclass(slots=True)
class _Alone:
    message: Message
    hold: Hold


@dataclass(slots=True)
class _Together:
    """A gathering. `key` is where others join it; None once it is full."""

    policy: Policy
    key: tuple[Any, ...] | None
    members: list[Message] = field(default_factory=list)
    due_at: datetime | None = None


class Simulation:
    """Moves messages on. `memory` is shared with who decides; `hours` are the configuration's."""

    def __init__(self, memory: Memory, hours: Mapping[str, Hours]) -> None:
        self._memory = memory
        self._hours = hours
        self._order = count()
        self._queue: list[tuple[datetime, int, _Alone | _Together]] = []
        self._open: dict[tuple[Any, ...], _Together] = {}
        self._by_once: dict[tuple[str, str, str], list[_Alone]] = {}

    @property
    def waiting(self) -> Iterator[Message]:
        """The messages that still wait."""
        for due_at, _, item in self._queue:
            if isinstance(item, _Alone):
                if item.message.dues:
                    yield item.message
            elif item.due_at == due_at:
                yield from item.members

    def overtake(self, overtaken: Overtaken) -> None:
        """Count as told what `once` holds for a key: a better event's message says it."""
        for alone in self._by_once.pop((overtaken.workspace, overtaken.rule, overtaken.key), ()):
            for due in alone.message.dues:
                due.told()
            alone.message = replace(alone.message, dues=())

    def put(self, message: Message, hold: Hold | None, at: datetime) -> Iterator[Telling]:
        """Take a message that has passed its stages so far: it goes, or waits."""
        if hold is None:
            yield _told(message, at)
        elif hold.gather is None:
            alone = _Alone(message, hold)
            if hold.policy is Policy.ONCE:
                passage = message.passage
                self._by_once.setdefault((passage.workspace, passage.name, hold.key), []).append(alone)
            heapq.heappush(self._queue, (hold.until, next(self._order), alone))
        else:
            self._join(message, hold, at)

    def _join(self, message: Message, hold: Hold, at: datetime) -> None:
        passage, gather = message.passage, hold.gather
        if gather is None:
            return
        place = (passage.workspace, passage.name, passage.branch, passage.entry, passage.channel)
        key = (*place, hold.policy, gather.key, gather.slot)
        together = self._open.get(key)
        if together is None:
            together = self._open[key] = _Together(hold.policy, key, due_at=hold.until)
            heapq.heappush(self._queue, (hold.until, next(self._order), together))
        together.members.append(message)
        if gather.most is not None and len(together.members) >= gather.most:
            del self._open[key]
            together.key = None
            ends_at = max(gather.slot or at, at)
            if together.due_at is not None and ends_at < together.due_at:
                together.due_at = ends_at
                heapq.heappush(self._queue, (ends_at, next(self._order), together))

    def until(self, at: datetime) -> Iterator[Telling]:
        """Let time pass until a moment, and yield what went out on the way."""
        while self._queue and self._queue[0][0] <= at:
            due_at, _, item = heapq.heappop(self._queue)
            if isinstance(item, _Alone):
                if item.message.dues:
                    yield from self._go_on(item.message, item.hold.policy, due_at, hold=item.hold)
            elif item.due_at == due_at:
                # As the timekeeper does it: what began before a quiet time is told behind it.
                item.due_at = self._still_quiet(item, due_at)
                if item.due_at is not None:
                    heapq.heappush(self._queue, (item.due_at, next(self._order), item))
                    continue
                yield from self._tell(item, due_at)

    def _still_quiet(self, together: _Together, at: datetime) -> datetime | None:
        rule = together.members[-1].passage.rule
        hours = None if rule is None or rule.quiet is None else self._hours.get(rule.quiet.hours)
        return None if rule is None or hours is None else hours.quiet_until(at, rule.severity)

    def _tell(self, together: _Together, at: datetime) -> Iterator[Telling]:
        if together.key is not None:
            self._open.pop(together.key, None)
        members, is_rest = together.members, together.policy is Policy.LIMIT
        dues = tuple(due for member in members for due in member.dues)
        message = Message(passage=members[-1].passage, dues=dues)
        # As the timekeeper does it: a digest has no further group to wait for, the rest of a limit nothing at all.
        yield from self._go_on(message, Policy.LIMIT if is_rest else Policy.GROUP, at)

    def _go_on(self, message: Message, after: Policy, at: datetime, *, hold: Hold | None = None) -> Iterator[Telling]:
        passage = replace(message.passage, at=at)
        message = replace(message, passage=passage)
        step = self._step(passage, after)
        if after is Policy.ONCE and hold is not None:
            self._by_once.pop((passage.workspace, passage.name, hold.key), None)
            place = (passage.workspace, passage.name, Policy.ONCE, hold.key)
            remembered = self._memory.get(place)
            is_told = step.state is not DeliveryState.SUPPRESSED
            new = None if remembered is None else gone_on(remembered, is_told=is_told)
            if new is not None:
                self._memory[place] = new
        if step.state is not DeliveryState.SUPPRESSED:
            yield from self.put(message, step.hold, at)
        elif step.policy is not None:
            for due in message.dues:
                due.dropped(step.policy)

    def _step(self, passage: Passage, after: Policy) -> Step:
        staging = stages(passage, after=after)
        answer: Any = None
        while True:
            try:
                ask = staging.send(answer)
            except StopIteration as stop:
                step: Step = stop.value
                self.remember(step.changes)
                return step
            if isinstance(ask, Remembered):
                answer = self._memory.get((passage.workspace, passage.name, ask.policy, ask.key))
            elif isinstance(ask, QuietUntil):
                answer = self.quiet_until(ask, passage.at)
            else:
                answer = ()

    def quiet_until(self, ask: QuietUntil, at: datetime) -> datetime | None:
        """Answer until when hours are quiet."""
        found = self._hours.get(ask.hours)
        return None if found is None else found.quiet_until(at, ask.severity)

    def remember(self, changes: tuple[StateChange, ...]) -> None:
        """Keep what policies remember from now on."""
        for change in changes:
            self._memory[change.workspace, change.rule, change.policy, change.key] = change.new


def _told(message: Message, at: datetime) -> Telling:
    for due in message.dues:
        due.told()
    passage = message.passage
    return Telling(rule=passage.name, channel=passage.channel, at=at, events=len(message.dues))
