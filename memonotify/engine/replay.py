"""Evaluates stored events again with the rules in force, and adds the messages that were not sent.

In: a ReplayOrder. Out: a ReplayPage; with `send`, its messages are on stable storage, one transaction for each event,
and the courier is woken. The daemon's operations call it, and `memonotify replay` where no daemon runs.

What it adds never goes twice, however often it is repeated. A message that was not made has the id that the event's own
evaluation would have given it; where another message has that id, one salted with the channel. A message that is sent
once more has an id salted with the resend's label, and is known again by that label. Either way the store keeps each
once, so a replay that a crash ended is repeated as a whole.

A message goes only as the rule means it: where the bank does not give now what the rule needs, or it was not kept, the
rule is undecided. A rule with a memory goes by what it remembered when the event was evaluated, so that the same replay
makes the same messages whenever it runs; what it remembers now is neither read nor changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final, Protocol

from memonotify.catalogue import resource_path
from memonotify.config.values import Retry
from memonotify.engine.asks import Given, Lookup
from memonotify.engine.contrast import headline
from memonotify.engine.enclosing import Proof
from memonotify.engine.evaluate import conclude
from memonotify.engine.inquiry import PROOF_NAME, RESOURCE_NAME, Bank, Inquiry, lookup_name
from memonotify.engine.lineup import Met, lined_up
from memonotify.engine.recall import Recall, remembered_then, remembers
from memonotify.engine.standing import Planned, planned
from memonotify.errors import RETRIED, Reason
from memonotify.holding import Policy
from memonotify.logs import logger
from memonotify.model import Clock, Decision, Document, Event, EventState, NewDelivery, Outcome, Silence
from memonotify.past import GOES_OUT, Extent, Past, ReplayedMessage, ReplayOrder, ReplayPage, Selection, Standing
from memonotify.rules.values import Rule, Ruleset
from memonotify.windowing import Figures, WindowSpan

MOST_EVENTS: Final = 500
"""So many events are looked at in one call: what a caller asks for is bounded."""


_WORTH_WAITING: Final = RETRIED | {Reason.AUTH, Reason.CONFIGURATION}
"""Why the bank gave nothing where it may later, or to right credentials: no reason to send less than is meant."""


class ReplayStore(Protocol):
    """What is used of the store."""

    async def extent(self, selection: Selection) -> Extent: ...
    async def past(
        self, selection: Selection, *, after: int, last: int, limit: int, with_decisions: bool = False
    ) -> list[Past]: ...
    async def document(self, workspace: str, event_id: str, path: str) -> bytes | None: ...
    async def window_figures(self, span: WindowSpan) -> Figures: ...
    async def replay(
        self, event: Event, new: Sequence[NewDelivery], documents: Sequence[Document] = ...
    ) -> frozenset[str]: ...


class _NotHad(Exception):  # noqa: N818 - it never leaves this module
    """What the rule needs cannot be had now; its text says what and why."""


class _Answers(Protocol):
    """Who answers for the bank; raises _NotHad. `documents` are the files that it gave."""

    @property
    def documents(self) -> tuple[Document, ...]: ...
    async def resource(self) -> Given: ...
    async def look_up(self, lookup: Lookup) -> Given: ...
    async def proof(self, proof: Proof) -> Given: ...


class Replayer:
    """Replays on one store.

    Args:
        ruleset: asked once a page for the rules in force.
        banks: the clients of the workspaces' banks; none of them is asked where an order says `stored`.
        with_api: the workspaces whose bank is asked when their events are evaluated.
        stored_only: go by the stored snapshots whatever an order says, because there is no client.
        wake: told the channels that have something to send.
    """

    def __init__(
        self,
        *,
        store: ReplayStore,
        ruleset: Callable[[], Ruleset],
        banks: Mapping[str, Bank],
        with_api: frozenset[str],
        resource_types: Mapping[str, str],
        retry: Retry,
        clock: Clock,
        random: Random,
        stored_only: bool = False,
        wake: Callable[[Iterable[str]], None] = lambda _channels: None,
    ) -> None:
        self._store = store
        self._ruleset = ruleset
        self._banks = banks
        self._with_api = with_api
        self._resource_types = resource_types
        self._retry = retry
        self._clock = clock
        self._random = random
        self._stored_only = stored_only
        self._wake = wake

    async def replay(self, order: ReplayOrder) -> ReplayPage:
        """Evaluate a page of events again; write what is to be sent where the order says so.

        Raises:
            ValueError: there is no such rule.
            StoreUnavailable: the store could not be read or written; what was written before stays.
        """
        rules = self._rules(order)
        extent = await self._store.extent(order.selection)
        limit = min(order.limit, MOST_EVENTS)
        found = await self._store.past(
            order.selection, after=order.after, last=extent.last, limit=limit, with_decisions=remembers(rules.rules)
        )
        messages: list[ReplayedMessage] = []
        away: dict[str, Reason] = {}
        for past in found:
            if past.event.state is EventState.EVALUATED:
                messages += await self._event(past, rules, order, away)
            # The webhook has a turn between two events.
            await asyncio.sleep(0)
        written = [message for message in messages if message.written]
        if written:
            logger().info("events_replayed", events=len(found), deliveries=len(written), label=order.label)
        return ReplayPage(
            messages=tuple(messages),
            event_ids=tuple(past.event.id for past in found),
            unevaluated=tuple(past.event.id for past in found if past.event.state is not EventState.EVALUATED),
            total=extent.count,
            after=found[-1].event.seq if len(found) == limit and found[-1].event.seq < extent.last else None,
        )

    def _rules(self, order: ReplayOrder) -> Ruleset:
        ruleset = self._ruleset()
        if order.rule is None:
            return ruleset
        rule = ruleset.rule(order.rule)
        if rule is None:
            raise ValueError(f"there is no rule {order.rule} in force")
        return Ruleset(rules=(rule,))

    async def _event(
        self, past: Past, ruleset: Ruleset, order: ReplayOrder, away: dict[str, Reason]
    ) -> list[ReplayedMessage]:
        event = past.event
        rules = ruleset.candidates(event.event_type, event.resource_type, event.workspace)
        answers = self._answers(past, order, away)
        made: list[NewDelivery] = []
        silent: list[ReplayedMessage] = []
        for rule in rules:
            try:
                decision = await self._decide(rule, past, answers)
            except _NotHad as not_had:
                silent.append(_undelivered(event, rule, Standing.UNDECIDED, str(not_had)))
                continue
            if decision.outcome is Outcome.FAILED:
                silent.append(_undelivered(event, rule, Standing.FAILED, decision.detail))
            made += decision.deliveries
        taken = frozenset(old.id for old in past.deliveries)
        plans = [planned(met, taken, order) for met in _met(past, made)]
        written = await self._write(event, plans, answers.documents, order)
        return [*(_shown(event, plan, written) for plan in plans), *silent]

    def _answers(self, past: Past, order: ReplayOrder, away: dict[str, Reason]) -> _Answers:
        if order.stored or self._stored_only:
            recall = Recall(past, resource_types=self._resource_types, with_api=self._with_api)
            return _Stored(past.event, recall, self._store)
        event = past.event
        inquiry = Inquiry(
            event,
            self._banks.get(event.workspace),
            resource_types=self._resource_types,
            retry=self._retry,
            clock=self._clock,
            random=self._random,
        )
        return _Asked(event, inquiry, self._resource_types, away)

    async def _decide(self, rule: Rule, past: Past, answers: _Answers) -> Decision:
        resource = await answers.resource() if rule.needs_resource else Given(value=None)
        return await conclude(
            rule,
            event=past.event,
            resource=resource,
            inquiry=answers,
            memory=_Then(past, self._store),
            at=self._clock.now(),
            # A person sends these: they wait for nothing and are gathered with nothing.
            at_once=True,
        )

    async def _write(
        self, event: Event, plans: Sequence[Planned], documents: tuple[Document, ...], order: ReplayOrder
    ) -> frozenset[str]:
        wanted = [
            plan.delivery
            for plan in plans
            if plan.standing in GOES_OUT and (order.only is None or plan.delivery.id in order.only)
        ]
        if not order.send or not wanted:
            return frozenset()
        carried = {file["path"] for new in wanted for file in new.notification.payload.get("attach", ())}
        files = [document for document in documents if document.path in carried]
        written = await self._store.replay(event, wanted, files)
        if written:
            self._wake({new.notification.channel for new in wanted if new.id in written})
        return written


def _met(past: Past, made: Sequence[NewDelivery]) -> tuple[Met, ...]:
    return lined_up(past.deliveries, made).met


def _undelivered(event: Event, rule: Rule, standing: Standing, detail: str) -> ReplayedMessage:
    return ReplayedMessage(
        event_id=event.id,
        workspace=event.workspace,
        event_type=event.event_type,
        rule=rule.name,
        standing=standing,
        detail=detail,
    )


def _shown(event: Event, plan: Planned, written: frozenset[str]) -> ReplayedMessage:
    delivery = plan.delivery
    return ReplayedMessage(
        event_id=event.id,
        workspace=event.workspace,
        event_type=event.event_type,
        rule=delivery.rule,
        standing=plan.standing,
        channel=delivery.notification.channel,
        delivery_id=delivery.id,
        headline=headline(delivery.notification.payload),
        detail=plan.detail,
        written=delivery.id in written,
    )


@dataclass(frozen=True, slots=True)
class _Then:
    """What rules remembered when the event was evaluated: today's answers are those of later events."""

    past: Past
    store: ReplayStore

    async def policy_state(self, _workspace: str, rule: str, policy: Policy, key: str) -> str | None:
        return remembered_then(self.past, rule, policy, key)

    async def active_silences(self, _at: datetime) -> Sequence[Silence]:
        return ()

    async def window_figures(self, span: WindowSpan) -> Figures:
        # A span ends with the event's own date, so what came after it is not in it.
        return await self.store.window_figures(span)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Answers from the snapshots; of files, only those whose bytes are still there."""

    event: Event
    recall: Recall
    store: ReplayStore

    @property
    def documents(self) -> tuple[Document, ...]:
        return ()

    async def resource(self) -> Given:
        return self._had(self.recall.resource(), RESOURCE_NAME)

    async def look_up(self, lookup: Lookup) -> Given:
        return self._had(self.recall.look_up(lookup), lookup_name(lookup))

    async def proof(self, proof: Proof) -> Given:
        given = self._had(self.recall.proof(proof), PROOF_NAME)
        if given.value is None or await self.store.document(self.event.workspace, self.event.id, proof.path):
            return given
        raise _NotHad(f"{PROOF_NAME} is not kept any more; the bank has to be asked")

    def _had(self, given: Given | None, what: str) -> Given:
        if given is None:
            raise _NotHad(f"{what} was not kept; the bank has to be asked")
        return given


class _Asked:
    """Answers from the bank. One that does not answer is not asked again on this page."""

    def __init__(
        self, event: Event, inquiry: Inquiry, resource_types: Mapping[str, str], away: dict[str, Reason]
    ) -> None:
        self._event = event
        self._inquiry = inquiry
        self._resource_types = resource_types
        self._away = away
        # By what earlier events found: within one event, what the bank gave already is not doubted.
        self._is_away = away.get(event.workspace)

    @property
    def documents(self) -> tuple[Document, ...]:
        return self._inquiry.documents

    async def resource(self) -> Given:
        self._check(RESOURCE_NAME)
        given = await self._inquiry.resource()
        event = self._event
        self._judge(resource_path(event.resource_type, event.resource_id, self._resource_types), RESOURCE_NAME)
        return given

    async def look_up(self, lookup: Lookup) -> Given:
        self._check(lookup_name(lookup))
        given = await self._inquiry.look_up(lookup)
        self._judge(lookup.path, lookup_name(lookup))
        return given

    async def proof(self, proof: Proof) -> Given:
        self._check(PROOF_NAME)
        given = await self._inquiry.proof(proof)
        self._judge(proof.path, PROOF_NAME)
        return given

    def _check(self, what: str) -> None:
        if self._is_away is not None:
            raise _NotHad(f"the bank did not give {what}: {self._is_away}")

    def _judge(self, path: str | None, what: str) -> None:
        """A resource that is gone, or a proof that there is none of, is an answer; a bank that is away is none."""
        for snapshot in self._inquiry.snapshots:
            reason = snapshot.reason
            if snapshot.path == path and reason in _WORTH_WAITING:
                self._away[self._event.workspace] = reason
                raise _NotHad(f"the bank did not give {what}: {reason}")
