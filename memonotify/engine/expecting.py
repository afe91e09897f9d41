"""What an event that was expected does: it is remembered for its deadlines, and ends a miss that was told.

In: a rule with `expect` whose condition holds, and the event. Out: an Arrival. A generator that asks, as `decide` is,
which runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memonotify.engine.asks import Asking, Remembered
from memonotify.holding import Policy, StateChange
from memonotify.model import Branch, Event, Outcome
from memonotify.policies.deadlines import Deadlines, deadlines_of
from memonotify.policies.expect import KEPT, Course, after_event, happened_at, remembered
from memonotify.policies.fire import Verdict
from memonotify.rules.expected import Expect
from memonotify.rules.values import Rule

_IN_TIME = "expected, and came in time"
_LATE = "expected, and came late"
_ELSEWHERE = "expected, but counts for no deadline: it came too early for the next one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What an expected event leads to. `key` is the deadline that it counts for, empty where it counts for none.

    `expected` is what the messages of `resolved` see, None where nothing was missed.
    """

    verdict: Verdict
    key: str = ""
    changes: tuple[StateChange, ...] = ()
    expected: dict[str, Any] | None = None


def deadlines(expect: Expect) -> Deadlines:
    """Return the deadlines of an expectation."""
    return deadlines_of(*expect.words)


def arrival(rule: Rule, event: Event) -> Asking[Arrival]:
    """Ask what is remembered of the deadlines around an event, and return what it changes."""
    expect = rule.expect
    assert expect is not None  # noqa: S101 - asked by the caller; this tells the type checker
    found, moment = deadlines(expect), happened_at(event.date, event.received_at)
    changes: list[StateChange] = []
    late, counts, key = None, True, ""
    missed = yield from _missed(rule, event, found.missed_before(moment))
    if missed is not None:
        is_late, counts = found.late_for(moment, datetime.fromisoformat(missed.key))
        late = missed if is_late else None
        changes += [missed] if is_late else []
    for period in found.periods_of(moment) if counts else ():
        key = key or period.key
        old = yield Remembered(policy=Policy.EXPECT, key=period.key, line="")
        change = _change(rule, event, period.key, old)
        if change is None:
            continue
        changes.append(change)
        if change.old is not None:
            late = change
    return _concluded(rule, event, tuple(changes), late, key)


def _concluded(
    rule: Rule, event: Event, changes: tuple[StateChange, ...], late: StateChange | None, key: str
) -> Arrival:
    if late is None:
        detail = _IN_TIME if key else _ELSEWHERE
        return Arrival(verdict=Verdict(outcome=Outcome.EXPECTED, detail=detail), key=key, changes=changes)
    verdict = Verdict(outcome=Outcome.EXPECTED, detail=_LATE)
    if rule.resolved:
        verdict = Verdict(outcome=Outcome.MATCHED, branch=Branch.RESOLVED, detail=_LATE)
    expected = {
        "by": late.key,
        "rule": rule.name,
        "since": _since(rule, late.key),
        "last": {"id": event.id, "date": event.date},
        "waiting": 0,
    }
    return Arrival(verdict=verdict, key=late.key, changes=changes, expected=expected)


def _since(rule: Rule, key: str) -> str:
    assert rule.expect is not None  # noqa: S101 - it has changed what is remembered of a deadline
    return deadlines(rule.expect).period(datetime.fromisoformat(key)).since.isoformat()


def _missed(rule: Rule, event: Event, last: datetime | None) -> Asking[StateChange | None]:
    """Return that the deadline before an event is late from now on, if it was missed."""
    if last is None:
        return None
    old = yield Remembered(policy=Policy.EXPECT, key=last.isoformat(), line="")
    missed = remembered(old)
    if missed is None or missed.course is not Course.MISSED:
        return None
    return _change(rule, event, last.isoformat(), old)


def _change(rule: Rule, event: Event, key: str, old: str | None) -> StateChange | None:
    new = after_event(remembered(old), event.date, event.id)
    if new is None:
        return None
    return StateChange(
        workspace=event.workspace,
        rule=rule.name,
        policy=Policy.EXPECT,
        key=key,
        old=old,
        new=new.text,
        expires_at=datetime.fromisoformat(key) + KEPT,
    )
