"""A test in a rule file expects only what the rules can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

RULE = """\
rules:
  - name: returned
    fetch: {account: "/v2/accounts/{{ resource.account_id }}"}
    notify: [{channel: finance-mail, text: x}, {channel: erp, json: {}}]
tests:
  - name: a test
    event: {event_type: collection_returned}
"""


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("    expect:\n      - rule: retruned", "9:15: there is no rule `retruned` (did you mean `returned`?)"),
        ("    expect:\n      - channel: erb", "9:18: there is no channel `erb` (did you mean `erp`?)"),
        (
            "    expect:\n      - {rule: returned, channel: treasury-slack}",
            "9:35: rule `returned` has no message to channel `treasury-slack` (channels of the rule: `erp`, `finance",
        ),
        (
            "    expect:\n      - {rule: returned, channel: erp, subject: x}",
            "9:40: `subject` is no field of a message to http (fields: `body`, `headers`, `json`, `path`)",
        ),
        (
            "    expect:\n      - {rule: returned, blocks: []}",
            "9:26: `blocks` is no field of a message to email/http",
        ),
        (
            "    expect: []\n    fetch: {acount: {}}",
            "9:13: no rule looks up `acount` (did you mean `account`?)",
        ),
        (
            "    expect: []\n    resorce: {}",
            "9:5: unknown key `resorce` in item 1 of `tests` (did you mean `resource`?)",
        ),
    ],
)
def test_what_no_rule_can_do_is_told(rules_folder: RulesFolder, lines: str, problem: str) -> None:
    assert rules_folder.problem(RULE + lines + "\n").startswith(f"rules/a.yaml:{problem}")


CHANGE = """\
rules:
  - name: low
    fire: on_change
    key: "{{ event.resource_id }}"
    notify: [{channel: erp, json: {}}]
  - name: plain
    notify: [{channel: erp, json: {}}]
tests:
  - name: a test
    event: {event_type: collection_returned}
    expect: []
"""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("state: {lou: true}", "12:13: there is no rule `lou` (did you mean `low`?)"),
        (
            "state: {plain: true}",
            "12:13: rule `plain` remembers nothing, so it has no `state` (only rules with `fire: on_change` do)",
        ),
        ("state: {low: yesterday}", "12:18: `low` must be true or false, or a mapping of keys to true or false"),
        ("state: {low: {}}", "12:18: `low` is empty"),
        ("state: {low: {a1: 1}}", "12:23: `a1` must be true or false, not a number"),
        ("now: yesterday", "12:10: `now` is `yesterday`, which is no date and time (such as "),
        ('now: "2026-03-29 02:30"', "12:10: `now` is `2026-03-29 02:30`, which the clocks skip in Europe/Paris"),
    ],
)
def test_a_state_and_a_moment_that_cannot_be_are_told(rules_folder: RulesFolder, line: str, problem: str) -> None:
    assert rules_folder.problem(f"{CHANGE}    {line}\n").startswith(f"rules/a.yaml:{problem}")


def test_a_state_is_given_for_every_key_or_by_key(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", f"{CHANGE}    state: {{low: {{a b: true, other: false}}}}\n")
    (test,) = rules_folder.load().ruleset.tests
    assert [test.remembered("low", key) for key in ("a b", "other", "third")] == [True, False, None]
    rules_folder.write("rules/a.yaml", f"{CHANGE}    state: {{low: true}}\n")
    (test,) = rules_folder.load().ruleset.tests
    assert test.remembered("low", "whatever") is True


def test_a_test_may_expect_a_rule_of_another_file(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/z.yaml", "rules: [{name: other, notify: [{channel: erp, json: {}}]}]")
    rules_folder.write("rules/a.yaml", RULE + "    expect: [{rule: other}, {rule: returned, json: {a: 1}}]\n")
    (test,) = rules_folder.load().ruleset.tests
    assert test.expect == ({"rule": "other"}, {"rule": "returned", "json": {"a": 1}})


def test_a_test_says_what_the_bank_answers(rules_folder: RulesFolder) -> None:
    answers = "    resource: {id: r1}\n    fetch: {account: {id: a1}, /v2/x: null}\n    expect: []\n"
    rules_folder.write("rules/a.yaml", RULE + answers)
    (test,) = rules_folder.load().ruleset.tests
    assert (test.name, test.file, test.line) == ("a test", "rules/a.yaml", 6)
    assert test.event == {"event_type": "collection_returned"}
    assert test.resource == {"id": "r1"}
    assert test.lookups == {"account": {"id": "a1"}, "/v2/x": None}
    assert test.expect == ()


@pytest.mark.parametrize("value", ["[account_closed]", "{a: 1}"])
def test_a_field_of_an_event_that_is_no_text_is_a_problem(rules_folder: RulesFolder, value: str) -> None:
    text = f"tests:\n  - name: odd\n    event: {{event_type: {value}, id: 7}}\n    expect: []\n"
    assert rules_folder.problem(text) == (
        "rules/a.yaml:3:25: `event_type` of an event is one text (as the bank sends it)"
    )


POLICIES = """\
rules:
  - name: stays
    match: {event_type: collection_returned}
    once: {per: "{{ event.resource_id }}"}
    notify: [{channel: erp, json: {}}]
    escalate: {after: 24h, unless: {event_type: collection_confirmed}, notify: [{channel: erp, json: {}}]}
  - name: plain
    notify: [{channel: erp, json: {}}]
tests:
  - name: a test
    event: {event_type: collection_returned}
"""


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("    expect: []\n    told: {stay: true}", "13:12: there is no rule `stay` (did you mean `stays`?)"),
        ("    expect: []\n    told: {plain: true}", "13:12: rule `plain` tells each event, so it has `told` nothing"),
        ("    expect: []\n    told: {stays: 5}", "13:19: `stays` must be true, or a list of keys"),
        (
            "    expect: [{rule: stays, after: 2h}]",
            "12:35: rule `stays` escalates nothing after 2h (steps: `1d`)",
        ),
        (
            "    expect: [{rule: plain, after: 2h}]",
            "12:35: rule `plain` escalates nothing after 2h (it has no `escalate`)",
        ),
        ("    expect: [{after: soon}]", "12:22: a duration is a number and a unit"),
        ("    expect: [{severity: high}]", "12:25: "),
        ('    expect: [{held_until: "soon"}]', "12:27: `held_until` is `soon`, which is no date and time"),
    ],
)
def test_what_a_test_says_of_policies_is_checked_against_the_rules(
    rules_folder: RulesFolder, lines: str, problem: str
) -> None:
    assert rules_folder.problem(POLICIES + lines + "\n").startswith(f"rules/a.yaml:{problem}")


def test_times_of_an_expectation_are_read_as_messages_have_them(rules_folder: RulesFolder) -> None:
    lines = '    expect: [{rule: stays, after: 1440m, held_until: "2026-03-03T07:00:00Z"}]\n    told: {stays: [a]}\n'
    rules_folder.write("rules/a.yaml", POLICIES + lines)
    (test,) = rules_folder.load().ruleset.tests
    assert test.expect == ({"rule": "stays", "after": "1d", "held_until": "2026-03-03 08:00:00"},)
    assert (test.has_told("stays", "a"), test.has_told("stays", "b"), test.has_told("plain", "a")) == (
        True,
        False,
        False,
    )


def test_a_test_is_of_an_event_or_of_a_deadline(rules_folder: RulesFolder) -> None:
    rules = "rules: [{name: a, notify: [{channel: finance-mail}]}]\ntests:\n  - name: t\n    expect: []\n"
    assert "a test needs an `event` (or `deadline`, for what has not come)" in rules_folder.problem(rules)
    both = f'{rules}    deadline: "2026-11-27 12:00"\n    event: {{}}\n'
    assert "6:5: `event` has no place beside `deadline`: nothing came by then" in rules_folder.problem(both)
