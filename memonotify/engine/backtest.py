"""What rules would have sent for events of the past, against what was sent. Reads, and sends nothing.

In: rules, and one event's past after another, in order of arrival. Out: a Report for each rule. The deciding is the
daemon's own (`decide`); the store's snapshots answer in the bank's place, and what was not kept is said to be unknown.
Rules with a memory keep it here alone; a key begins with what the rule remembered of it then, where it did. What
policies hold waits in memory (`simulated`), and no silence is in force. Windows know of the events that were looked at,
and of none before. `memonotify backtest` calls.

Compared is what is told of each event, alone or in one message with others: that is the same question then and now,
also where a rule gathers now and did not then. `sends` counts messages. Escalations are left out on both sides.

What is kept grows with the rules, the keys, the examples, what waits and what windows count, not with the other events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from memonotify.engine.asks import Given, Lookup, QuietUntil, Remembered, Silences, Windowed
from memonotify.engine.contrast import Change, changes, headline
from memonotify.engine.decide import decide
from memonotify.engine.enclosing import Enclosure, Proof
from memonotify.engine.evaluate import Hours
from memonotify.engine.inquiry import RESOURCE_NAME, lookup_name
from memonotify.engine.lineup import Met, lined_up
from memonotify.engine.recall import Recall, decides_by, remembered_then, remembers
from memonotify.engine.simulated import Memory, Message, Simulation, Telling
from memonotify.engine.stages import Passage
from memonotify.holding import Policy
from memonotify.model import Branch, Decision, Delivery, DeliveryState, EventState, NewDelivery, Outcome
from memonotify.past import Extent, Past, Selection
from memonotify.policies.window import Entries
from memonotify.rules.values import Rule, Ruleset

PAGE: Final = 200
"""Events read at a time, with their snapshots and messages."""

_RESOURCE: Final = "resource"
_UNKEPT: Final = "{} was not kept"


class History(Protocol):
    """What is used of the store."""

    async def past(
        self, selection: Selection, *, after: int, last: int, limit: int, with_decisions: bool = False
    ) -> list[Past]: ...


async def pages(
    history: History, selection: Selection, extent: Extent, *, with_decisions: bool
) -> AsyncIterator[list[Past]]:
    """Yield the events of an extent in pages, in order of arrival."""
    after = extent.first - 1
    while after < extent.last:
        page = await history.past(selection, after=after, last=extent.last, limit=PAGE, with_decisions=with_decisions)
        if not page:
            return
        yield page
        after = page[-1].event.seq


class Kind(StrEnum):
    """How a message of now stands to those of then. gone: it was sent then, and would not be now."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One message: of which event, where to, its subject or first line, and where it differs from what was sent."""

    kind: Kind
    event_id: str
    received_at: datetime
    channel: str
    headline: str
    changes: tuple[Change, ...] = ()


@dataclass(slots=True, kw_only=True)
class Report:
    """What one rule would have done.

    `sends` counts the messages that go out, and `kinds` how what is told of events compares to then. `together` are the
    messages among them that tell of several events, and `gathered` these events, with `tellings` as examples; `waiting`
    those that still wait at the end. `kept_back` counts what policies suppressed. `textless` are those whose text is
    not known, so that it was not compared. `events` are those that its `match` fits, `undecided` those of them
    that could not be decided, by what was not kept; `failed` those whose condition failed, with what the first said.
    `suppressed` are messages of a rule in the shadow, `plain` such as failed to render.
    """

    rule: str
    is_ours: bool
    events: int = 0
    sends: int = 0
    together: int = 0
    gathered: int = 0
    tellings: list[Telling] = field(default_factory=list)
    waiting: int = 0
    kept_back: Counter[Policy] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    textless: int = 0
    undecided: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    first_failure: str = ""
    suppressed: int = 0
    plain: int = 0
    first_render_error: str = ""
    examples: dict[Kind, list[Example]] = field(default_factory=dict)


class _Unkept(Exception):  # noqa: N818 - it never leaves this module
    """What a rule is decided by was not kept; its text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    decision: Decision
    is_textless: bool
    resource: Any
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """One message of a rule for one event, until it is known what becomes of it."""

    backtest: Backtest
    report: Report
    past: Past
    met: Met
    decided: _Decided

    def told(self) -> None:
        self.backtest.count(self.report, self.past, self.met, self.decided)

    def dropped(self, policy: Policy) -> None:
        self.report.kept_back[policy] += 1
        self.backtest.gone(self.past, (self.met.then,) if self.met.then else ())


class Backtest:
    """Looks at one event after another. `reports` are as far as it came.

    Args:
        ruleset: the rules that are tried.
        concerns: whether what a rule of this name sent then is compared with them.
        resource_types: paths of the configuration's own resource types.
        with_api: the workspaces whose bank is asked.
        examples: how many are kept for each rule and kind.
        hours: the quiet hours of the configuration, by name.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        *,
        concerns: Callable[[str], bool],
        resource_types: Mapping[str, str],
        with_api: frozenset[str],
        examples: int,
        hours: Mapping[str, Hours] | None = None,
    ) -> None:
        self._ruleset = ruleset
        self._concerns = concerns
        self._resource_types = resource_types
        self._with_api = with_api
        self._examples = examples
        self._decides_by = {rule.name: decides_by(rule, with_stages=True) for rule in ruleset.rules}
        self._memory: Memory = {}
        self._simulation = Simulation(self._memory, hours or {})
        self._windows = Entries()
        # A report is due by the clock: nothing of it can be told from events.
        ours = (rule.name for rule in ruleset.rules if rule.report is None)
        self._reports = {name: Report(rule=name, is_ours=True) for name in ours}
        self.events = 0
        self.unevaluated = 0

    @property
    def has_memory(self) -> bool:
        """Whether what was concluded then has to be read."""
        return remembers(self._ruleset.rules)

    @property
    def reports(self) -> list[Report]:
        """The rules in their order, then those that only sent then."""
        return list(self._reports.values())

    def look_at(self, past: Past) -> None:
        """Decide the rules for one event and compare. One that still waits for its evaluation is only counted."""
        event = past.event
        if event.state is not EventState.EVALUATED:
            self.unevaluated += 1
            return
        self.events += 1
        self._note_tellings(self._simulation.until(event.evaluated_at or event.received_at))
        # A message that tells others is not one of its own: what it says of each event is compared with that event.
        tellers = {old.told_in for old in past.deliveries}
        then = [old for old in past.deliveries if _was_sent(old) and old.id not in tellers and self._concerns(old.rule)]
        recall = Recall(past, resource_types=self._resource_types, with_api=self._with_api)
        for rule in self._ruleset.concerned(event.event_type, event.resource_type, event.workspace):
            if rule.passes_over(event.event_type, event.resource_type, event.workspace):
                with suppress(_Unkept):
                    self._decide(rule, past, recall)
                continue
            report = self._reports[rule.name]
            report.events += 1
            of_rule = [old for old in then if old.rule == rule.name]
            then = [old for old in then if old.rule != rule.name]
            try:
                decided = self._decide(rule, past, recall)
            except _Unkept as unkept:
                report.undecided[str(unkept)] += 1
            else:
                self._compare(report, past, of_rule, decided)
        self.gone(past, _grouped(then))

    def finish(self, now: datetime | None) -> None:
        """Let time pass until `now`, the present moment, and count what still waits then; None: no time passes."""
        if now is not None:
            self._note_tellings(self._simulation.until(now))
        for message in self._simulation.waiting:
            self._reports[message.passage.name].waiting += len(message.dues)

    def _note_tellings(self, tellings: Iterable[Telling]) -> None:
        for telling in tellings:
            report = self._reports[telling.rule]
            report.sends += 1
            if telling.events > 1:
                report.together += 1
                report.gathered += telling.events
                if len(report.tellings) < self._examples:
                    report.tellings.append(telling)

    def _decide(self, rule: Rule, past: Past, recall: Recall) -> _Decided:
        event, needed = past.event, self._decides_by[rule.name]
        resource = Given(value=None)
        is_textless = False
        if rule.needs_resource:
            kept = recall.resource()
            is_textless = kept is None
            resource = kept or _without(RESOURCE_NAME, is_needed=_RESOURCE in needed)
        at = event.evaluated_at or event.received_at
        deciding = decide(rule, event=event, resource=resource, at=at)
        answer: Any = None
        while True:
            try:
                ask = deciding.send(answer)
            except StopIteration as stop:
                decision: Decision = stop.value
                self._simulation.remember(decision.changes)
                for entry in decision.entries:
                    self._windows.add(entry)
                return _Decided(decision=decision, is_textless=is_textless, resource=resource.value, at=at)
            if isinstance(ask, Remembered):
                answer = self._remembered(rule, past, ask)
            elif isinstance(ask, QuietUntil):
                answer = self._simulation.quiet_until(ask, at)
            elif isinstance(ask, Silences):
                answer = ()
            elif isinstance(ask, Windowed):
                answer = ask.value(self._windows.figures(ask.span))
            elif isinstance(ask, Proof):
                # That a mail carries a file does not decide whether it goes.
                answer = recall.proof(ask) or Given(value=Enclosure())
            elif isinstance(ask, Lookup):
                kept = recall.look_up(ask)
                is_textless = is_textless or kept is None
                answer = kept or _without(lookup_name(ask), is_needed=ask.name in needed)

    def _remembered(self, rule: Rule, past: Past, ask: Remembered) -> str | None:
        place = (past.event.workspace, rule.name, ask.policy, ask.key)
        if place not in self._memory:
            then = remembered_then(past, rule.name, ask.policy, ask.key)
            if then is None:
                return None
            self._memory[place] = then
        return self._memory[place]

    def _compare(self, report: Report, past: Past, then: list[Delivery], decided: _Decided) -> None:
        decision = decided.decision
        if decision.outcome is Outcome.FAILED:
            report.failed += 1
            report.first_failure = report.first_failure or decision.detail
        due = self._due(report, decision)
        if decision.overtaken is not None:
            self._simulation.overtake(decision.overtaken)
        lineup = lined_up(then, due)
        for met in lineup.met:
            message = Message(
                passage=self._passage(met.now, past, decided),
                dues=(_Due(backtest=self, report=report, past=past, met=met, decided=decided),),
            )
            self._note_tellings(self._simulation.put(message, met.now.hold, decided.at))
        self.gone(past, lineup.gone)

    def _due(self, report: Report, decision: Decision) -> list[NewDelivery]:
        """Return the messages that are told, now or later, and count those that a policy suppresses."""
        if decision.outcome is Outcome.SUPPRESSED:
            if decision.policy in (None, Policy.MODE):
                report.suppressed += len(decision.deliveries)
            else:
                report.kept_back[decision.policy] += max(len(decision.deliveries), 1)
            return []
        if decision.outcome is not Outcome.MATCHED:
            return []
        made = [new for new in decision.deliveries if new.branch is not Branch.ESCALATE]
        due = [new for new in made if new.state is not DeliveryState.SUPPRESSED]
        if len(due) < len(made):
            # Without silences, nothing else suppresses some of a rule's messages.
            report.kept_back[Policy.QUIET] += len(made) - len(due)
        return due

    def _passage(self, new: NewDelivery, past: Past, decided: _Decided) -> Passage:
        rule = self._ruleset.rule(new.rule)
        assert rule is not None  # noqa: S101 - it was decided just now; this tells the type checker
        return Passage(
            name=rule.name,
            rule=rule,
            branch=new.branch,
            entry=new.entry,
            channel=new.notification.channel,
            workspace=new.workspace,
            event=past.event.body,
            resource=decided.resource,
            at=decided.at,
            keys={} if new.hold is None else new.hold.keys,
        )

    def count(self, report: Report, past: Past, met: Met, decided: _Decided) -> None:
        """Count one message of one event that is told, and how it compares to then."""
        notification = met.now.notification
        report.textless += decided.is_textless
        if notification.render_error and not decided.is_textless:
            report.plain += 1
            report.first_render_error = report.first_render_error or notification.render_error
        differences: tuple[Change, ...] = ()
        kind = Kind.NEW
        if met.then:
            differences = () if decided.is_textless else changes(_original(met.then).payload, notification.payload)
            kind = Kind.CHANGED if differences else Kind.SAME
        line = "" if decided.is_textless else headline(notification.payload)
        self._note(report, kind, past, notification.channel, line, differences)

    def gone(self, past: Past, gone: Iterable[tuple[Delivery, ...]]) -> None:
        """Count what was told of an event then, and is not now."""
        for group in gone:
            old = _original(group)
            report = self._reports.setdefault(old.rule, Report(rule=old.rule, is_ours=False))
            self._note(report, Kind.GONE, past, old.channel, headline(old.payload), ())

    def _note(
        self, report: Report, kind: Kind, past: Past, channel: str, line: str, differences: tuple[Change, ...]
    ) -> None:
        report.kinds[kind] += 1
        kept = report.examples.setdefault(kind, [])
        if len(kept) < self._examples:
            kept.append(
                Example(
                    kind=kind,
                    event_id=past.event.id,
                    received_at=past.event.received_at,
                    channel=channel,
                    headline=line,
                    changes=differences,
                )
            )


def _without(what: str, *, is_needed: bool) -> Given:
    """Go on without what was not kept, where only a text is lost by it."""
    unkept = _UNKEPT.format(what)
    if is_needed:
        raise _Unkept(unkept)
    return Given(value=None, note=unkept)


def _was_sent(old: Delivery) -> bool:
    """Whether a rule spoke: also in another message, where the receiver refused it, or where a person gave it up. An
    escalation is not decided here."""
    return old.state not in (DeliveryState.SUPPRESSED, DeliveryState.HELD) and old.branch is not Branch.ESCALATE


def _grouped(then: list[Delivery]) -> tuple[tuple[Delivery, ...], ...]:
    return lined_up(then, ()).gone


def _original(group: tuple[Delivery, ...]) -> Delivery:
    """Return the message as it was made first, not one that a replay sent once more."""
    return next((old for old in group if not old.replay), group[0])
