"""The stages that one message passes between its rule and the courier: silences, quiet hours, group, limit.

In: a Passage, and behind which policy it goes on. Out: a Step: it is sent, suppressed, or waits. A generator that asks,
as `decide` is; `decide` runs it for a new message, the timekeeper for one whose wait is over, so both keep one order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from memonotify.engine.asks import Asking, QuietUntil, Remembered, Silences
from memonotify.holding import STAGES, Gather, Hold, Policy, StateChange
from memonotify.model import Branch, DeliveryState, Fate, NewDelivery
from memonotify.policies.limit import limit
from memonotify.policies.silence import silence_for
from memonotify.rules.policies import Group
from memonotify.rules.values import Rule

MOST_TOLD: Final = 1000
"""So many messages of a quiet time are told in one."""

_UNTIL: Final = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One message on its way. `keys` are those of the policies, by their words, for its event.

    `rule` is the one named `name` as it is now, None where it is gone: then only silences are still ahead.
    `let_go_by` is the id of the silence that held it until now: it is over, whatever is still known of it here.
    """

    name: str
    rule: Rule | None
    branch: Branch
    entry: int
    channel: str
    workspace: str
    event: Mapping[str, Any]
    resource: Any
    at: datetime
    keys: Mapping[str, str] = field(default_factory=dict)
    let_go_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of a message, by which policy, and why. `silence` is the id of the one that applies."""

    state: DeliveryState
    policy: Policy | None = None
    detail: str = ""
    hold: Hold | None = None
    changes: tuple[StateChange, ...] = ()
    silence: str = ""


SENT_ON: Final = Step(state=DeliveryState.PENDING)


def in_step(new: NewDelivery, step: Step) -> NewDelivery:
    """Return a new delivery as a stage leaves it."""
    due_at = new.due_at if step.hold is None else step.hold.until
    return replace(
        new, state=step.state, due_at=due_at, hold=step.hold, detail=step.detail or new.detail, silence=step.silence
    )


def stages(passage: Passage, *, after: Policy | None = None) -> Asking[Step]:
    """Take a message through the stages behind `after`; through all where that is none of them, or the first."""
    for policy in _behind(after):
        step = yield from _STAGES[policy](passage)
        if step is not None:
            return step
    return SENT_ON


def _behind(after: Policy | None) -> Iterator[Policy]:
    # A silence that is over says nothing of the others: one may have come meanwhile, or last longer.
    start = 0 if after not in STAGES or after is Policy.SILENCE else STAGES.index(after) + 1
    if after is Policy.QUIET:
        # A night is long: who has silenced it meanwhile does not want it in the morning.
        yield Policy.SILENCE
    yield from STAGES[start:]


def _silence(passage: Passage) -> Asking[Step | None]:
    silences = yield Silences()
    found = silence_for(
        [silence for silence in silences if silence.id != passage.let_go_by],
        rule=passage.name,
        channel=passage.channel,
        workspace=passage.workspace,
        event=passage.event,
        resource=passage.resource,
        at=passage.at,
    )
    if found is None:
        return None
    detail = f"silence {found.id}: {found.reason}" if found.reason else f"silence {found.id}"
    if found.then is Fate.DROP:
        return Step(state=DeliveryState.SUPPRESSED, policy=Policy.SILENCE, detail=detail, silence=found.id)
    hold = Hold(policy=Policy.SILENCE, key=found.id, until=found.ends_at, keys=passage.keys)
    return _waits(hold, f"{detail}, until {found.ends_at:{_UNTIL}}", silence=found.id)


def _quiet(passage: Passage) -> Asking[Step | None]:
    rule = passage.rule
    if rule is None or rule.quiet is None:
        return None
    quiet = rule.quiet
    until: datetime | None = yield QuietUntil(hours=quiet.hours, severity=rule.severity)
    if until is None:
        return None
    detail = f"quiet: {quiet.hours}, until {until:{_UNTIL}}"
    if quiet.then == "drop":
        return Step(state=DeliveryState.SUPPRESSED, policy=Policy.QUIET, detail=detail)
    if quiet.then == "digest":
        # What one message can list; those that follow begin another.
        gather = Gather(slot=until, most=MOST_TOLD)
        return _waits(Hold(policy=Policy.QUIET, key=quiet.hours, until=until, keys=passage.keys, gather=gather), detail)
    if rule.group is not None:
        # Those of the quiet time gather at once, for a message of their own behind it.
        return _gathers(passage, rule.group, until=until, detail=detail)
    return _waits(Hold(policy=Policy.QUIET, key=quiet.hours, until=until, keys=passage.keys), detail)


def _group(passage: Passage) -> Asking[Step | None]:
    yield from ()
    group = None if passage.rule is None else passage.rule.group
    return None if group is None else _gathers(passage, group, until=None, detail="")


def _gathers(passage: Passage, group: Group, *, until: datetime | None, detail: str) -> Step:
    key = passage.keys.get(Policy.GROUP, "")
    ends_at = (until or passage.at) + timedelta(seconds=group.wait_s)
    shown = f"group: {key}" if key else "group"
    hold = Hold(
        policy=Policy.GROUP,
        key=key,
        until=ends_at,
        keys=passage.keys,
        gather=Gather(key=key, slot=until, most=group.most),
    )
    return _waits(hold, f"{detail}; {shown}" if detail else shown)


def _limit(passage: Passage) -> Asking[Step | None]:
    rule = passage.rule
    if rule is None or rule.limit is None:
        return None
    key = passage.keys.get(Policy.LIMIT, "")
    place = f"{passage.branch}.{passage.entry} {key}"
    line = key if rule.memories == 1 else ""
    remembered = yield Remembered(policy=Policy.LIMIT, key=place, line=line)
    verdict = limit(remembered, passage.at, count=rule.limit.count, per_s=rule.limit.per_s)
    if not verdict.passes:
        hold = Hold(policy=Policy.LIMIT, key=key, until=verdict.room_at, keys=passage.keys, gather=Gather(key=key))
        return _waits(hold, f"limit: {rule.limit.count} were sent; told at {verdict.room_at:{_UNTIL}}")
    change = StateChange(
        workspace=passage.workspace,
        rule=passage.name,
        policy=Policy.LIMIT,
        key=place,
        old=remembered,
        new=verdict.remember,
        expires_at=verdict.expires_at,
    )
    return Step(state=DeliveryState.PENDING, changes=(change,))


def _waits(hold: Hold, detail: str, *, silence: str = "") -> Step:
    return Step(state=DeliveryState.HELD, policy=hold.policy, detail=detail, hold=hold, silence=silence)


_STAGES: Final = {Policy.SILENCE: _silence, Policy.QUIET: _quiet, Policy.GROUP: _group, Policy.LIMIT: _limit}
