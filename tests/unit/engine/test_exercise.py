"""How far tests exercise the rules."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from engineparts import entry, fn, rule

from memonotify.engine.exercise import exercised, percentage
from memonotify.engine.testing import TestResult
from memonotify.model import Branch, Mode
from memonotify.rules.values import Ruleset

MESSAGE = (entry(0, "erp", message=fn({"json": {}}), type_="http"),)


def result(*spoke, decided=()):
    return TestResult(name="t", file="f", line=1, spoke=frozenset(spoke), decided=frozenset(decided))


def counts(results, *rules):
    return [
        (each.rule.name, each.spoke, each.resolved, each.silent) for each in exercised(Ruleset(rules=rules), results)
    ]


def test_the_tests_in_which_a_rule_spoke_and_kept_silent_are_counted():
    results = [
        result(("a", Branch.NOTIFY), decided=["a", "b"]),
        result(("b", Branch.RESOLVED), decided=["a", "b"]),
        result(),
    ]
    a, b = rule("a", notify=MESSAGE), rule("b", notify=MESSAGE, resolved=MESSAGE, key=fn("k"))
    assert counts(results, a, b) == [("a", 1, None, 1), ("b", 0, 1, 1)]


def test_each_list_of_messages_counts_and_a_rule_that_is_off_does_not():
    rules = (
        rule("a", notify=MESSAGE),
        rule("b", notify=MESSAGE, resolved=MESSAGE, key=fn("k")),
        replace(rule("c", notify=MESSAGE), mode=Mode.OFF),
    )
    results = [result(("a", Branch.NOTIFY)), result(("b", Branch.NOTIFY))]
    exercises = exercised(Ruleset(rules=rules), results)
    assert [each.is_off for each in exercises] == [False, False, True]
    assert [each.counts for each in exercises] == [(1,), (1, 0), ()]
    assert round(percentage(exercises), 1) == 66.7


def test_no_rules_are_covered_as_far_as_can_be():
    assert percentage([]) == 100
    assert percentage([SimpleNamespace(counts=())]) == 100
