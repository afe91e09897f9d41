"""Evaluates one event: every rule whose match fits decides, and all they conclude becomes one Evaluation.

In: an event with its candidate rules. Out: the Evaluation, not yet written; or PutOff. The engine calls and records it.

One event is one transaction. So where one of its rules waits for the bank, the others wait with it: their messages come
later, but never twice, and never without the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Final, Protocol

from memonotify.config.values import Retry
from memonotify.engine.asks import Ask, Given, Lookup, QuietUntil, Remembered, Silences, Windowed
from memonotify.engine.decide import decide, early_key
from memonotify.engine.enclosing import Proof
from memonotify.engine.hold import Hold
from memonotify.engine.inquiry import LEAST_TRIES, Bank, Inquiry, PutOff
from memonotify.engine.order import Behind, Order, Turn
from memonotify.errors import Reason
from memonotify.holding import Policy
from memonotify.model import (
    Clock,
    Decision,
    Evaluation,
    Event,
    Failure,
    FailureKind,
    Outcome,
    Severity,
    Silence,
)
from memonotify.rules.values import Rule
from memonotify.windowing import Figures, WindowSpan

MAX_TURN_S: Final = 0.01
"""How long one event's rules are decided before other tasks get a turn."""


LEAST_BEHIND_S: Final = 0.5
"""How long an event waits behind another whose moment has come, but which is not under evaluation yet."""


FILLING_S: Final = 2.0
"""How long an event waits for a window to be filled before it asks again."""


class Memory(Protocol):
    """What is used of the store: what a policy remembers for a key, None where it is nothing; the silences in force;
    what there is in a span of a window."""

    async def policy_state(self, workspace: str, rule: str, policy: Policy, key: str) -> str | None: ...
    async def active_silences(self, at: datetime) -> Sequence[Silence]: ...
    async def window_figures(self, span: WindowSpan) -> Figures: ...


class Hours(Protocol):
    """What is used of the configuration's hours: until when they are quiet, None where they are not."""

    def quiet_until(self, at: datetime, severity: Severity | None = None) -> datetime | None: ...


class LookUps(Protocol):
    """Who answers a rule's look-ups, and has the proofs that messages carry; an Inquiry does."""

    async def look_up(self, lookup: Lookup) -> Given: ...
    async def proof(self, proof: Proof) -> Given: ...


@dataclass(slots=True, kw_only=True)
class Work:
    """One event under evaluation: its rules, what was asked of the bank for it, and its turns by rule."""

    event: Event
    rules: tuple[Rule, ...]
    inquiry: Inquiry
    turns: dict[str, Turn] = field(default_factory=dict)


class Evaluator:
    """Holds what every evaluation needs. Safe to use concurrently for different events."""

    def __init__(
        self,
        *,
        memory: Memory,
        banks: Mapping[str, Bank],
        resource_types: Mapping[str, str],
        retry: Retry,
        clock: Clock,
        random: Random,
        hours: Mapping[str, Hours] | None = None,
        is_filled: Callable[[str], bool] = lambda _window: True,
    ) -> None:
        self._memory = memory
        self._is_filled = is_filled
        self._hours = hours or {}
        self._banks = banks
        self._resource_types = resource_types
        self._retry = retry
        self._clock = clock
        self._random = random
        self._holds = {workspace: Hold(retry, clock, random) for workspace in banks}
        self._order = Order()

    def begin(self, event: Event, rules: tuple[Rule, ...]) -> Work:
        """Take the event's turns. Call it in the order of arrival, and `put_off` or `end` in any case."""
        inquiry = Inquiry(
            event,
            self._banks.get(event.workspace),
            resource_types=self._resource_types,
            retry=self._retry,
            clock=self._clock,
            random=self._random,
            hold=self._holds.get(event.workspace),
        )
        self._order.resume(event.seq)
        turns = {
            rule.name: self._order.join(event.workspace, rule.name, event.seq, early_key(rule, event))
            for rule in rules
            if rule.memories
        }
        return Work(event=event, rules=rules, inquiry=inquiry, turns=turns)

    def pass_over(self, event: Event) -> None:
        """Give up the places of an event that was put off and that no rule looks at any more."""
        self._order.resume(event.seq)

    def forget_order(self) -> None:
        """Let no event wait for one that was put off: another node has them, or had."""
        self._order.clear()

    def away(self) -> dict[str, str]:
        """Return the workspaces whose bank is not asked for now, each with why its last call failed."""
        return {workspace: str(hold.reason) for workspace, hold in self._holds.items() if hold.is_held}

    async def evaluate(self, work: Work) -> Evaluation:
        """Decide every rule. Doing it again for the same work asks the store again, but not the bank.

        Raises:
            PutOff: the bank may give later what a rule needs, an earlier event of the same key waits for that, or one
                of the rules' windows is not filled yet.
            StoreUnavailable: the store could not say what is remembered.
        """
        resource = Given(value=None)
        try:
            for turn in work.turns.values():
                turn.check()
            if not all(self._is_filled(window.digest) for rule in work.rules for window in rule.windows):
                raise PutOff(FILLING_S, Reason.DEFERRED, was_asked=False, is_behind=True)
            if any(rule.needs_resource for rule in work.rules):
                resource = await work.inquiry.resource()
            decisions = await self._decisions(work, resource)
        except Behind as behind:
            wait_s = max((behind.until - self._clock.now()).total_seconds(), LEAST_BEHIND_S)
            raise PutOff(wait_s, behind.reason, was_asked=False, is_behind=True) from behind
        at = self._clock.now()
        return Evaluation(
            event=work.event,
            evaluated_at=at,
            decisions=tuple(decisions),
            snapshots=work.inquiry.snapshots,
            documents=work.inquiry.documents,
            failures=tuple(
                Failure(
                    kind=FailureKind.DECISION_FAILED,
                    workspace=work.event.workspace,
                    event_id=work.event.id,
                    rule=decision.rule,
                    channel="",
                    reason=Reason.TEMPLATE,
                    detail=decision.detail,
                    at=at,
                )
                for decision in decisions
                if decision.outcome is Outcome.FAILED
            ),
        )

    def put_off(self, work: Work, due_at: datetime, put_off: PutOff) -> None:
        """Keep the event's turns until it comes again, so that later ones of the same key wait for it.

        Not for ever: an event that the bank does not give though it had its tries lets the others pass.
        """
        if put_off.is_behind or work.event.attempts + 1 < LEAST_TRIES:
            for rule, turn in work.turns.items():
                self._order.park(work.event.workspace, rule, turn, due_at, put_off.reason)

    def end(self, work: Work) -> None:
        """Give up the turns that the event still has: it is recorded, or lets the others pass."""
        for rule, turn in work.turns.items():
            self._order.leave(work.event.workspace, rule, turn)

    async def _decisions(self, work: Work, resource: Given) -> list[Decision]:
        """Decide rule by rule, letting others have a turn where many rules match: the webhook is one of them."""
        decisions = []
        began_s = self._clock.monotonic()
        for rule in work.rules:
            decisions.append(await self._decide(rule, work, resource))
            if self._clock.monotonic() - began_s > MAX_TURN_S:
                await asyncio.sleep(0)
                began_s = self._clock.monotonic()
        return decisions

    async def _decide(self, rule: Rule, work: Work, resource: Given) -> Decision:
        turn = work.turns.get(rule.name)
        decision = await conclude(
            rule,
            event=work.event,
            resource=resource,
            inquiry=work.inquiry,
            memory=self._memory,
            at=self._clock.now(),
            hours=self._hours,
            turn=turn,
        )
        if turn is not None and not decision.changes and not decision.entries:
            # Nothing to remember: those behind need not wait for the transaction.
            self._order.leave(work.event.workspace, rule.name, turn)
        return decision


async def conclude(
    rule: Rule,
    *,
    event: Event,
    resource: Given,
    inquiry: LookUps,
    memory: Memory,
    at: datetime,
    hours: Mapping[str, Hours] | None = None,
    turn: Turn | None = None,
    at_once: bool = False,
) -> Decision:
    """Decide one rule, with the bank and the store answering what it asks, in its turn where order matters.

    Raises:
        PutOff: the bank may give later what the rule needs.
        StoreUnavailable: the store could not say what is remembered.
    """
    deciding = decide(rule, event=event, resource=resource, at=at, at_once=at_once)
    answer: Any = None
    while True:
        try:
            ask = deciding.send(answer)
        except StopIteration as stop:
            decision: Decision = stop.value
            return decision
        if isinstance(ask, Lookup):
            if turn is not None:
                await turn.look()
            answer = await inquiry.look_up(ask)
        elif isinstance(ask, Proof):
            answer = await inquiry.proof(ask)
        else:
            if turn is not None and isinstance(ask, Remembered | Windowed):
                await turn.decide(ask.line)
            answer = await recalled(ask, memory, hours or {}, event.workspace, rule.name, at)


async def recalled(
    ask: Ask, memory: Memory, hours: Mapping[str, Hours], workspace: str, rule: str, at: datetime
) -> object:
    """Answer what the store or the configuration knows, of a rule in a workspace.

    Raises:
        StoreUnavailable: the store could not say.
    """
    if isinstance(ask, Remembered):
        return await memory.policy_state(workspace, rule, ask.policy, ask.key)
    if isinstance(ask, Windowed):
        return ask.value(await memory.window_figures(ask.span))
    if isinstance(ask, Silences):
        return await memory.active_silences(at)
    if isinstance(ask, QuietUntil):
        found = hours.get(ask.hours)
        return None if found is None else found.quiet_until(at, ask.severity)
    raise TypeError(f"nobody here answers a {type(ask).__name__}")
