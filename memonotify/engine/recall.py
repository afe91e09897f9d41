"""What the store kept of an event, in the bank's place.

In: an event's past. Out: a Given for each question that can be answered, with the note that its messages had; None for
what was not kept, which is another thing than what the bank did not have. The backtest and the replay ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from memonotify.catalogue import resource_path
from memonotify.engine.asks import Given, Lookup
from memonotify.engine.enclosing import Enclosure, Proof
from memonotify.engine.inquiry import PROOF_NAME, RESOURCE_NAME, absence, lookup_name, pathless, unasked
from memonotify.holding import Policy
from memonotify.model import Decision, Outcome, Snapshot
from memonotify.past import Past
from memonotify.policies.once import said
from memonotify.rules.values import Rule


class Recall:
    """Answers from one event's snapshots. `with_api` names the workspaces whose bank is asked at all."""

    def __init__(self, past: Past, *, resource_types: Mapping[str, str], with_api: frozenset[str]) -> None:
        self._event = past.event
        self._kept = {snapshot.path: snapshot for snapshot in past.snapshots}
        self._resource_types = resource_types
        self._is_asked = past.event.workspace in with_api

    def resource(self) -> Given | None:
        """Return the event's resource as it was, None where it was not kept."""
        event = self._event
        path = resource_path(event.resource_type, event.resource_id, self._resource_types)
        if path is None:
            return Given(value=None, note=pathless(event))
        return self._given(path, RESOURCE_NAME)

    def look_up(self, lookup: Lookup) -> Given | None:
        """Return what a look-up brought, None where it was not kept."""
        return self._given(lookup.path, lookup_name(lookup))

    def proof(self, proof: Proof) -> Given | None:
        """Return that there was a proof, None where that was not kept. Its bytes are not here."""
        given = self._given(proof.path, PROOF_NAME)
        if given is None or given.value is None:
            return given
        size = given.value.get("size") if isinstance(given.value, Mapping) else None
        return Given(value=Enclosure(size=size))

    def _given(self, path: str, what: str) -> Given | None:
        kept = self._kept.get(path)
        if kept is not None:
            return Given(value=kept.body, note=_note(kept, what))
        return None if self._is_asked else Given(value=None, note=unasked(what, self._event))


def _note(kept: Snapshot, what: str) -> str:
    return "" if kept.reason is None else absence(what, kept.path, kept.reason)


def remembered_then(past: Past, rule: str, policy: Policy, key: str) -> str | None:
    """Return what a rule's policy remembered of a key before it was decided for the event; None where it was not
    decided then, by another key, or remembered nothing. It follows from what was concluded."""
    then = next((each for each in past.decisions if each.rule == rule), None)
    if then is None or then.outcome is Outcome.FAILED:
        return None
    if policy is Policy.FIRE:
        return _answer_then(then, key)
    if policy is Policy.ONCE and then.policy is Policy.ONCE:
        return said(past.event.evaluated_at or past.event.received_at)
    return None


def _answer_then(then: Decision, key: str) -> str | None:
    """A rule with `fire: on_change` speaks on a change."""
    if not key or then.key != key:
        return None
    if then.outcome is Outcome.UNCHANGED:
        return "true"
    if then.outcome is Outcome.NOT_MATCHED or then.falsehood is None:
        return "false"
    return "true"


def remembers(rules: Iterable[Rule]) -> bool:
    """Whether one of the rules has a memory, so that what was concluded then is worth reading."""
    return any(rule.memories for rule in rules)


def decides_by(rule: Rule, *, with_stages: bool = False) -> frozenset[str]:
    """Return the names without which it cannot be told whether a rule speaks, and with which of its messages.

    What only the messages say is none of them: without it, their text is not known, but that they go is. With stages,
    the keys that messages gather by and are limited by count too.
    """
    entries = (*rule.notify, *rule.resolved)
    once = None if rule.once is None else rule.once.per
    windows = (part for window in rule.windows for part in window.parts)
    keys = [each.by for each in (rule.group, rule.limit) if with_stages and each is not None]
    names = _names((rule.when, rule.key, rule.hysteresis, once, *keys, *windows, *(entry.when for entry in entries)))
    while True:
        wider = names | _names(rule.lookups[name] for name in names & rule.lookups.keys())
        if wider == names:
            return names
        names = wider


def _names(sources: Iterable[Any]) -> frozenset[str]:
    return frozenset().union(*(source.names for source in sources if source is not None))
