"""What each rule concluded of one event, from its trace and the rules in force now. Pure. `explaining` asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from memonotify.admin.discreet import discreet
from memonotify.errors import NotFound
from memonotify.holding import Policy
from memonotify.model import Branch, Decision, Event, EventState, Mode, Outcome
from memonotify.rules.values import Rule, Ruleset

Json = dict[str, Any]


def conclusions(decisions: Iterable[Decision], messages: Sequence[Json], rules: Ruleset | None) -> list[Json]:
    """Return what each rule that looked at an event concluded, in their order, each with its messages."""
    by_rule: dict[str, list[Json]] = {}
    for message in messages:
        if message["branch"] in (Branch.NOTIFY, Branch.RESOLVED, Branch.ESCALATE):
            by_rule.setdefault(message["rule"], []).append(message)
    known = {rule.name: rule for rule in rules.rules} if rules is not None else {}
    entries = [
        _decision_json(decision, by_rule.pop(decision.rule, []), known.get(decision.rule)) for decision in decisions
    ]
    # A message without a decision is of a time from which no trace is kept.
    entries += [
        _entry(name, outcome=Outcome.MATCHED, why="what it concluded is not kept", messages=made)
        for name, made in by_rule.items()
    ]
    return entries


SILENT: Final = (Outcome.NOT_MATCHED, Outcome.UNCHANGED)
"""Where a false condition is why a rule is silent: one that says that it is over has a false condition as well."""


def _decision_json(decision: Decision, messages: list[Json], rule: Rule | None) -> Json:
    falsehood = decision.falsehood if decision.outcome in SILENT else None
    return _entry(
        decision.rule,
        outcome=decision.outcome,
        why="none of its messages was due" if _says_nothing(decision, messages) else discreet(decision.detail),
        condition=falsehood.condition if falsehood is not None else "",
        values={name: discreet(value) for name, value in falsehood.values} if falsehood is not None else {},
        key=decision.key,
        policy=decision.policy,
        rule=rule,
        messages=messages,
    )


def _says_nothing(decision: Decision, messages: Sequence[Json]) -> bool:
    return decision.outcome is Outcome.MATCHED and not messages


def _entry(
    name: str,
    *,
    outcome: Outcome | None,
    why: str,
    condition: str = "",
    values: Mapping[str, str] | None = None,
    key: str = "",
    policy: Policy | None = None,
    rule: Rule | None = None,
    messages: Sequence[Json] = (),
) -> Json:
    return {
        "rule": name,
        "outcome": str(outcome) if outcome is not None else None,
        "why": why,
        "condition": condition,
        "values": dict(values or {}),
        "key": key,
        "policy": str(policy) if policy is not None else None,
        "file": rule.file if rule is not None else None,
        "line": rule.line if rule is not None else None,
        "messages": list(messages),
    }


def untraced(name: str, event: Event, decisions: Sequence[Decision], rules: Ruleset | None) -> Json:
    """Say why a rule that is not in the trace is not in it.

    Raises:
        NotFound: there is no such rule now, and there was none then.
    """
    rule = rules.rule(name) if rules is not None else None
    if rules is None:
        raise NotFound(f"no rule {name} looked at event {event.id}, and which rules there are now cannot be told")
    if rule is None:
        known = [decision.rule for decision in decisions]
        known += [one.name for one in rules.rules]
        raise NotFound(no_rule(name, known, f"and none of that name looked at event {event.id}"))
    why = rule.passes_over(event.event_type, event.resource_type, event.workspace)
    if not why and event.state is EventState.RECEIVED:
        why = "it looks at this event, which is not evaluated yet"
    elif not why:
        why = (
            "its match fits now, but it did not look at this event: when that was evaluated, the rule did not exist, "
            "was off, or matched something else"
        )
    return _entry(name, outcome=None, why=why, rule=rule)


def no_rule(name: str, known: Iterable[str], so: str) -> str:
    """Return the sentence that there is no rule of that name, with the name that is nearest."""
    near = get_close_matches(name, dict.fromkeys(known), n=1)
    return f"there is no rule {name}, {so}" + (f" (did you mean {near[0]}?)" if near else "")


def others(event: Event, decisions: Iterable[Decision], rules: Ruleset) -> Json:
    """Return the rules that the trace does not speak of, by why it does not."""
    traced = {decision.rule for decision in decisions}
    elsewhere = 0
    found: dict[str, list[str]] = {"off": [], "not_then": [], "to_come": []}
    for rule in rules.rules:
        if rule.name in traced:
            continue
        if rule.mode is Mode.OFF:
            found["off"].append(rule.name)
        elif rule.report is not None or not rule.match.fits(event.event_type, event.resource_type, event.workspace):
            elsewhere += 1
        else:
            found["to_come" if event.state is EventState.RECEIVED else "not_then"].append(rule.name)
    return {"elsewhere": elsewhere, **found, "gone": sorted(traced - {rule.name for rule in rules.rules})}
