"""Runs the rules over the events of their own tests and tells which of their texts fail: a field that is missing, a
value that a filter does not take.

In: a Ruleset with its tests, and the configuration. Out: a Rehearsal. What a test expects is not looked at; that is
`testing`, with which this shares the deciding. Called by `memonotify check`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from memonotify.config.values import Config
from memonotify.engine.testing import decided, event_of
from memonotify.model import Branch, Decision, Event, Fault, Outcome
from memonotify.policies.hours import hours_of
from memonotify.rules.values import Rule, Ruleset, RuleTest

MAX_DECISIONS: Final = 50_000
"""How many rules are decided in all, a few seconds' worth: each test concerns each rule that matches its event."""


Head = tuple[str | int, ...]
"""Which text of a rule: `(when,)`, `(key,)`, `(fetch, name)`, or a message as `(notify, 0)`."""

Shown = tuple[str, str, Head]
"""A rule, an event type, and a text of it that is right for an event of that type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFault:
    """A text of a rule that fails for the event of a test, the first of those for which it does."""

    rule: str
    fault: Fault
    test: RuleTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What failed, and what was shown to be right. Where not `is_whole`, some tests were run with nothing but the rules
    that they expect to speak."""

    faults: tuple[RuleFault, ...]
    shown: frozenset[Shown]
    is_whole: bool


def rehearse(ruleset: Ruleset, config: Config, *, most: int = MAX_DECISIONS) -> Rehearsal:
    """Decide every rule for the tests whose events it matches; beyond `most`, those alone that a test expects."""
    by_name = {rule.name: rule for rule in ruleset.rules}
    found: dict[tuple[str, Fault], RuleFault] = {}
    shown: set[Shown] = set()
    is_whole = True
    hours = hours_of(config)
    for test in ruleset.tests:
        event = event_of(test, config)
        rules = ruleset.candidates(event.event_type, event.resource_type, event.workspace)
        most -= len(rules)
        if most < 0:
            is_whole = False
            rules = tuple(_expected(test, event, by_name))
        for rule in rules:
            decision, unanswered = decided(rule, event, test, hours)
            if unanswered:
                continue
            for fault in decision.faults:
                found.setdefault((rule.name, fault), RuleFault(rule=rule.name, fault=fault, test=test))
            shown.update((rule.name, event.event_type, head) for head in heads_shown(rule, decision))
    return Rehearsal(faults=tuple(found.values()), shown=frozenset(shown), is_whole=is_whole)


_ASKED: Final = (Outcome.UNCHANGED, Outcome.MATCHED)
"""What is concluded where a condition that was true is false, so that `hysteresis` is asked."""


def head_of(fault: Fault) -> Head:
    """Return the text that failed."""
    return fault.path[:1] if fault.path[:1] in (("when",), ("key",)) else fault.path[:2]


def heads_shown(rule: Rule, decision: Decision) -> Iterator[Head]:
    """Yield the texts that a decision shows to be right: the messages that it made, and what they rest on."""
    failed = {head_of(fault) for fault in decision.faults}
    if decision.outcome is not Outcome.FAILED:
        yield ("when",)
        yield ("key",)
        if rule.hysteresis is not None and decision.falsehood is not None and decision.outcome in _ASKED:
            yield ("hysteresis",)
    for message in decision.deliveries:
        head: Head = (message.branch.value, message.entry)
        if message.branch is Branch.ESCALATE:
            head = rule.escalations[message.entry].path[:2]
        if head not in failed and not message.notification.render_error:
            yield head
            yield from (("fetch", name) for name in rule.lookups)


def _expected(test: RuleTest, event: Event, by_name: dict[str, Rule]) -> Iterator[Rule]:
    for name in dict.fromkeys(str(item.get("rule")) for item in test.expect):
        rule = by_name.get(name)
        if rule is not None and rule.match.fits(event.event_type, event.resource_type, event.workspace):
            yield rule
