"""Makes the messages that a rule decided on, and those of an escalation that begins with them. A generator that asks.

In: what is known of the event, and the branch that speaks. Out: deliveries to write, each as its stages leave it.
`decide` calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from memonotify.engine.asks import Asking, Given
from memonotify.engine.enclosing import Enclosure, file_name, wanted_proof, with_proof
from memonotify.engine.knowing import Facts, Failed, attempt, key_of, look_up, names_of
from memonotify.engine.stages import Passage, Step, in_step, stages
from memonotify.holding import Ending, Hold, Policy, StateChange
from memonotify.model import Branch, DeliveryState, Event, NewDelivery, Notification, Outcome, delivery_id
from memonotify.policies.fire import Verdict
from memonotify.policies.once import OnceVerdict
from memonotify.rules.values import Entry, Rule
from memonotify.templating.messages import annotate, with_severity


@dataclass(slots=True, kw_only=True)
class Making:
    """One rule's messages being made for one event; what the stages want to be remembered."""

    rule: Rule
    event: Event
    facts: Facts
    at: datetime
    at_once: bool
    once: OnceVerdict | None
    once_key: str
    fire_key: str
    changes: list[StateChange] = field(default_factory=list)
    suppressed_by: Policy | None = None


def entries_of(rule: Rule, branch: Branch) -> tuple[Entry, ...]:
    """Return the list of the rule that a branch speaks from."""
    if branch is Branch.ESCALATE:
        return rule.escalations
    return rule.notify if branch is Branch.NOTIFY else rule.resolved


def _stage_keys(rule: Rule, facts: Facts) -> dict[str, str]:
    """Return the keys of the stages. One that fails is empty, and the message says so: it is not lost for that."""
    keys: dict[str, str] = {}
    for policy, text in (
        (Policy.GROUP, None if rule.group is None else rule.group.by),
        (Policy.LIMIT, None if rule.limit is None else rule.limit.by),
    ):
        if text is None:
            continue
        try:
            keys[policy] = key_of(f"{policy}.by", (policy, "by"), text, facts)
        except Failed as failed:
            facts.faults.append(failed.fault)
            facts.note(str(failed))
    return keys


def messages_of(making: Making, verdict: Verdict) -> Asking[list[NewDelivery]]:
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


def _staged(making: Making, new: NewDelivery, keys: dict[str, str]) -> Asking[NewDelivery]:
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


def _escalations(making: Making, keys: dict[str, str]) -> Asking[list[NewDelivery]]:
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


def _message(making: Making, entry: Entry, branch: Branch, *, has_proof: bool) -> Asking[NewDelivery | None]:
    """Make one message; None where its own `when` does not hold."""
    rule, event, facts = making.rule, making.event, making.facts
    error = ""
    try:
        yield from look_up(rule, names_of(entry.when), facts)
        if not _wanted(entry, branch, facts):
            return None
        yield from look_up(rule, entry.message.names, facts)
    except Failed as failed:
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


def _wanted(entry: Entry, branch: Branch, facts: Facts) -> bool:
    """Whether the entry's own `when` holds. Where it fails, the rule has fired all the same: the message goes plain."""
    when = entry.when
    path = (*_place(entry, branch), "when")
    return when is None or attempt("when of the message", path, lambda: when.holds(facts.context))


def _place(entry: Entry, branch: Branch) -> tuple[str | int, ...]:
    """Return where an entry stands within its rule."""
    return entry.path or (branch.value, entry.index)


def _notification(rule: Rule, entry: Entry, branch: Branch, facts: Facts, error: str, *, note: str) -> Notification:
    payload: dict[str, Any] = {}
    if not error:
        try:
            payload = attempt("message", _place(entry, branch), lambda: entry.message.render(facts.context))
        except Failed as failed:
            facts.faults.append(failed.fault)
            error = str(failed)
    if error:
        payload = entry.message.plain(facts.context, error=error, rule=rule.name)
    notes = [*facts.notes, note] if note else facts.notes
    if notes:
        payload = annotate(entry.channel_type, payload, "; ".join(notes))
    return Notification(channel=entry.channel, payload=with_severity(payload, rule.severity), render_error=error)
