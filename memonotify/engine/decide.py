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

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from memonotify.engine.asks import Ask, Asking, Given, Lookup, Remembered
from memonotify.engine.enclosing import Enclosure, file_name, wanted_proof, with_proof
from memonotify.engine.expecting import arrival
from memonotify.engine.stages import Passage, Step, in_step, stages
from memonotify.engine.windows import MAX_KEY_LENGTH, windowed
from memonotify.errors import RenderError
from memonotify.holding import Ending, Hold, Overtaken, Policy, Resolved, StateChange
from memonotify.model import (
    Branch,
    Decision,
    DeliveryState,
    Event,
    Falsehood,
    Fault,
    Mode,
    NewDelivery,
    Notification,
    Outcome,
    delivery_id,
)
from memonotify.policies.fire import Verdict, each_time, on_change
from memonotify.policies.mode import in_mode
from memonotify.policies.once import OnceVerdict, once
from memonotify.rules.lookups import lookup_path
from memonotify.rules.match import fits
from memonotify.rules.values import Entry, Rule
from memonotify.rules.windows import Window
from memonotify.templating.conditions import Condition
from memonotify.templating.environment import Text
from memonotify.templating.groupform import events_of
from memonotify.templating.messages import annotate, with_severity
from memonotify.windowing import WindowEntry

__all__ = ["Ask", "Deciding", "Given", "Lookup", "Remembered", "context_of", "decide", "early_key", "entries_of"]

T = TypeVar("T")

Deciding = Asking[Decision]

_ANSWERS: Final = {"true": True, "false": False}
_WORDS: Final = {answer: word for word, answer in _ANSWERS.items()}


class _Failed(Exception):  # noqa: N818 - it never leaves this module
    """The rule cannot be decided; its text says why, and `fault` which text of it failed."""

    def __init__(self, text: str, fault: Fault) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(slots=True, kw_only=True)
class _Facts:
    """What the rule's expressions see, growing with each look-up, what has to be said of it, and what failed."""

    context: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def learn(self, name: str, given: Given) -> None:
        self.context[name] = given.value
        self.note(given.note)

    def note(self, text: str) -> None:
        if text and text not in self.notes:
            self.notes.append(text)


def context_of(event: Event, resource: Any) -> dict[str, Any]:
    """Return the names that every expression sees: the event as posted, its resource, its workspace."""
    return {"event": event.body, "resource": resource, "workspace": {"name": event.workspace}}


def decide(rule: Rule, *, event: Event, resource: Given, at: datetime, at_once: bool = False) -> Deciding:
    """Decide one rule for one event; yields what it needs to know, returns the Decision.

    `resource` is looked at only by rules that name it. `at` is when the messages are made and due. With `at_once` the
    messages pass no stages, and none is held: a person wants to see or to send them now. Never raises: what goes wrong
    in the condition is a FAILED decision, what goes wrong in a message sends that message in the plain form.
    """
    facts = _Facts(context=context_of(event, resource.value))
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
        yield from _look_up(rule, _names(rule.when, rule.key, rule.hysteresis, *_keys_of(rule)), facts)
        verdict = yield from _judge(rule, event, facts, judged)
        if rule.expect is not None and verdict.branch is Branch.NOTIFY:
            verdict = yield from _arrival(rule, event, facts, judged)
        if rule.once is not None and verdict.outcome is Outcome.MATCHED and verdict.branch is Branch.NOTIFY:
            verdict = yield from _once(rule, rule.once.per, event, facts, at, judged, verdict)
    except _Failed as failed:
        return Decision(
            rule=rule.name,
            outcome=Outcome.FAILED,
            detail="; ".join((str(failed), *facts.notes)),
            key=judged.key,
            faults=(failed.fault,),
            entries=tuple(judged.entries),
        )
    making = _Making(
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
        made = yield from _messages(making, verdict)
    return _concluded(making, judged, verdict, made)


def _concluded(making: _Making, judged: _Judged, verdict: Verdict, made: list[NewDelivery]) -> Decision:
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


def _windows(rule: Rule, event: Event, facts: _Facts, judged: _Judged) -> Asking[None]:
    """Ask for the values of the rule's windows, and note what they count of the event.

    Of an event that the rule itself does not look at, only those windows are of interest that count it.
    """
    looks = rule.match.fits(event.event_type, event.resource_type, event.workspace)
    for window in rule.windows:
        if not looks and not window.match.fits(event.event_type, event.resource_type, event.workspace):
            continue
        yield from _look_up(rule, _names(*window.parts), facts)
        what, path = f"window.{window.name}", ("window", window.name)
        ask = _try(what, path, lambda: windowed(rule, window, event, facts.context))  # noqa: B023 - called at once
        if ask.entry is not None:
            judged.entries.append(ask.entry)
        if looks:
            judged.values[window.name] = yield ask
    # Last, for no window sees another one.
    facts.context |= judged.values


def counting(rule: Rule, window: Window, *, event: Event, resource: Given) -> Asking[WindowEntry | None]:
    """Return what one window counts of an event of the past, None where that is nothing or cannot be told."""
    facts = _Facts(context=context_of(event, resource.value))
    try:
        yield from _look_up(rule, _names(*window.parts), facts)
        return _try("window", (), lambda: windowed(rule, window, event, facts.context)).entry
    except _Failed:
        return None


def _only_counted(rule: Rule, judged: _Judged) -> Decision:
    counted = "its windows count it" if judged.entries else "no window counts it"
    detail = f"match does not fit; {counted}"
    return Decision(rule=rule.name, outcome=Outcome.NOT_MATCHED, detail=detail, entries=tuple(judged.entries))


def entries_of(rule: Rule, branch: Branch) -> tuple[Entry, ...]:
    """Return the list of the rule that a branch speaks from."""
    if branch is Branch.ESCALATE:
        return rule.escalations
    return rule.notify if branch is Branch.NOTIFY else rule.resolved


def early_key(rule: Rule, event: Event) -> str | None:
    """Return a rule's key for an event where it can be told before the bank is asked, else None."""
    key = rule.key
    if key is None or rule.memories != 1 or "resource" in key.names or not key.names.isdisjoint(rule.lookups):
        return None
    try:
        return _key("key", ("key",), key, _Facts(context=context_of(event, None)))
    except _Failed:
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


@dataclass(slots=True, kw_only=True)
class _Making:
    """One rule's messages being made for one event; what the stages want to be remembered."""

    rule: Rule
    event: Event
    facts: _Facts
    at: datetime
    at_once: bool
    once: OnceVerdict | None
    once_key: str
    fire_key: str
    changes: list[StateChange] = field(default_factory=list)
    suppressed_by: Policy | None = None


def _judge(rule: Rule, event: Event, facts: _Facts, judged: _Judged) -> Asking[Verdict]:
    when = rule.when
    answer = when is None or _holds("when", when, facts)
    if not answer and when is not None:
        judged.falsehood = when.first_false(facts.context)
    if rule.mode is Mode.SHADOW:
        judged.policy = Policy.MODE
    if not rule.on_change or rule.key is None:
        return in_mode(rule.mode, each_time(answer))
    key = judged.key = _key("key", ("key",), rule.key, facts)
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


def _holds(name: str, condition: Condition, facts: _Facts) -> bool:
    return _try(name, (name,), lambda: condition.holds(facts.context))


def _arrival(rule: Rule, event: Event, facts: _Facts, judged: _Judged) -> Asking[Verdict]:
    """Remember that what was expected has come. In the shadow as well: whether it has is no message."""
    arrived = yield from arrival(rule, event)
    judged.key = arrived.key
    judged.changes += arrived.changes
    if arrived.expected is not None:
        facts.context["expected"] = arrived.expected
    return in_mode(rule.mode, arrived.verdict)


def _once(
    rule: Rule, per: Text, event: Event, facts: _Facts, at: datetime, judged: _Judged, verdict: Verdict
) -> Asking[Verdict]:
    """Ask whether the key was told already; what is told already changes nothing that is remembered."""
    rules = rule.once
    assert rules is not None  # noqa: S101 - asked by the caller; this tells the type checker
    try:
        key = judged.once_key = _key("once.per", ("once", "per"), per, facts)
    except _Failed as failed:
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


def _key(what: str, path: tuple[str | int, ...], text: Text, facts: _Facts) -> str:
    key = _try(what, path, lambda: text.render(facts.context)).strip()
    fault = "" if key else f"{what} is empty"
    if len(key) > MAX_KEY_LENGTH:
        fault = f"{what} is longer than {MAX_KEY_LENGTH} characters"
    if fault:
        raise _Failed(fault, Fault(path=path, reason=fault))
    return key


def _keys_of(rule: Rule) -> tuple[Text | None, ...]:
    """Return the keys that a rule's policies go by, beside that of `fire`."""
    return (
        None if rule.once is None else rule.once.per,
        None if rule.group is None else rule.group.by,
        None if rule.limit is None else rule.limit.by,
    )


def _stage_keys(rule: Rule, facts: _Facts) -> dict[str, str]:
    """Return the keys of the stages. One that fails is empty, and the message says so: it is not lost for that."""
    keys: dict[str, str] = {}
    for policy, text in (
        (Policy.GROUP, None if rule.group is None else rule.group.by),
        (Policy.LIMIT, None if rule.limit is None else rule.limit.by),
    ):
        if text is None:
            continue
        try:
            keys[policy] = _key(f"{policy}.by", (policy, "by"), text, facts)
        except _Failed as failed:
            facts.faults.append(failed.fault)
            facts.note(str(failed))
    return keys


def _messages(making: _Making, verdict: Verdict) -> Asking[list[NewDelivery]]:
    """Make the messages of a branch, and those of an escalation that begins with them."""
    rule, branch = making.rule, verdict.branch or Branch.NOTIFY
    suppressed = verdict.outcome is Outcome.SUPPRESSED
    keys = {} if suppressed or making.at_once else _stage_keys(rule, making.facts)
    made: list[NewDelivery] = []
    for entry in entries_of(rule, branch):
        new = yield from _message(making, entry, branch, has_proof=not suppressed)
        if new is None:
            continue
        if suppressed:
            new = replace(new, state=DeliveryState.SUPPRESSED, detail=verdict.detail)
        elif not making.at_once:
            new = yield from _staged(making, new, keys)
        made.append(new)
    speaks = any(new.state is not DeliveryState.SUPPRESSED for new in made)
    if branch is Branch.NOTIFY and speaks and not making.at_once:
        made += yield from _escalations(making, keys)
    return made


def _staged(making: _Making, new: NewDelivery, keys: dict[str, str]) -> Asking[NewDelivery]:
    """Take a new message through its stages; one that `once` holds passes them later."""
    event, told = making.event, making.once
    if told is not None and told.wait_until is not None:
        hold = Hold(policy=Policy.ONCE, key=making.once_key, until=told.wait_until, keys=keys)
        detail = "once: a better event may come"
        return replace(new, state=DeliveryState.HELD, due_at=hold.until, hold=hold, detail=detail)
    step: Step = yield from stages(
        Passage(
            name=making.rule.name,
            rule=making.rule,
            branch=new.branch,
            entry=new.entry,
            channel=new.notification.channel,
            workspace=event.workspace,
            event=event.body,
            resource=making.facts.context["resource"],
            at=making.at,
            keys=keys,
        )
    )
    making.changes += step.changes
    if step.state is DeliveryState.SUPPRESSED:
        making.suppressed_by = making.suppressed_by or step.policy
    return in_step(new, step)


def _escalations(making: _Making, keys: dict[str, str]) -> Asking[list[NewDelivery]]:
    """Make the messages that follow later, unless something ends it."""
    rule, event, made = making.rule, making.event, []
    for step in rule.escalate:
        until = making.at + timedelta(seconds=step.after_s)
        value = str(event.body.get(step.same, "")) if step.same else ""
        ending = Ending(event_types=step.event_types, same=step.same, value=value)
        hold = Hold(policy=Policy.ESCALATE, key=making.fire_key, until=until, keys=keys, ending=ending)
        for entry in step.entries:
            new = yield from _message(making, entry, Branch.ESCALATE, has_proof=True)
            if new is not None:
                made.append(replace(new, state=DeliveryState.HELD, due_at=until, hold=hold, detail="escalate"))
    return made


def _message(making: _Making, entry: Entry, branch: Branch, *, has_proof: bool) -> Asking[NewDelivery | None]:
    """Make one message; None where its own `when` does not hold."""
    rule, event, facts = making.rule, making.event, making.facts
    error = ""
    try:
        yield from _look_up(rule, _names(entry.when), facts)
        if not _wanted(entry, branch, facts):
            return None
        yield from _look_up(rule, entry.message.names, facts)
    except _Failed as failed:
        facts.faults.append(failed.fault)
        error = str(failed)
    proof = wanted_proof(entry, event) if has_proof else None
    given = (yield proof) if proof is not None else Given(value=None)
    notification = _notification(rule, entry, branch, facts, error, note=given.note)
    if proof is not None and isinstance(given.value, Enclosure):
        name = file_name(event, facts.context["resource"] if rule.needs_resource else None)
        payload = with_proof(notification.payload, proof, given.value, name=name)
        notification = replace(notification, payload=payload)
    return NewDelivery(
        id=delivery_id(event.workspace, event.id, rule.name, branch, entry.index),
        workspace=event.workspace,
        event_id=event.id,
        rule=rule.name,
        branch=branch,
        entry=entry.index,
        notification=notification,
        created_at=making.at,
        due_at=making.at,
    )


def _wanted(entry: Entry, branch: Branch, facts: _Facts) -> bool:
    """Whether the entry's own `when` holds. Where it fails, the rule has fired all the same: the message goes plain."""
    when = entry.when
    path = (*_place(entry, branch), "when")
    return when is None or _try("when of the message", path, lambda: when.holds(facts.context))


def _place(entry: Entry, branch: Branch) -> tuple[str | int, ...]:
    """Return where an entry stands within its rule."""
    return entry.path or (branch.value, entry.index)


def _notification(rule: Rule, entry: Entry, branch: Branch, facts: _Facts, error: str, *, note: str) -> Notification:
    payload: dict[str, Any] = {}
    if not error:
        try:
            payload = _try("message", _place(entry, branch), lambda: entry.message.render(facts.context))
        except _Failed as failed:
            facts.faults.append(failed.fault)
            error = str(failed)
    if error:
        payload = entry.message.plain(facts.context, error=error, rule=rule.name)
    notes = [*facts.notes, note] if note else facts.notes
    if notes:
        payload = annotate(entry.channel_type, payload, "; ".join(notes))
    return Notification(channel=entry.channel, payload=with_severity(payload, rule.severity), render_error=error)


def _look_up(rule: Rule, names: Iterable[str], facts: _Facts) -> Asking[None]:
    """Ask for the look-ups among `names` that are not there yet."""
    for name in sorted(names):
        if name in rule.lookups and name not in facts.context:
            text = rule.lookups[name]
            where = ("fetch", name)
            path = _try(f"fetch.{name}", where, lambda: lookup_path(text, facts.context))  # noqa: B023 - called at once
            facts.learn(name, (yield Lookup(name=name, path=path)))


def _names(*sources: Any) -> frozenset[str]:
    return frozenset().union(*(source.names for source in sources if source is not None))


def _try(what: str, path: tuple[str | int, ...], work: Callable[[], T]) -> T:
    """Run what the user wrote at `path` of the rule. Whatever a value does to it, no alert is lost and no neighbour
    harmed."""
    try:
        return work()
    except RenderError as error:
        fault = Fault(path=(*path, *error.path), reason=error.reason, line=error.line, file=error.file, word=error.word)
        raise _Failed(f"{what}: {error}", fault) from error
    except Exception as error:
        reason = f"{type(error).__name__} while it was evaluated"
        raise _Failed(f"{what}: {reason}", Fault(path=path, reason=reason)) from error
