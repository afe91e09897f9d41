"""The rules are tried with the events of their own tests, and what fails of them is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from engineparts import entry, fn, rule

from memonotify.engine.rehearsal import rehearse
from memonotify.model import Fault
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset, RuleTest

CONFIG = SimpleNamespace(hours={}, workspaces=(SimpleNamespace(name="acme"),))


def case(expect, *, resource=None, lookups=None):
    event = {"event_type": "collection_returned"}
    return RuleTest(
        name="t", file="r.yaml", line=9, event=event, resource=resource, lookups=lookups or {}, expect=tuple(expect)
    )


def faults(*tests, rules, most=1000):
    rehearsal = rehearse(Ruleset(rules=tuple(rules), tests=tests), CONFIG, most=most)
    return [(found.rule, found.fault.path, found.test.name) for found in rehearsal.faults], rehearsal.is_whole


def failing(name="r", **more):
    return rule(name, when=fn(lambda context: context["resource"]["nmae"]), **more)


def test_each_text_that_fails_is_told_once_with_the_first_test_that_shows_it():
    first, second = replace(case([]), name="first"), replace(case([]), name="second")
    broken = entry(0, message=fn(lambda context: context["nope"]))
    unsure = entry(1, when=fn(lambda context: context["nope"]))
    keyed = rule("keyed", key=fn(""), when=fn(True))
    found, is_whole = faults(
        replace(first, resource={}),
        replace(second, resource={}),
        rules=[failing("a"), rule("b", notify=(broken, unsure)), keyed],
    )
    assert found == [
        ("a", ("when",), "first"),
        ("b", ("notify", 0), "first"),
        ("b", ("notify", 1, "when"), "first"),
        ("keyed", ("key",), "first"),
    ]
    assert is_whole


def test_a_fault_says_why():
    (found,) = rehearse(Ruleset(rules=(failing(),), tests=(case([], resource={}),)), CONFIG).faults
    assert found.fault == Fault(path=("when",), reason="'nmae' is missing")


def test_a_rule_whose_look_ups_a_test_does_not_answer_is_passed_over():
    looking = rule(when=fn(lambda context: context["account"]["x"], "account"), lookups={"account": fn("/v2/a/1")})
    assert faults(case([]), rules=[looking]) == ([], True)
    assert len(faults(case([], lookups={"account": {}}), rules=[looking])[0]) == 1


def test_beyond_the_limit_only_the_rules_that_a_test_expects_are_tried():
    other = failing("other", match=Match(event_type=("account_closed",)))
    rules = [failing("a"), failing("b"), other]
    tests = (case([{"rule": "b"}, {"rule": "other"}, {"rule": "nope"}, {}], resource={}),)
    assert faults(*tests, rules=rules, most=1) == ([("b", ("when",), "t")], False)
