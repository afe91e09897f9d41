"""`check` tries each rule with made-up events of every type it matches, and tells which of its texts fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Run

CONFIG = """\
workspaces: [{name: acme, tokens: ["${env:T}"], api: {thumbprint: p, secret: "${env:S}", private_key: "${env:KEY}"}}]
channels: {erp: {type: http, url: "https://erp.example.com"}}
rules: [rules.yaml]
"""
HEAD = """\
rules:
  - name: one
    match: {event_type: EVENTS}
    WHEN
    MORE
    notify:
      - {channel: erp, body: "TEXT"}
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run):
    """Check one rule; return what is said of rules.yaml: problems, then notes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")

    def check(text: str, *, events: str = "collection_failed", when: str = "", more: str = "", tests: str = ""):
        rule = HEAD.replace("EVENTS", events).replace("TEXT", text).replace("MORE", more)
        (tmp_path / "rules.yaml").write_text(rule.replace("WHEN", f"when: {when}" if when else "") + tests, "utf-8")
        ended = run("check", "--no-secrets", "rules.yaml")
        problems = [line for line in ended.err.splitlines() if line.startswith("rules.yaml")]
        assert ended.status == (2 if problems else 0)
        return problems, [line for line in ended.out.splitlines() if line.startswith("rules.yaml")]

    return check


def test_a_field_that_is_never_there_is_a_problem_with_what_may_be_meant(told) -> None:
    assert told("{{ resource.refernce }}") == (
        [
            (
                "rules.yaml:7:30: `resource.refernce` is missing "
                "(did you mean `reference`?; for every made-up event of `collection_failed`)"
            )
        ],
        [],
    )


def test_a_field_that_the_bank_may_leave_out_is_a_note(told) -> None:
    problems, notes = told("{{ resource.message }}")
    assert problems == []
    assert notes == [
        (
            "rules.yaml:7:30: `resource.message` is missing (where the bank leaves out what it may, "
            "at `collection_failed`: ask with `is defined` or `| default(…)`)"
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{{ resource.message | default('-') }}",
        "{% if resource.message is defined %}{{ resource.message }}{% endif %}",
        "{{ resource.mandate.reference }} {{ resource | money }} {{ resource.local_iban | iban }}",
        "{{ resource.custom_metadata.order | default('-') }}",
        "{{ event.date | datetime }} {{ workspace.name }}",
    ],
)
def test_what_is_always_there_or_asked_for_is_right(told, text: str) -> None:
    assert told(text) == ([], [])


def test_a_field_that_some_types_of_the_match_never_have_is_a_problem_for_those(told) -> None:
    ((problem,), notes) = told("{{ resource.mandate.reference }}", events='"*_failed"')
    assert "(for every made-up event of `transfer_failed` and 2 more)" in problem
    assert notes == []


def test_a_message_is_judged_where_the_rule_speaks(told) -> None:
    when = 'event.resource_type == "collection"'
    assert told("{{ resource.mandate.reference }}", events='"*_failed"', when=when) == ([], [])


def test_a_field_that_the_condition_asks_for_is_not_doubtful_in_the_message(told) -> None:
    assert told("{{ resource.message }}", when="resource.message is defined") == ([], [])


def test_a_condition_that_fails_is_told_at_its_line(told) -> None:
    ((problem,), _) = told("x", events='"iban_*"', when="resource.balance > 1")
    assert problem.startswith("rules.yaml:4:11: `resource.balance` is missing (")
    problems, (_, note) = told("x", when="resource.amount > 1 and resource.failure_code == 'x'")
    assert problems == []
    assert note.startswith("rules.yaml:4:11: `resource.failure_code` is missing (where the bank leaves out")


def test_a_message_that_no_sample_makes_due_is_rendered_all_the_same(told) -> None:
    ((problem,), _) = told("{{ resource.nothing }}", when='resource.reference == "R-1"')
    assert "`resource.nothing` is missing" in problem
    assert "though none of them makes the message due" in problem
    assert told("{{ resource.reference }}", when='resource.reference == "R-1"') == ([], [])


def test_where_events_may_come_that_nobody_knows_such_a_message_is_doubtful_alone(told) -> None:
    problems, notes = told("{{ resource.nothing }}", events='"*"', when='event.resource_type == "invoice"')
    assert problems == []
    assert any("`resource.nothing` is missing" in note for note in notes)


def test_both_branches_key_and_look_ups_of_a_rule_that_remembers_are_tried(told) -> None:
    more = (
        'fetch: {account: "/v2/accounts/{{ resource.account_id }}"}\n    fire: on_change\n    key: "{{ account.idd }}"'
    )
    ((problem,), _) = told("{{ account.name }}", events="transaction_confirmed", when="account.balance < 0", more=more)
    assert problem.startswith("rules.yaml:7:10: `account.idd` is missing (did you mean `id`?; ")
    more = more.replace("idd", "id") + '\n    resolved: [{channel: erp, body: "{{ account.nam }}"}]'
    ((problem,), _) = told("{{ account.name }}", events="transaction_confirmed", when="account.balance < 0", more=more)
    assert problem.startswith("rules.yaml:8:37: `account.nam` is missing (did you mean `name`?; ")
    more = more.replace("account_id", "acount").replace("account.nam ", "account.name ")
    ((problem,), _) = told("{{ account.name }}", events="transaction_confirmed", when="account.balance < 0", more=more)
    assert problem.startswith("rules.yaml:5:22: `resource.acount` is missing (")


def test_a_message_of_its_own_condition_is_tried(told) -> None:
    text = "x\", when: \"resource.mandat.reference == 'x'"
    ((problem,), _) = told(text)
    assert problem.startswith("rules.yaml:7:41: `resource.mandat")


def test_what_a_look_up_of_a_list_brings_is_not_judged(told) -> None:
    more = 'fetch: {latest: "/v2/transactions?size=1"}'
    assert told("{{ latest.results[0].nothing }} {{ resource.nothing }}", more=more)[0] == []


def test_a_new_field_of_the_bank_is_shown_to_be_right_by_a_test(told) -> None:
    tests = """\
tests:
  - name: a new field
    event: {event_type: collection_failed}
    resource: {id: x, brand_new: y}
    expect: [{rule: one}]
"""
    problems, notes = told("{{ resource.brand_new }}", tests=tests)
    assert problems == []
    assert len(notes) == 1


def test_a_rule_that_is_off_is_not_tried(told) -> None:
    assert told("{{ resource.nothing }}", more="mode: off")[0] == []
