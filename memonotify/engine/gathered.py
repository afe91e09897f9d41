"""The one message that tells of many: of a group, of a digest, of what was over a limit. Pure.

In: the members of a gathering, as they are kept, and the rule as it is now. Out: a NewDelivery, not yet staged. Called
by the timekeeper.

A group's message is the entry's own, with `events`. Where the rule, the entry or its channel is gone, or the entry's
words fail, the events are told in the default form to the recipients that the last member's message had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from memonotify.catalogue import resource_path
from memonotify.engine.asks import Lookup
from memonotify.engine.inquiry import absence
from memonotify.engine.recall import Recall
from memonotify.errors import Reason, RenderError
from memonotify.holding import Policy
from memonotify.model import NewDelivery, Notification, Snapshot, delivery_id
from memonotify.past import Past
from memonotify.rules.lookups import lookup_path
from memonotify.rules.values import Entry, Rule
from memonotify.store.held import Gathering, Held
from memonotify.templating import groupform
from memonotify.templating.filters import Filters
from memonotify.templating.messages import annotate, with_severity

MOST_READ: Final = 1000
"""So many members of a gathering are read with their events. Only what is over a limit may be more: it is counted."""

MOST_NOTED: Final = 10
"""Of so many events a message says why it is without their resource."""

_ADDRESSING: Final = ("to", "cc", "reply_to", "path", "headers", "severity")


def group_message(
    gathering: Gathering,
    members: Sequence[Held],
    rule: Rule | None,
    entry: Entry | None,
    *,
    resource_types: Mapping[str, str],
    filters: Filters,
    at: datetime,
) -> NewDelivery:
    """Return the message that tells of all members of a group or a digest."""
    context = _context(members, rule, resource_types)
    payload, error = None, ""
    if entry is not None:
        try:
            payload = entry.message.render(context)
        except RenderError as failed:
            error = f"message: {failed}"
        except Exception as failed:  # noqa: BLE001 - whatever a value does to it, no alert is lost
            error = f"message: {type(failed).__name__} while it was evaluated"
    kind = channel_type_of(members[-1], entry)
    if payload is None:
        told = groupform.default_group(kind, gathering.rule, context, filters, error=error)
        payload = {**_addressing(members[-1]), **told}
    note = _absences(members, resource_types) if rule is not None and rule.needs_resource else ""
    if note:
        payload = annotate(kind, payload, note)
    if rule is not None:
        payload = with_severity(payload, rule.severity)
    return _delivery(gathering, members[-1], payload, at, error=error)


def _absences(members: Sequence[Held], resource_types: Mapping[str, str]) -> str:
    """Say of which events the bank did not give the resource, as each one's own message would have."""
    said: list[str] = []
    for member in members:
        shot = _resource_shot(member, resource_types)
        if member.event is not None and shot is not None and shot.body is None:
            why = absence("the resource", shot.path, shot.reason or Reason.NOT_FOUND)
            said.append(f"{member.event.id}: {why}")
    more = len(said) - MOST_NOTED
    return "; ".join([*said[:MOST_NOTED], *([f"and {more} more events without a resource"] if more > 0 else [])])


def rest_message(
    gathering: Gathering,
    members: Sequence[Held],
    count: int,
    event_ids: Sequence[str],
    *,
    per_s: float | None,
    entry: Entry | None,
    at: datetime,
) -> NewDelivery:
    """Return the message, in the plain form, that tells what was over a limit: rule, count, event ids."""
    kind = channel_type_of(members[-1], entry)
    payload = {
        **_addressing(members[-1]),
        **groupform.rest_payload(
            kind,
            rule=gathering.rule,
            key=gathering.key,
            count=count,
            event_ids=event_ids,
            unread=count - len(members),
            per_s=per_s,
        ),
    }
    return _delivery(gathering, members[-1], payload, at)


def entry_of(gathering: Gathering, entries: Sequence[Entry]) -> Entry | None:
    """Return the entry that a gathering's messages come from, None where it is gone or speaks elsewhere now."""
    found = next((entry for entry in entries if entry.index == gathering.entry), None)
    return found if found is not None and found.channel == gathering.channel else None


def channel_type_of(member: Held, entry: Entry | None) -> str:
    """Return the kind of channel that a message is for: of one whose entry is gone, by its payload's shape."""
    if entry is not None:
        return entry.channel_type
    payload = member.delivery.payload
    if "subject" in payload:
        return "email"
    return "http" if "json" in payload or "body" in payload else "slack"


def resource_of(member: Held, resource_types: Mapping[str, str]) -> Any:
    """Return the resource of a member's event, as it was when the event was evaluated."""
    shot = _resource_shot(member, resource_types)
    return None if shot is None else shot.body


def _resource_shot(member: Held, resource_types: Mapping[str, str]) -> Snapshot | None:
    event = member.event
    if event is None:
        return None
    path = resource_path(event.resource_type, event.resource_id, resource_types)
    return next((shot for shot in member.snapshots if shot.path == path), None)


def body_of(member: Held) -> Mapping[str, Any]:
    """Return the event of a member as it was posted; of one that is gone, its id."""
    return {"id": member.delivery.event_id} if member.event is None else member.event.body


def _context(members: Sequence[Held], rule: Rule | None, resource_types: Mapping[str, str]) -> dict[str, Any]:
    """Return what the entry's texts see: all events, and the last one's resource and look-ups alone."""
    known = [(body_of(member), resource_of(member, resource_types)) for member in members]
    last = members[-1]
    context: dict[str, Any] = {
        "event": known[-1][0],
        "resource": known[-1][1],
        "workspace": {"name": last.delivery.workspace},
        **groupform.events_of(known),
    }
    if rule is not None and last.event is not None:
        past = Past(event=last.event, snapshots=last.snapshots)
        recall = Recall(past, resource_types=resource_types, with_api=frozenset({last.event.workspace}))
        for name, text in rule.lookups.items():
            try:
                kept = recall.look_up(Lookup(name=name, path=lookup_path(text, context)))
            except RenderError:
                continue
            if kept is not None:
                context[name] = kept.value
    return context


def _addressing(member: Held) -> dict[str, Any]:
    payload = member.delivery.payload
    return {name: payload[name] for name in _ADDRESSING if name in payload}


def _delivery(
    gathering: Gathering, last: Held, payload: Mapping[str, Any], at: datetime, *, error: str = ""
) -> NewDelivery:
    delivery = last.delivery
    salt = json.dumps([gathering.policy.value, gathering.seq, gathering.opened_at.isoformat()])
    return NewDelivery(
        id=delivery_id(
            gathering.workspace, delivery.event_id, gathering.rule, gathering.branch, gathering.entry, salt=salt
        ),
        workspace=gathering.workspace,
        event_id=delivery.event_id,
        rule=gathering.rule,
        branch=gathering.branch,
        entry=gathering.entry,
        notification=Notification(channel=gathering.channel, payload=payload, render_error=error),
        created_at=at,
        due_at=at,
    )


def is_rest(gathering: Gathering) -> bool:
    """Whether a gathering holds what was over a limit."""
    return gathering.policy is Policy.LIMIT
