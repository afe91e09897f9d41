# ruff: noqa: E501 - a fault and its sentence are read side by side
"""What the shape of a rule file must be, each fault in a sentence at its place."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest
from jsonschema import Draft7Validator

from memonotify import catalogue
from memonotify.config.schema import check_schema, config_schema, rules_schema, schema_of_tests
from memonotify.yamlsource import parse

RULES = dedent("""\
    rules:
      - name: low-balance
        description: Say so once
        match: {event_type: [transaction_confirmed, new_type], resource_type: "trans*", workspace: acme}
        fetch:
          account: /v2/accounts/{{ resource.account_id }}
        when: account.balance < 500000
        fire: on_change
        key: "{{ account.id }}"
        notify:
          - channel: mail
            to: [cfo@example.com]
            subject: Low
            text: Low
            attach: [proof]
          - channel: erp
            when: event.id
            json: {a: [1, null, {b: "{{ event }}"}]}
        resolved:
          - channel: slack
            text: Over
    tests:
      - name: silence
        event: {event_type: a}
        resource: null
        fetch: {account: {balance: 1}}
        expect: []
    """)


def complaints(text: str) -> list[str]:
    document, problems = parse(text, "r.yaml")
    assert document is not None
    return [str(problem) for problem in [*problems, *check_schema(document, "rules")]]


def test_everything_that_a_rule_may_say_is_accepted() -> None:
    assert complaints(RULES) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    when: acc", "    whn: acc", "r.yaml:7:5: unknown key `whn` in item 1 of `rules` (did you mean `when`?)"),
        ("- name: low-balance", "- nam: low-balance", "r.yaml:2:5: unknown key `nam` in item 1 of `rules` (did you mean `name`?)"),
        ("- name: low-balance\n   ", "-", "r.yaml:2:5: `name` is missing in item 1 of `rules`"),
        ("fire: on_change", "fire: on-change", "r.yaml:8:11: `fire` is `on-change`, which is not one of `on_change` (did you mean `on_change`?)"),
        ("when: account.balance < 500000", "when: 5", "r.yaml:7:11: `when` must be text, not a number (put it in quotes)"),
        ("when: account.balance < 500000", "when:", "r.yaml:7:10: `when` is empty (give it a value or remove it)"),
        ("{event_type: [transaction_confirmed, new_type]", "{event_type: [a, 5]", "r.yaml:4:29: item 2 of `event_type` must be text"),
        ("{event_type: [transaction_confirmed, new_type]", "{event_type: {}", "r.yaml:4:25: `event_type` must be text or a list of texts"),
        ("{event_type: [transaction_confirmed, new_type]", "{event_type: []", "r.yaml:4:25: `event_type` is an empty list"),
        ('"trans*"', '"trans/*"', "r.yaml:4:75: a resource type has letters, digits, `_`, `.` and `-`; a glob also `*`, `?` and `[…]`"),
        ("{event_type: [", "{event_typ: [", "r.yaml:4:13: unknown key `event_typ` in `match` (did you mean `event_type`?)"),
        ("account: /v2", "1a: /v2", "r.yaml:6:7: the name of a look-up has letters, digits and `_`, and no digit first"),
        ("- channel: mail", "- chanel: mail", "r.yaml:11:9: unknown key `chanel` in item 1 of `notify` (did you mean `channel`?)"),
        ("to: [cfo@example.com]", "to: 5", "r.yaml:12:13: `to` must be text or a list, not a number"),
        ("[proof]", "[prof]", "r.yaml:15:18: item 1 of `attach` is `prof`, which is not one of `proof` (did you mean `proof`?)"),
        ("expect: []", "expct: []", "r.yaml:27:5: unknown key `expct` in item 1 of `tests` (did you mean `expect`?)"),
        ("expect: []", "expect: [{rul: x}]", "r.yaml:27:15: unknown key `rul` in item 1 of `expect` (did you mean `rule`?)"),
        ("resource: null", "resource: []", "r.yaml:25:15: `resource` must be a mapping or nothing, not a list"),
    ],
)  # fmt: skip
def test_a_fault_of_shape_is_told_at_its_place(old: str, new: str, complaint: str) -> None:
    assert RULES.count(old) == 1
    assert complaints(RULES.replace(old, new)) == [complaint]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "r.yaml:1:1: the file is empty"),
        ("rules", "r.yaml:1:1: the file must be a mapping, not text"),
        ("- a", "r.yaml:1:1: the file must be a mapping, not a list"),
        ("rules: {a: {}}", "r.yaml:1:8: `rules` must be a list, not a mapping"),
        ("rules: [{name: a, notify: []}]", "r.yaml:1:27: `notify` is an empty list"),
        ("rules: [{name: a, notify: [{channel: b}], fetch: true}]", "r.yaml:1:50: `fetch` must be false, or a mapping of names to paths"),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_told_in_one_sentence(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = RULES.replace("fire: on_change", "fire: x").replace("subject:", "subjct:").replace("expect:", "x:")
    assert [complaint.split(": ")[0] for complaint in complaints(text)] == ["r.yaml:8:11", "r.yaml:13:9", "r.yaml:23:5", "r.yaml:27:5"]  # fmt: skip


def test_what_the_parser_reported_is_not_reported_again() -> None:
    assert complaints(RULES.replace("when: account.balance < 500000", "when: *x")) == [
        "r.yaml:7:11: `*x`: aliases are not taken (write the value out, or quote it)"
    ]


def test_editors_are_offered_every_type_that_the_bank_documents() -> None:
    definitions = rules_schema()["definitions"]
    assert definitions["event_type"]["anyOf"][0]["enum"] == sorted(catalogue.EVENT_TYPES)
    assert definitions["resource_type"]["anyOf"][0]["enum"] == sorted(catalogue.RESOURCE_PATHS)


def test_a_file_of_tests_has_a_schema_of_its_own_with_the_same_tests() -> None:
    validator = Draft7Validator(schema_of_tests())
    case = {"name": "a", "event": {"event_type": "transaction_confirmed", "id": 7}, "expect": [{"rule": "r"}]}
    assert validator.is_valid({"tests": [case]})
    assert validator.is_valid({"tests": [{**case, "event": {"event_type": "brand_new"}}]})
    assert not validator.is_valid({"tests": [case], "rules": []})
    assert not validator.is_valid({"tests": [{**case, "now": 5}]})
    assert not validator.is_valid({"tests": [{**case, "state": {"r": {"k": "yes"}}}]})
    assert not validator.is_valid({})


@pytest.mark.parametrize("schema", [rules_schema, config_schema, schema_of_tests])
def test_the_schemas_are_draft_07_and_explain_every_key(schema: Callable[[], dict[str, Any]]) -> None:
    tree = schema()
    Draft7Validator.check_schema(tree)
    assert tree["$schema"] == "http://json-schema.org/draft-07/schema#"
    for node in [tree, *tree["definitions"].values()]:
        for name, value in node.get("properties", {}).items():
            assert value is True or "$ref" in value or {"title", "description"} <= value.keys(), name
        if "properties" in node and "allOf" not in node:
            assert node["additionalProperties"] is False
