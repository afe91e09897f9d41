"""The rules are tried with samples within a bound, and what a test has shown to be right is not called wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from engineparts import entry, fn, rule

from memonotify.engine.sampling import try_samples
from memonotify.model import Mode
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset

CONFIG = SimpleNamespace(workspaces=(SimpleNamespace(name="acme"), SimpleNamespace(name="north")))
CLOSED = Match(event_type=("account_closed",))


def failing(name="r", match=CLOSED, **more):
    return rule(name, match=match, notify=(entry(0, message=fn(lambda context: context["resource"]["nmae"])),), **more)


def told(*rules, **more):
    sampling = try_samples(Ruleset(rules=tuple(rules)), CONFIG, **more)
    return [(found.rule, found.fault.path, found.event_types, found.is_certain) for found in sampling.faults]


def test_a_text_that_fails_for_every_sample_is_wrong():
    assert told(failing()) == [("r", ("notify", 0), ("account_closed",), True)]


def test_a_text_that_a_test_has_shown_to_be_right_is_doubtful():
    shown = frozenset({("r", "account_closed", ("notify", 0))})
    assert told(failing(), shown=shown) == [("r", ("notify", 0), ("account_closed",), False)]
    other = frozenset({("r", "account_created", ("notify", 0))})
    assert told(failing(), shown=other)[0][3]


def test_what_is_only_missing_where_the_bank_leaves_it_out_is_doubtful():
    text = entry(0, message=fn(lambda context: {"json": context["resource"]["message"]}))
    payment = rule(match=Match(event_type=("collection_failed",)), notify=(text,))
    assert told(payment) == [("r", ("notify", 0), ("collection_failed",), False)]


def test_where_there_are_many_rules_each_is_tried_with_a_few_samples():
    tried = []
    text = entry(
        0, message=fn(lambda context: tried.append(context["resource"]) or {"text": context["resource"]["message"]})
    )
    payments = [rule(name, match=Match(event_type=("collection_failed",)), notify=(text,)) for name in "abc"]
    sampling = try_samples(Ruleset(rules=tuple(payments)), CONFIG, most=12)
    assert sampling.is_whole
    assert len(tried) == 12
    assert [(found.rule, found.is_certain) for found in sampling.faults] == [("a", False), ("b", False), ("c", False)]


def test_beyond_the_bound_rules_are_left_out_and_that_is_told():
    rules = [failing("a"), failing("b")]
    one = try_samples(Ruleset(rules=(rules[0],)), CONFIG, most=10_000)
    assert one.is_whole
    cost = next(
        most for most in range(1, 10_000) if try_samples(Ruleset(rules=(rules[0],)), CONFIG, most=most).is_whole
    )
    both = try_samples(Ruleset(rules=tuple(rules)), CONFIG, most=2 * cost - 1)
    assert not both.is_whole
    assert [found.rule for found in both.faults] == ["a"]


@pytest.mark.parametrize(
    "asleep",
    [
        replace(failing(), mode=Mode.OFF),
        failing(match=Match(event_type=("account_closed",), workspace=("south",))),
        failing(match=Match(event_type=("invoice_sent",))),
    ],
)
def test_a_rule_that_no_sample_can_reach_is_not_tried(asleep):
    assert told(asleep) == []


def test_the_first_workspace_that_fits_is_the_one_of_the_sample():
    seen = []
    text = entry(0, message=fn(lambda context: seen.append(context["workspace"]["name"]) or {"json": 1}))
    told(rule(match=Match(event_type=("account_closed",), workspace=("n*",)), notify=(text,)))
    assert set(seen) == {"north"}
