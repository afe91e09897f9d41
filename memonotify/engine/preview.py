"""What an event would send, and why a rule stays silent.

In: an event, the rules, and who answers for the bank and the store. Out: a Preview with one RulePreview per rule, in
the rules' order, with the rendered messages. Nothing is stored, counted or sent. Called by `memonotify try`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from memonotify.engine.asks import Given, Lookup
from memonotify.engine.enclosing import Proof
from memonotify.engine.evaluate import Hours, Memory, conclude
from memonotify.engine.knowing import context_of
from memonotify.holding import Policy
from memonotify.model import Decision, Event, NewDelivery, Outcome, Silence
from memonotify.rules.values import Rule, Ruleset
from memonotify.windowing import Figures, WindowSpan

_ABSENT = object()
_MONEY: Final = ("amount", "currency")


class Answers(Protocol):
    """Who answers for the bank. An Inquiry without a hold does: what is not there at once is not there."""

    async def resource(self) -> Given: ...
    async def look_up(self, lookup: Lookup) -> Given: ...
    async def proof(self, proof: Proof) -> Given: ...


class NoMemory:
    """A memory that knows no key: what a rule would do the first time."""

    async def policy_state(self, _workspace: str, _rule: str, _policy: Policy, _key: str) -> str | None:
        """Return None."""
        return None

    async def active_silences(self, _at: datetime) -> Sequence[Silence]:
        """Return none."""
        return ()

    async def window_figures(self, _span: WindowSpan) -> Figures:
        """Return that there is nothing."""
        return Figures()


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePreview:
    """What one rule would do. `outcome` is None where its `match` does not fit.

    `why` says why nothing would be sent, and is empty where something would. `values` are what the condition reads, as
    dotted names, and only of what is there; `condition` is its source.
    """

    rule: str
    file: str
    line: int
    outcome: Outcome | None
    why: str = ""
    condition: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[NewDelivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an event would do. `resource` is what the rules saw; `note` says why it is none, where it is;
    `notes` say what else is not known."""

    event: Event
    resource: Any
    note: str
    rules: tuple[RulePreview, ...]
    notes: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[NewDelivery, ...]:
        """Every message, also what would wait, follow later or be suppressed."""
        return tuple(message for rule in self.rules for message in rule.messages)


async def preview(
    event: Event,
    ruleset: Ruleset,
    *,
    answers: Answers,
    at: datetime,
    memory: Memory | None = None,
    resource: Given | None = None,
    hours: Mapping[str, Hours] | None = None,
    notes: tuple[str, ...] = (),
) -> Preview:
    """Decide every rule for an event.

    `resource` stands for what the bank would answer; without it the bank is asked, if a rule needs it. `notes` say what
    else is not known.

    Raises:
        StoreUnavailable: `memory` could not answer.
    """
    candidates = ruleset.candidates(event.event_type, event.resource_type, event.workspace)
    if resource is None:
        needed = any(rule.needs_resource for rule in candidates)
        resource = await answers.resource() if needed else Given(value=None)
    found = []
    for rule in ruleset.rules:
        if rule not in candidates:
            why = rule.passes_over(event.event_type, event.resource_type, event.workspace)
            found.append(RulePreview(rule=rule.name, file=rule.file, line=rule.line, outcome=None, why=why))
            continue
        noting = _Noting(answers)
        decision = await conclude(
            rule, event=event, resource=resource, inquiry=noting, memory=memory or NoMemory(), at=at, hours=hours
        )
        found.append(_previewed(rule, decision, context_of(event, resource.value) | noting.values))
    return Preview(event=event, resource=resource.value, note=resource.note, rules=tuple(found), notes=notes)


class _Noting:
    """Passes look-ups on and keeps what they brought, by name."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.values: dict[str, Any] = {}

    async def look_up(self, lookup: Lookup) -> Given:
        given = await self._answers.look_up(lookup)
        self.values[lookup.name] = given.value
        return given

    async def proof(self, proof: Proof) -> Given:
        return await self._answers.proof(proof)


def _previewed(rule: Rule, decision: Decision, context: Mapping[str, Any]) -> RulePreview:
    why = decision.detail
    if decision.outcome is Outcome.MATCHED and not decision.deliveries:
        why = "none of its messages is due"
    return RulePreview(
        rule=rule.name,
        file=rule.file,
        line=rule.line,
        outcome=decision.outcome,
        why=why,
        condition=rule.when.source.strip() if rule.when is not None else "",
        values=_values(rule, context),
        messages=decision.deliveries,
    )


def _values(rule: Rule, context: Mapping[str, Any]) -> dict[str, Any]:
    """What the condition's dotted names stand for; a name that only leads to a longer one is left out."""
    if rule.when is None:
        return {}
    paths = rule.when.analysis.paths
    longest = [path for path in sorted(paths) if not any(other[: len(path)] == path != other for other in paths)]
    # `resource | amount` reads two fields without naming them.
    longest += [(*path, name) for path in sorted(paths) if _is_money(_value(path, context)) for name in _MONEY]
    found = {".".join(path): _value(path, context) for path in longest if len(path) > 1}
    return {name: value for name, value in found.items() if value is not _ABSENT}


def _is_money(value: Any) -> bool:
    return isinstance(value, Mapping) and all(name in value for name in _MONEY)


def _value(path: tuple[str, ...], context: Mapping[str, Any]) -> Any:
    value: Any = context
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value
