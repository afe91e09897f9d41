"""What one rule concludes of one event. Pure: no clock, no network, no store.

In: a rule whose `match` fits, the event and what the bank gave as its resource. Out: a Decision with the rendered
messages. What it still needs on the way it asks for (`asks`): `decide` is a generator that yields a question and is
sent the answer. The daemon answers from the bank and the store (`evaluate`), the test runner and the preview from what
they were given; so all of them decide alike.

The order is fixed: the look-ups that the windows name, the windows, the look-ups that `when` and the keys name, the
condition, `mode`, `fire`, `once`, then for each message that is due the look-ups that only it names and the proof that
it carries, and the stages that it passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from memonotify.engine.asks import Asking, Given, Remembered
from memonotify.engine.expecting import arrival
from memonotify.engine.knowing import Facts, Failed, attempt, context_of, key_of, look_up, names_of
from memonotify.engine.making import Making, messages_of
from memonotify.engine.windows import windowed
from memonotify.holding import Overtaken, Policy, Resolved, StateChange
from memonotify.model import (
    Branch,
    Decision,
    DeliveryState,
    Event,
    Falsehood,
    Mode,
    NewDelivery,
    Outcome,
)
from memonotify.policies.fire import Verdict, each_time, on_change
from memonotify.policies.mode import in_mode
from memonotify.policies.once import OnceVerdict, once
from memonotify.rules.match import fits
from memonotify.rules.values import Rule
from memonotify.rules.windows import Window
from memonotify.templating.conditions import Condition
from memonotify.templating.environment import Text
from memonotify.templating.groupform import events_of
from memonotify.windowing import WindowEntry

Deciding = Asking[Decision]

_ANSWERS: Final = {"true": True, "false": False}
_WORDS: Final = {answer: word for word, answer in _ANSWERS.items()}


def decide(rule: Rule, *, event: Event, resource: Given, at: datetime, at_once: bool = False) -> Deciding:
    """Decide one rule for one event; yields what it needs to know, returns the Decision.

    `resource` is looked at only by rules that name it. `at` is when the messages are made and due. With `at_once` the
    messages pass no stages, and none is held: a person wants to see or to send them now. Never raises: what goes wrong
    in the condition is a FAILED decision, what goes wrong in a message sends that message in the plain form.
    """
    facts = Facts(context=context_of(event, resource.value))
    if rule.gathers:
        facts.context |= events_of([(event.body, resource.value)])
    if rule.needs_resource:
        facts.note(resource.note)
    judged = _Judged()
    try:
        if rule.windows:
            yield from _windows(rule, event, facts, judged)
            if not rule.match.fits(event.event_type, event.resource_type, event.workspace):
                return _only_counted(rule, judged)
        yield from look_up(rule, names_of(rule.when, rule.key, rule.hysteresis, *_keys_of(rule)), facts)
        verdict = yield from _judge(rule, event, facts, judged)
        if rule.expect is not None and verdict.branch is Branch.NOTIFY:
            verdict = yield from _arrival(rule, event, facts, judged)
        if rule.once is not None and verdict.outcome is Outcome.MATCHED and verdict.branch is Branch.NOTIFY:
            verdict = yield from _once(rule, rule.once.per, event, facts, at, judged, verdict)
    except Failed as failed:
        return Decision(
            rule=rule.name,
            outcome=Outcome.FAILED,
            detail="; ".join((str(failed), *facts.notes)),
            key=judged.key,
            faults=(failed.fault,),
            entries=tuple(judged.entries),
        )
    making = Making(
        rule=rule,
        event=event,
        facts=facts,
        at=at,
        at_once=at_once,
        once=judged.once,
        once_key=judged.once_key,
        fire_key=judged.key,
    )
    made: list[NewDelivery] = []
    if verdict.branch is not None:
        made = yield from messages_of(making, verdict)
    return _concluded(making, judged, verdict, made)


def _concluded(making: Making, judged: _Judged, verdict: Verdict, made: list[NewDelivery]) -> Decision:
    rule, facts = making.rule, making.facts
    outcome, detail, policy = verdict.outcome, verdict.detail, judged.policy
    if outcome is Outcome.NOT_MATCHED and judged.falsehood is not None:
        detail = str(judged.falsehood)
    changes, overtaken = (*judged.changes, *making.changes), None
    if outcome is Outcome.MATCHED and made and all(new.state is DeliveryState.SUPPRESSED for new in made):
        outcome, detail, policy = Outcome.SUPPRESSED, made[0].detail, making.suppressed_by
        if rule.expect is None:
            # What is suppressed uses up no key: the next event of it is told. What was expected has come all the same.
            changes = ()
    elif judged.once is not None and judged.once.overtakes and made:
        told_in = next(new.id for new in made if new.state is not DeliveryState.SUPPRESSED)
        overtaken = Overtaken(workspace=making.event.workspace, rule=rule.name, key=judged.once_key, told_in=told_in)
    return Decision(
        rule=rule.name,
        outcome=outcome,
        detail=detail,
        falsehood=judged.falsehood,
        key=judged.key,
        policy=policy,
        deliveries=tuple(made),
        changes=tuple(changes),
        overtaken=overtaken,
        resolved=_resolved(changes),
        faults=tuple(facts.faults),
        entries=tuple(judged.entries),
    )


def _resolved(changes: Iterable[StateChange]) -> Resolved | None:
    """Return what is over, where a true condition became false and that is remembered."""
    true, false = _WORDS[True], _WORDS[False]
    over = (each for each in changes if each.policy is Policy.FIRE and (each.old, each.new) == (true, false))
    found = next(over, None)
    return None if found is None else Resolved(workspace=found.workspace, rule=found.rule, key=found.key)


def _windows(rule: Rule, event: Event, facts: Facts, judged: _Judged) -> Asking[None]:
    """Ask for the values of the rule's windows, and note what they count of the event.

    Of an event that the rule itself does not look at, only those windows are of interest that count it.
    """
    looks = rule.match.fits(event.event_type, event.resource_type, event.workspace)
    for window in rule.windows:
        if not looks and not window.match.fits(event.event_type, event.resource_type, event.workspace):
            continue
        yield from look_up(rule, names_of(*window.parts), facts)
        what, path = f"window.{window.name}", ("window", window.name)
        ask = attempt(what, path, lambda: windowed(rule, window, event, facts.context))  # noqa: B023 - called at once
        if ask.entry is not None:
            judged.entries.append(ask.entry)
        if looks:
            judged.values[window.name] = yield ask
    # Last, for no window sees another one.
    facts.context |= judged.values


def counting(rule: Rule, window: Window, *, event: Event, resource: Given) -> Asking[WindowEntry | None]:
    """Return what one window counts of an event of the past, None where that is nothing or cannot be told."""
    facts = Facts(context=context_of(event, resource.value))
    try:
        yield from look_up(rule, names_of(*window.parts), facts)
        return attempt("window", (), lambda: windowed(rule, window, event, facts.context)).entry
    except Failed:
        return None


def _only_counted(rule: Rule, judged: _Judged) -> Decision:
    counted = "its windows count it" if judged.entries else "no window counts it"
    detail = f"match does not fit; {counted}"
    return Decision(rule=rule.name, outcome=Outcome.NOT_MATCHED, detail=detail, entries=tuple(judged.entries))


def early_key(rule: Rule, event: Event) -> str | None:
    """Return a rule's key for an event where it can be told before the bank is asked, else None."""
    key = rule.key
    if key is None or rule.memories != 1 or "resource" in key.names or not key.names.isdisjoint(rule.lookups):
        return None
    try:
        return key_of("key", ("key",), key, Facts(context=context_of(event, None)))
    except Failed:
        return None


@dataclass(slots=True)
class _Judged:
    """What was learned on the way to a verdict, also where it failed."""

    falsehood: Falsehood | None = None
    key: str = ""
    policy: Policy | None = None
    once: OnceVerdict | None = None
    once_key: str = ""
    changes: list[StateChange] = field(default_factory=list)
    entries: list[WindowEntry] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)


def _judge(rule: Rule, event: Event, facts: Facts, judged: _Judged) -> Asking[Verdict]:
    when = rule.when
    answer = when is None or _holds("when", when, facts)
    if not answer and when is not None:
        judged.falsehood = when.first_false(facts.context)
    if rule.mode is Mode.SHADOW:
        judged.policy = Policy.MODE
    if not rule.on_change or rule.key is None:
        return in_mode(rule.mode, each_time(answer))
    key = judged.key = key_of("key", ("key",), rule.key, facts)
    remembered = yield Remembered(policy=Policy.FIRE, key=key, line=key if rule.memories == 1 else "")
    before = None if remembered is None else _ANSWERS[remembered]
    over = rule.hysteresis
    is_over = over is None or answer or not before or _holds("hysteresis", over, facts)
    if not is_over and over is not None:
        judged.falsehood = over.first_false(facts.context)
    verdict = in_mode(rule.mode, on_change(answer, before, is_over=is_over))
    if verdict.remember is not None:
        judged.changes.append(
            StateChange(
                workspace=event.workspace,
                rule=rule.name,
                policy=Policy.FIRE,
                key=key,
                old=remembered,
                new=_WORDS[verdict.remember],
            )
        )
    return verdict


def _holds(name: str, condition: Condition, facts: Facts) -> bool:
    return attempt(name, (name,), lambda: condition.holds(facts.context))


def _arrival(rule: Rule, event: Event, facts: Facts, judged: _Judged) -> Asking[Verdict]:
    """Remember that what was expected has come. In the shadow as well: whether it has is no message."""
    arrived = yield from arrival(rule, event)
    judged.key = arrived.key
    judged.changes += arrived.changes
    if arrived.expected is not None:
        facts.context["expected"] = arrived.expected
    return in_mode(rule.mode, arrived.verdict)


def _once(
    rule: Rule, per: Text, event: Event, facts: Facts, at: datetime, judged: _Judged, verdict: Verdict
) -> Asking[Verdict]:
    """Ask whether the key was told already; what is told already changes nothing that is remembered."""
    rules = rule.once
    assert rules is not None  # noqa: S101 - asked by the caller; this tells the type checker
    try:
        key = judged.once_key = key_of("once.per", ("once", "per"), per, facts)
    except Failed as failed:
        # It cannot be known whether it was told: told twice is better than not at all.
        facts.faults.append(failed.fault)
        facts.note(str(failed))
        return verdict
    remembered = yield Remembered(policy=Policy.ONCE, key=key, line=key if rule.memories == 1 else "")
    is_best = rules.prefer is None or fits(rules.prefer, event.event_type)
    told = judged.once = once(remembered, at, within_s=rules.within_s, wait_s=None if is_best else rules.wait_s)
    if not told.speaks:
        judged.policy, judged.changes = Policy.ONCE, []
        return Verdict(outcome=Outcome.SUPPRESSED, detail=told.detail)
    if told.remember is not None:
        judged.changes.append(
            StateChange(
                workspace=event.workspace,
                rule=rule.name,
                policy=Policy.ONCE,
                key=key,
                old=remembered,
                new=told.remember,
                expires_at=told.expires_at,
            )
        )
    return verdict


def _keys_of(rule: Rule) -> tuple[Text | None, ...]:
    """Return the keys that a rule's policies go by, beside that of `fire`."""
    return (
        None if rule.once is None else rule.once.per,
        None if rule.group is None else rule.group.by,
        None if rule.limit is None else rule.limit.by,
    )
