"""How often a rule spoke and why it stayed silent, from its decisions. Pure. `explaining` asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memonotify.admin.conclusions import SILENT
from memonotify.admin.discreet import discreet
from memonotify.admin.records import moment_text
from memonotify.holding import Policy
from memonotify.model import Decision, Outcome

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class _Case:
    """Why a rule did not speak, how often, and the newest case of it."""

    outcome: Outcome
    policy: str | None
    reason: str
    event_id: str
    at: datetime
    values: dict[str, str]
    count: int = 0


Decided = tuple[str, datetime, Decision]
"""An event's id, when it came, and what a rule concluded of it."""


def unspoken(decided: Sequence[Decided], with_messages: Container[str]) -> tuple[int, list[Json]]:
    """Count for how many events a rule spoke, and the cases of its silence by reason, the most frequent first.

    Takes its decisions, newest first, and the events for which it made a message.
    """
    found: dict[tuple[Outcome, str], _Case] = {}
    spoke = 0
    for event_id, at, decision in decided:
        if decision.outcome is Outcome.MATCHED and event_id in with_messages:
            spoke += 1
            continue
        reason = _reason(decision)
        case = found.get((decision.outcome, reason))
        if case is None:
            values = _values(decision)
            case = _Case(
                outcome=decision.outcome,
                policy=None if decision.policy is None else str(decision.policy),
                reason=reason,
                event_id=event_id,
                at=at,
                values=values,
            )
            found[decision.outcome, reason] = case
        case.count += 1
    return spoke, [_case_json(one) for one in sorted(found.values(), key=lambda one: (-one.count, one.reason))]


def _values(decision: Decision) -> dict[str, str]:
    falsehood = decision.falsehood if decision.outcome in SILENT else None
    return {name: discreet(value) for name, value in falsehood.values} if falsehood is not None else {}


def _reason(decision: Decision) -> str:
    if decision.outcome is Outcome.MATCHED:
        return "none of its messages was due"
    if decision.outcome is Outcome.NOT_MATCHED and decision.falsehood is not None:
        return f"{decision.falsehood.condition} is false"
    # Of these, each event has a moment of its own, which would keep what is one reason apart.
    detail = decision.detail
    return discreet(detail.partition(",")[0] if decision.policy in (Policy.ONCE, Policy.QUIET) else detail)


def suppressed_by(decided: Sequence[Decided]) -> dict[str, int]:
    """Count the events for which a policy suppressed what the rule would have said, by policy, the most first."""
    counts = Counter(
        str(decision.policy)
        for _, _, decision in decided
        if decision.outcome is Outcome.SUPPRESSED and decision.policy is not None
    )
    return dict(counts.most_common())


def _case_json(case: _Case) -> Json:
    return {
        "outcome": str(case.outcome),
        "policy": case.policy,
        "reason": case.reason,
        "count": case.count,
        "latest_event_id": case.event_id,
        "latest_at": moment_text(case.at),
        "values": case.values,
    }
