"""An event's messages as plain JSON data: each with its tries, why it waits, and the message that told it.

In: the store's records, and the rules in force. Out: what `explaining` puts below a rule. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from memonotify.admin.discreet import discreet
from memonotify.admin.gist import gist, recipients
from memonotify.admin.records import attempt_json, delivery_json, moment_text
from memonotify.config.durations import format_duration
from memonotify.holding import STAGES, Hold, Policy
from memonotify.model import Attempt, Branch, Delivery, DeliveryState, Event, Severity, Silence
from memonotify.rules.values import Rule, Ruleset
from memonotify.store.held import HeldBy

Json = dict[str, Any]

MOST_LISTED: Final = 200
"""So many of the events that one message lists are named; the others are counted."""

_MOST_MESSAGES: Final = 100_000
_LONGEST_CHAIN: Final = 4
"""A message is told in a group's, that one in a digest's or in what tells what was over a limit: never in more."""


class Records(Protocol):
    """What is used of the store."""

    async def deliveries(
        self, *, workspace: str | None = None, event_id: str | None = None, limit: int = 100
    ) -> list[Delivery]: ...
    async def deliveries_named(self, ids: Sequence[str], /) -> list[Delivery]: ...
    async def tries(self, event: Event, /) -> list[Attempt]: ...
    async def attempts(self, delivery_id: str, /) -> list[Attempt]: ...
    async def waits_of(self, ids: Sequence[str], /) -> dict[str, HeldBy]: ...
    async def told_events(self, ids: Sequence[str], /) -> dict[str, list[str]]: ...
    async def silence(self, silence_id: str, /) -> Silence | None: ...


async def messages_of(store: Records, event: Event, rules: Ruleset | None) -> list[Json]:
    """Return the event's messages in the order they were made.

    Each has its `tries`; one that waits has `waits`, one that was told in another has that one as `told_by`, one that
    tells others names their events in `tells`, and one that a silence met has it as `silenced_by`.
    """
    found = await store.deliveries(workspace=event.workspace, event_id=event.id, limit=_MOST_MESSAGES)
    # What follows later stands behind what it follows.
    found.sort(key=lambda one: (one.branch is Branch.ESCALATE, one.created_at, one.entry, one.id))
    tries: dict[str, list[Attempt]] = {}
    for attempt in await store.tries(event):
        tries.setdefault(attempt.delivery_id, []).append(attempt)
    known = {delivery.id: delivery for delivery in found}
    await _add_tellers(store, known, tries)
    told = _Told(
        known=known,
        tries=tries,
        waits=await store.waits_of([one.id for one in known.values() if one.state is DeliveryState.HELD]),
        listed=await store.told_events(list(known)),
        silences=await _silences(store, known.values()),
        rules={} if rules is None else {rule.name: rule for rule in rules.rules},
    )
    return [told.json(delivery) for delivery in found]


async def _add_tellers(store: Records, known: dict[str, Delivery], tries: dict[str, list[Attempt]]) -> None:
    """Add the messages that tell those that are known, and their tries."""
    for _ in range(_LONGEST_CHAIN):
        wanted = sorted({one.told_in for one in known.values() if one.told_in} - known.keys())
        for teller in await store.deliveries_named(wanted) if wanted else ():
            known[teller.id] = teller
            tries[teller.id] = await store.attempts(teller.id)


async def _silences(store: Records, known: Iterable[Delivery]) -> dict[str, Silence]:
    found = {}
    for name in sorted({one.silence for one in known if one.silence}):
        silence = await store.silence(name)
        if silence is not None:
            found[name] = silence
    return found


class _Told:
    """Writes messages, with all that was read beside them."""

    def __init__(
        self,
        *,
        known: Mapping[str, Delivery],
        tries: Mapping[str, Sequence[Attempt]],
        waits: Mapping[str, HeldBy],
        listed: Mapping[str, Sequence[str]],
        silences: Mapping[str, Silence],
        rules: Mapping[str, Rule],
    ) -> None:
        self._known = known
        self._tries = tries
        self._waits = waits
        self._listed = listed
        self._silences = silences
        self._rules = rules

    def json(self, delivery: Delivery, *, depth: int = 0) -> Json:
        """Return one message, and below it the one that told it."""
        tries = self._tries.get(delivery.id, ())
        teller = self._known.get(delivery.told_in) if depth < _LONGEST_CHAIN else None
        events = list(dict.fromkeys(self._listed.get(delivery.id, ())))
        return _message_json(delivery, tries) | {
            "waits": self._wait(delivery),
            "told_by": None if teller is None else self.json(teller, depth=depth + 1),
            "tells": {"count": len(events), "events": events[:MOST_LISTED]} if events else None,
            "silenced_by": self._silence(delivery.silence),
        }

    def _wait(self, delivery: Delivery) -> Json | None:
        held = self._waits.get(delivery.id)
        if held is None:
            return None
        rule = self._rules.get(delivery.rule)
        return wait_json(held) | {"ahead": ahead(rule, held.hold, gathers=held.gathering is not None)}

    def _silence(self, name: str) -> Json | None:
        silence = self._silences.get(name)
        if silence is None:
            return None
        return {
            "id": silence.id,
            "reason": silence.reason,
            "author": silence.author,
            "ends_at": moment_text(silence.ends_at),
        }


def wait_json(held: HeldBy) -> Json:
    """Return why a message waits and until when, as lists show it."""
    hold, together, ending = held.hold, held.gathering, held.hold.ending
    return {
        "policy": str(hold.policy),
        "key": hold.key,
        "until": moment_text(hold.until),
        "others": None if together is None else together.size - 1,
        "since": None if together is None else moment_text(together.opened_at),
        "unless": None
        if ending is None
        else {
            "event_type": list(ending.event_types),
            "same": ending.same,
            "value": ending.value,
            "resolved": bool(hold.key) or ending.expect_key is not None,
        },
    }


def ahead(rule: Rule | None, hold: Hold, *, gathers: bool = False) -> list[Json]:
    """Return the policies that a message still passes behind the one that holds it, by the rule as it is now."""
    if rule is None or hold.policy is Policy.LIMIT:
        return []
    # Those that gather are told in one message, which has no further group to wait for.
    after = Policy.GROUP if gathers else hold.policy
    start = STAGES.index(after) + 1 if after in STAGES else 0
    words = {
        Policy.SILENCE: "",
        Policy.QUIET: None if rule.quiet is None else rule.quiet.hours,
        Policy.GROUP: None if rule.group is None else format_duration(rule.group.wait_s),
        Policy.LIMIT: None if rule.limit is None else f"{rule.limit.count} per {format_duration(rule.limit.per_s)}",
    }
    return [{"policy": str(policy), "says": words[policy]} for policy in STAGES[start:] if words[policy] is not None]


def _message_json(delivery: Delivery, tries: Sequence[Attempt]) -> Json:
    numbers = {attempt.number for attempt in tries}
    under_way = delivery.attempts if delivery.state is DeliveryState.SENDING else None
    return delivery_json(delivery) | {
        "detail": discreet(delivery.detail),
        "to": recipients(delivery.payload),
        "gist": gist(delivery.payload),
        "severity": delivery.payload.get("severity", Severity.INFO),
        "tries": [attempt_json(attempt) for attempt in tries],
        # Counted when it was claimed, and never heard of again: the daemon ended in the middle of it.
        "lost": [n for n in range(1, delivery.attempts + 1) if n not in numbers and n != under_way],
        "under_way": under_way,
    }


def waiting_json(waiting: Mapping[Policy, tuple[int, datetime]]) -> list[Json]:
    """Return how many messages wait by policy, and when the first of each goes on."""
    return [
        {"policy": str(policy), "count": count, "first_at": moment_text(first)}
        for policy, (count, first) in waiting.items()
    ]
