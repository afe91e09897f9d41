"""Why an event did or did not lead to messages, and why a rule stayed silent, as plain JSON data.

In: the store's records, and what is known beside them. Out: one event's story from its receipt to each try to send, or
one rule's silences counted by reason. Reads only. `Operations` asks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, Protocol

from memonotify.admin.conclusions import conclusions, no_rule, others, untraced
from memonotify.admin.fetched import fetched
from memonotify.admin.known import Known
from memonotify.admin.messages import Records as Messages
from memonotify.admin.messages import messages_of, waiting_json
from memonotify.admin.records import event_json, moment_text
from memonotify.admin.unspoken import suppressed_by, unspoken
from memonotify.admin.waits import wait_json
from memonotify.errors import NotFound
from memonotify.holding import Policy
from memonotify.model import Branch, Clock, Decision, Event, EventState, Node, Snapshot, Wait, said_at
from memonotify.policies.expect import remembered
from memonotify.rules.values import Rule
from memonotify.schedules import Schedule

MAX_DECISIONS: Final = 20_000
"""How many decisions of a rule are counted, the newest; more would keep a reader of the store busy for too long."""

_MAX_DEADLINES: Final = 5
_NEAR: Final = 5
_RECENT: Final = 500

Json = dict[str, Any]


class Records(Messages, Protocol):
    """What is used of the store, beside what an event's messages ask."""

    async def events(self, *, workspace: str | None = None, limit: int = 100) -> list[Event]: ...
    async def events_named(self, event_id: str, /, *, workspace: str | None = None, limit: int = 10) -> list[Event]: ...
    async def wait(self, event: Event, /) -> Wait | None: ...
    async def snapshots(self, event: Event, /) -> list[Snapshot]: ...
    async def decisions(self, event: Event, /) -> list[Decision]: ...
    async def decisions_of_rule(
        self, rule: str, since: datetime, /, *, workspace: str | None = None, limit: int | None = None
    ) -> list[tuple[str, datetime, Decision]]: ...
    async def events_with_messages(self, rule: str, since: datetime, /) -> set[str]: ...
    async def policy_states(
        self, workspace: str, rule: str, policy: Policy, /, *, limit: int
    ) -> list[tuple[str, str]]: ...
    async def schedules(self) -> list[Schedule]: ...
    async def waiting_of_rule(
        self, rule: str, /, *, workspace: str | None = None
    ) -> dict[Policy, tuple[int, datetime]]: ...
    async def told_of_rule(self, rule: str, since: datetime, /, *, workspace: str | None = None) -> tuple[int, int]: ...
    async def nodes(self) -> list[Node]: ...


async def explain_event(
    store: Records, known: Known, clock: Clock, event_id: str, *, workspace: str | None, rule: str | None, fetch: bool
) -> Json:
    """Return an event's story; of one rule alone where it is named, with what the bank says now where `fetch` says so.

    `event_id` may be the beginning of the only id that begins so.

    Raises:
        NotFound: there is no such event, or no such rule.
    """
    event, elsewhere = await _the_event(store, event_id, workspace)
    decisions = await store.decisions(event)
    messages = await messages_of(store, event, known.rules)
    rules = conclusions(decisions, messages, known.rules)
    if rule is not None:
        rules = [entry for entry in rules if entry["rule"] == rule] or [untraced(rule, event, decisions, known.rules)]
    notices = [message for message in messages if message["branch"] == Branch.FAILURE]
    can_ask = event.workspace in known.banks
    unasked = f"workspace {event.workspace} has no api, so the bank was not asked"
    return {
        "event": event_json(event) | {"attempts": event.attempts},
        "also_in": elsewhere,
        "late_s": _late_s(event),
        "waiting": await _waiting(store, known, clock, event),
        "fetched": await fetched(event, await store.snapshots(event), known, fetch=fetch and can_ask),
        "rules": rules,
        "other_rules": others(event, decisions, known.rules) if known.rules is not None and rule is None else None,
        "told": notices if rule is None else [],
        "notes": [unasked] if fetch and not can_ask else [],
    }


async def _the_event(store: Records, event_id: str, workspace: str | None) -> tuple[Event, list[str]]:
    """Return the event that is meant, and the other workspaces that have one of its id."""
    found = await store.events_named(event_id, workspace=workspace, limit=_NEAR + 1)
    ids = list(dict.fromkeys(event.id for event in found))
    if len(ids) == 1:
        return found[0], [event.workspace for event in found[1:]]
    where = f" in workspace {workspace}" if workspace is not None else ""
    if ids:
        more = ", …" if len(ids) > _NEAR else ""
        raise NotFound(f"several events begin with {event_id}{where}: {', '.join(ids[:_NEAR])}{more}")
    recent = [event.id for event in await store.events(workspace=workspace, limit=_RECENT)]
    near = get_close_matches(event_id, dict.fromkeys(recent), n=3, cutoff=0.8)
    hint = f"did you mean {' or '.join(near)}?" if near else "memonotify events lists them"
    raise NotFound(f"there is no event {event_id}{where} ({hint})")


def _late_s(event: Event) -> float | None:
    """Return how many seconds after the bank's own date the event came; None where that date is not to be read."""
    said = said_at(event.date)
    try:
        return None if said is None else round((event.received_at - said) / timedelta(seconds=1), 3)
    except OverflowError:
        return None


async def _waiting(store: Records, known: Known, clock: Clock, event: Event) -> Json | None:
    wait = await store.wait(event) if event.state is EventState.RECEIVED else None
    return None if wait is None else wait_json(event, wait, known, await store.nodes(), clock.now())


async def explain_rule(store: Records, known: Known, name: str, *, since: datetime, workspace: str | None) -> Json:
    """Return how often a rule looked, spoke and stayed silent since a moment, its silences counted by reason.

    Raises:
        NotFound: there is no such rule, and there was none since then.
    """
    decided = await store.decisions_of_rule(name, since, workspace=workspace, limit=MAX_DECISIONS)
    rule = known.rules.rule(name) if known.rules is not None else None
    if not decided and rule is None and known.rules is not None:
        names = [one.name for one in known.rules.rules]
        raise NotFound(no_rule(name, names, "and none of that name looked at an event since then"))
    with_messages = await store.events_with_messages(name, since)
    spoke, reasons = unspoken(decided, with_messages)
    told, told_in = await store.told_of_rule(name, since, workspace=workspace)
    return {
        "rule": name,
        "since": moment_text(since),
        "looked_at": len(decided),
        "spoke": spoke,
        "cut": len(decided) == MAX_DECISIONS,
        "mode": str(rule.mode) if rule is not None else None,
        "severity": str(rule.severity) if rule is not None else None,
        "match": _match_json(rule) if rule is not None else None,
        "reasons": reasons,
        "suppressed": suppressed_by(decided),
        "waiting": waiting_json(await store.waiting_of_rule(name, workspace=workspace)),
        "told": {"messages": told, "in": told_in},
        "deadlines": await _deadlines(store, rule, workspace),
        "is_due_by_clock": rule is not None and rule.report is not None,
        "schedules": [
            _schedule_json(schedule)
            for schedule in await store.schedules()
            if schedule.rule == name and workspace in (None, schedule.workspace)
        ],
    }


async def _deadlines(store: Records, rule: Rule | None, workspace: str | None) -> list[Json]:
    """Return the last deadlines of a rule that expects something, the latest first, and how each went."""
    if rule is None or rule.expect is None:
        return []
    found = []
    for schedule in await store.schedules():
        if schedule.rule == rule.name and workspace in (None, schedule.workspace):
            known = await store.policy_states(schedule.workspace, rule.name, Policy.EXPECT, limit=_MAX_DEADLINES)
            for by, text in known:
                one = remembered(text)
                if one is not None:
                    event = {"id": one.event_id, "date": one.date} if one.event_id else None
                    found.append({"workspace": schedule.workspace, "by": by, "course": one.course, "event": event})
    return found


def _schedule_json(schedule: Schedule) -> Json:
    return {
        "workspace": schedule.workspace,
        "due_at": moment_text(schedule.due_at),
        "try_at": moment_text(schedule.try_at),
        "attempts": schedule.attempts,
        "last_at": moment_text(schedule.last_at),
    }


def _match_json(rule: Rule) -> Json:
    match = rule.match
    facts = {"event_type": match.event_type, "resource_type": match.resource_type, "workspace": match.workspace}
    return {name: list(patterns) for name, patterns in facts.items() if patterns is not None}
