"""What one rule concludes of one event. Pure: no clock, no network, no store.

In: a rule whose `match` fits, the event and what the bank gave as its resource. Out: a Decision with the rendered
messages. What it still needs on the way it asks for: `decide` is a generator that yields a Lookup, Remembered or Proof
and is sent the answer. The daemon answers from the bank and the store (`evaluate`), the test runner and the preview
from what they were given; so all of them decide alike.

The order is fixed: the look-ups that `when` and `key` name, the condition, the policies, then for each message that is
due the look-ups that only it names and the proof that it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from memonotify.engine.enclosing import Enclosure, Proof, file_name, wanted_proof, with_proof
from memonotify.errors import RenderError
from memonotify.model import (
    Branch,
    Decision,
    DeliveryState,
    Event,
    Falsehood,
    Fault,
    NewDelivery,
    Notification,
    Outcome,
    StateChange,
    delivery_id,
)
from memonotify.policies.fire import Verdict, each_time, on_change
from memonotify.policies.mode import in_mode
from memonotify.rules.lookups import lookup_path
from memonotify.rules.values import Entry, Rule
from memonotify.templating.messages import annotate, with_severity

MAX_KEY_LENGTH: Final = 512
"""A longer key would not fit an index of every database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the bank gave for one question. `note` is what a message has to say of it; empty where all is well."""

    value: Any
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Asks for what the bank has at `path`, named `name` in the rule's `fetch`. The answer is a Given."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Asks for the answer that is remembered for a key. The answer is True, False, or None for unknown."""

    key: str


T = TypeVar("T")

Deciding = Generator[Lookup | Remembered | Proof, Any, Decision]


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


def decide(rule: Rule, *, event: Event, resource: Given, at: datetime) -> Deciding:
    """Decide one rule for one event; yields what it needs to know, returns the Decision.

    `resource` is looked at only by rules that name it. `at` is when the messages are made and due. Never raises: what
    goes wrong in the condition is a FAILED decision, what goes wrong in a message sends that message in the plain form.
    """
    facts = _Facts(context=context_of(event, resource.value))
    if rule.needs_resource:
        facts.note(resource.note)
    judged = _Judged()
    try:
        yield from _look_up(rule, _names(rule.when, rule.key), facts)
        verdict, change = yield from _judge(rule, event, facts, judged)
    except _Failed as failed:
        return Decision(
            rule=rule.name,
            outcome=Outcome.FAILED,
            detail="; ".join((str(failed), *facts.notes)),
            key=judged.key,
            faults=(failed.fault,),
        )
    deliveries: tuple[NewDelivery, ...] = ()
    if verdict.branch is not None:
        deliveries = yield from _deliveries(rule, verdict, event, facts, at)
    silent = verdict.outcome is Outcome.NOT_MATCHED and judged.falsehood is not None
    return Decision(
        rule=rule.name,
        outcome=verdict.outcome,
        detail=str(judged.falsehood) if silent else verdict.detail,
        falsehood=judged.falsehood,
        key=judged.key,
        deliveries=deliveries,
        change=change,
        faults=tuple(facts.faults),
    )


def entries_of(rule: Rule, branch: Branch) -> tuple[Entry, ...]:
    """Return the list of the rule that a branch speaks from."""
    return rule.notify if branch is Branch.NOTIFY else rule.resolved


def early_key(rule: Rule, event: Event) -> str | None:
    """Return a rule's key for an event where it can be told before the bank is asked, else None."""
    key = rule.key
    if key is None or "resource" in key.names or not key.names.isdisjoint(rule.lookups):
        return None
    try:
        return _key(rule, _Facts(context=context_of(event, None)))
    except _Failed:
        return None


@dataclass(slots=True)
class _Judged:
    """What was learned on the way to a verdict, also where it failed."""

    falsehood: Falsehood | None = None
    key: str = ""


def _judge(
    rule: Rule, event: Event, facts: _Facts, judged: _Judged
) -> Generator[Remembered, bool | None, tuple[Verdict, StateChange | None]]:
    when = rule.when
    answer = when is None or _try("when", ("when",), lambda: when.holds(facts.context))
    if not answer and when is not None:
        judged.falsehood = when.first_false(facts.context)
    if not rule.on_change or rule.key is None:
        return in_mode(rule.mode, each_time(answer)), None
    key = judged.key = _key(rule, facts)
    remembered = yield Remembered(key=key)
    verdict = in_mode(rule.mode, on_change(answer, remembered))
    if verdict.remember is None:
        return verdict, None
    change = StateChange(workspace=event.workspace, rule=rule.name, key=key, old=remembered, new=verdict.remember)
    return verdict, change


def _key(rule: Rule, facts: _Facts) -> str:
    assert rule.key is not None  # noqa: S101 - asked by the caller; this tells the type checker
    text = rule.key
    key = _try("key", ("key",), lambda: text.render(facts.context)).strip()
    fault = "" if key else "key is empty"
    if len(key) > MAX_KEY_LENGTH:
        fault = f"key is longer than {MAX_KEY_LENGTH} characters"
    if fault:
        raise _Failed(fault, Fault(path=("key",), reason=fault))
    return key


def _deliveries(
    rule: Rule, verdict: Verdict, event: Event, facts: _Facts, at: datetime
) -> Generator[Lookup | Proof, Given, tuple[NewDelivery, ...]]:
    made = []
    branch = verdict.branch or Branch.NOTIFY
    suppressed = verdict.outcome is Outcome.SUPPRESSED
    for entry in entries_of(rule, branch):
        error = ""
        try:
            yield from _look_up(rule, _names(entry.when), facts)
            if not _wanted(entry, branch, facts):
                continue
            yield from _look_up(rule, entry.message.names, facts)
        except _Failed as failed:
            facts.faults.append(failed.fault)
            error = str(failed)
        proof = None if suppressed else wanted_proof(entry, event)
        given = (yield proof) if proof is not None else Given(value=None)
        notification = _notification(rule, entry, branch, facts, error, note=given.note)
        if proof is not None and isinstance(given.value, Enclosure):
            name = file_name(event, facts.context["resource"] if rule.needs_resource else None)
            payload = with_proof(notification.payload, proof, given.value, name=name)
            notification = replace(notification, payload=payload)
        made.append(
            NewDelivery(
                id=delivery_id(event.workspace, event.id, rule.name, branch, entry.index),
                workspace=event.workspace,
                event_id=event.id,
                rule=rule.name,
                branch=branch,
                entry=entry.index,
                notification=notification,
                created_at=at,
                due_at=at,
                state=DeliveryState.SUPPRESSED if suppressed else DeliveryState.PENDING,
                detail=verdict.detail if suppressed else "",
            )
        )
    return tuple(made)


def _wanted(entry: Entry, branch: Branch, facts: _Facts) -> bool:
    """Whether the entry's own `when` holds. Where it fails, the rule has fired all the same: the message goes plain."""
    when = entry.when
    path = (branch.value, entry.index, "when")
    return when is None or _try("when of the message", path, lambda: when.holds(facts.context))


def _notification(rule: Rule, entry: Entry, branch: Branch, facts: _Facts, error: str, *, note: str) -> Notification:
    payload: dict[str, Any] = {}
    if not error:
        try:
            payload = _try("message", (branch.value, entry.index), lambda: entry.message.render(facts.context))
        except _Failed as failed:
            facts.faults.append(failed.fault)
            error = str(failed)
    if error:
        payload = entry.message.plain(facts.context, error=error, rule=rule.name)
    notes = [*facts.notes, note] if note else facts.notes
    if notes:
        payload = annotate(entry.channel_type, payload, "; ".join(notes))
    return Notification(channel=entry.channel, payload=with_severity(payload, rule.severity), render_error=error)


def _look_up(rule: Rule, names: Iterable[str], facts: _Facts) -> Generator[Lookup, Given, None]:
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
