"""The stages as a table: what one message meets, in which order, and behind which it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from storeparts import a_silence

from memonotify.engine.asks import QuietUntil, Remembered, Silences
from memonotify.engine.stages import MOST_TOLD, Passage, Step, stages
from memonotify.holding import Policy
from memonotify.model import Branch, DeliveryState, Fate, Matchers
from memonotify.rules.match import Match
from memonotify.rules.policies import Group, Limit, Quiet
from memonotify.rules.values import Rule

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
MORNING = AT + timedelta(hours=10)
ALL = a_silence("sil_a", at=AT, matchers=Matchers())


def a_rule(**policies: Any) -> Rule:
    return Rule(
        name="r",
        description="",
        file="r.yaml",
        line=1,
        match=Match(event_type=("*",)),
        when=None,
        lookups={},
        notify=(),
        resolved=(),
        on_change=False,
        key=None,
        needs_resource=False,
        digest="",
        **policies,
    )


QUIET = Quiet(hours="nights", then="hold")
GROUP = Group(by=None, wait_s=60, most=5)
LIMIT = Limit(count=1, per_s=3600, by=None)
PASSAGE = Passage(
    name="r",
    rule=a_rule(),
    branch=Branch.NOTIFY,
    entry=0,
    channel="chat",
    workspace="acme",
    event={"id": "e"},
    resource=None,
    at=AT,
    keys={"group": "g", "limit": "l"},
)


def staged(
    rule: Rule | None,
    after: Policy | None = None,
    *,
    silences: tuple[Any, ...] = (),
    quiet: datetime | None = None,
    remembered: Mapping[str, str] | None = None,
    **passage: Any,
) -> Step:
    """Take a message through, answering what the stages ask."""
    staging = stages(replace(PASSAGE, rule=rule, **passage), after=after)
    answer: Any = None
    while True:
        try:
            ask = staging.send(answer)
        except StopIteration as stop:
            step: Step = stop.value
            return step
        if isinstance(ask, Silences):
            answer = silences
        elif isinstance(ask, QuietUntil):
            answer = quiet
        else:
            assert isinstance(ask, Remembered)
            answer = (remembered or {}).get(ask.key)


EVERYTHING = a_rule(quiet=QUIET, group=GROUP, limit=LIMIT)
FULL = {"notify.0 l": AT.isoformat()}


@pytest.mark.parametrize(
    ("rule", "after", "held_by"),
    [
        (EVERYTHING, None, Policy.SILENCE),
        (EVERYTHING, Policy.ESCALATE, Policy.SILENCE),
        (EVERYTHING, Policy.ONCE, Policy.SILENCE),
        # Another silence may have come.
        (EVERYTHING, Policy.SILENCE, Policy.SILENCE),
        # And a night is long.
        (EVERYTHING, Policy.QUIET, Policy.SILENCE),
        (EVERYTHING, Policy.GROUP, Policy.LIMIT),
        (EVERYTHING, Policy.LIMIT, None),
        # Of a rule that is gone, only silences are still ahead.
        (None, None, Policy.SILENCE),
        (None, Policy.QUIET, Policy.SILENCE),
        (None, Policy.GROUP, None),
    ],
)
def test_a_message_goes_on_behind_what_held_it(rule: Rule | None, after: Policy | None, held_by: Policy | None) -> None:
    step = staged(rule, after, silences=(ALL,), quiet=MORNING, remembered=FULL)
    assert step.policy is held_by
    assert step.state is (DeliveryState.PENDING if held_by is None else DeliveryState.HELD)


@pytest.mark.parametrize(
    ("rule", "held_by"),
    [
        (EVERYTHING, Policy.GROUP),
        (a_rule(quiet=QUIET, limit=LIMIT), Policy.LIMIT),
        (a_rule(quiet=QUIET), None),
        (None, None),
    ],
)
def test_what_was_quiet_goes_on_and_is_not_quiet_again(rule: Rule | None, held_by: Policy | None) -> None:
    assert staged(rule, Policy.QUIET, quiet=MORNING, remembered=FULL).policy is held_by


def test_the_silence_that_let_a_message_go_does_not_hold_it_again() -> None:
    assert staged(a_rule(), Policy.SILENCE, silences=(ALL,), let_go_by="sil_a").state is DeliveryState.PENDING


def test_a_silence_that_drops_suppresses_and_names_itself() -> None:
    step = staged(a_rule(), silences=(replace(ALL, then=Fate.DROP),))
    assert (step.state, step.policy, step.silence) == (DeliveryState.SUPPRESSED, Policy.SILENCE, "sil_a")


def test_quiet_hours_hold_until_they_end_digest_or_drop() -> None:
    held = staged(a_rule(quiet=QUIET), quiet=MORNING).hold
    assert held is not None
    assert (held.until, held.gather) == (MORNING, None)
    digest = staged(a_rule(quiet=replace(QUIET, then="digest")), quiet=MORNING).hold
    assert digest is not None
    assert digest.gather is not None
    assert (digest.until, digest.gather.slot, digest.gather.most) == (MORNING, MORNING, MOST_TOLD)
    dropped = staged(a_rule(quiet=replace(QUIET, then="drop")), quiet=MORNING)
    assert (dropped.state, dropped.policy) == (DeliveryState.SUPPRESSED, Policy.QUIET)
    assert staged(a_rule(quiet=QUIET), quiet=None).state is DeliveryState.PENDING


def test_a_group_in_quiet_hours_gathers_behind_them() -> None:
    hold = staged(a_rule(quiet=QUIET, group=GROUP), quiet=MORNING).hold
    assert hold is not None
    assert hold.gather is not None
    assert (hold.policy, hold.until, hold.gather.slot) == (Policy.GROUP, MORNING + timedelta(seconds=60), MORNING)


def test_a_message_under_the_limit_is_remembered_and_one_over_it_gathers_by_key() -> None:
    passed = staged(a_rule(limit=LIMIT))
    (change,) = passed.changes
    assert (change.old, change.new, change.key) == (None, AT.isoformat(), "notify.0 l")
    over = staged(a_rule(limit=LIMIT), remembered=FULL)
    assert over.changes == ()
    assert over.hold is not None
    assert over.hold.gather is not None
    assert (over.hold.until, over.hold.gather.key) == (AT + timedelta(hours=1), "l")
