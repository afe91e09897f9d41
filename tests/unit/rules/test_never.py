"""A condition that can never hold is noted where it says so; one that may is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memonotify.rules.match import Match
from memonotify.rules.never import never_holds

if TYPE_CHECKING:
    from .conftest import RulesFolder

WORKSPACES = ("acme", "north")
COLLECTIONS = Match(event_type=("collection_*",))


@pytest.mark.parametrize(
    ("condition", "match"),
    [
        ("false", Match()),
        ("1 == 2", Match()),
        ("not true", Match()),
        ("false and resource.amount > 1", Match()),
        ("resource.amount > 1 and (resource.x and false)", Match()),
        ('event.event_type == "transfer_failed"', COLLECTIONS),
        ('"transfer_failed" == event.event_type', COLLECTIONS),
        ('resource.x and event["event_type"] in ("transfer_failed", "iban_created")', COLLECTIONS),
        ("event.event_type in []", COLLECTIONS),
        ('event.event_type == "transfer_failed"', Match(resource_type=("collection",))),
        ('event.resource_type == "transfer"', Match(resource_type=("collection", "iban"))),
        ('event.resource_type == "transfer"', Match(event_type=("collection_failed", "iban_created"))),
        ('workspace.name == "south"', Match()),
        ('workspace.name == "north"', Match(workspace=("a*",))),
    ],
)
def test_a_condition_that_can_never_hold_is_told(condition: str, match: Match) -> None:
    assert never_holds(condition, match, WORKSPACES) is not None


@pytest.mark.parametrize(
    ("condition", "match"),
    [
        ("true", Match()),
        ("resource.amount > 1", Match()),
        ("false or resource.is_main", Match()),
        ("resource.is_main == false", Match()),
        ("resource", Match()),
        ('event.event_type in ("collection_returned", "transfer_failed")', COLLECTIONS),
        ('event.event_type == "transfer_failed" or resource.x', COLLECTIONS),
        ('event.event_type != "transfer_failed"', COLLECTIONS),
        ('not event.event_type == "transfer_failed"', COLLECTIONS),
        ('event.event_type == "collection_disputed"', COLLECTIONS),
        ('event.event_type == "quote_sent"', Match()),
        ('event.event_type == "quote_sent"', Match(resource_type=("quote",))),
        ('event.event_type == resource.x and event.event_type in ("transfer_failed", resource.y)', COLLECTIONS),
        ('event.resource_type == "transfer"', COLLECTIONS),
        ('event.resource_type == "transfer"', Match(event_type=("new_kind",))),
        ('workspace.name == "north"', Match(workspace=("acme", "n*"))),
        ("resource.when == 'event_type' and resource.x.event_type == 1", COLLECTIONS),
        ("event.event_type ==", Match()),
        ("false | nofilter", Match()),
    ],
)
def test_a_condition_that_may_hold_is_not_told(condition: str, match: Match) -> None:
    assert never_holds(condition, match, WORKSPACES) is None


RULE = """\
rules:
  - name: one
    match: {{event_type: "collection_*"{more}}}
    when: >-
      resource.reference
      and event.event_type == "{type}"
    notify:
      - {{channel: erp, json: {{when: "{{{{ 1 == 2 }}}}"}}, when: '{when}'}}
"""


def notes(
    rules_folder: RulesFolder, *, type_: str = "collection_failed", when: str = "true", more: str = ""
) -> list[str]:
    rules_folder.write("rules/a.yaml", RULE.format(type=type_, when=when, more=more))
    return [str(note) for note in rules_folder.load().notes if "no rule handles" not in note.message]


def test_a_rules_condition_is_noted_at_its_line(rules_folder: RulesFolder) -> None:
    assert notes(rules_folder) == []
    assert notes(rules_folder, type_="transfer_failed") == [
        (
            "rules/a.yaml:6:7: `event.event_type` is never `transfer_failed` where the rule looks, "
            "so the condition never holds"
        )
    ]


def test_a_messages_condition_is_noted(rules_folder: RulesFolder) -> None:
    assert notes(rules_folder, when="1 == 2") == ["rules/a.yaml:8:60: the condition is false, whatever comes"]


def test_patterns_that_no_workspace_fits_are_noted(rules_folder: RulesFolder) -> None:
    assert notes(rules_folder, more=', workspace: ["a*", "b*"]') == []
    assert notes(rules_folder, more=', workspace: ["b*", "c*"]') == [
        "rules/a.yaml:3:52: the rule can never match: none of its workspaces is there (workspaces: `acme`)"
    ]


def test_a_condition_is_judged_by_its_own_literals_and_not_by_those_of_one_like_it() -> None:
    for never, may in (
        ("(resource | amount) > 1 and 1 == 2", "(resource | amount) > 1 and 2 == 2"),
        ('event.event_type == "transfer_failed"', 'event.event_type == "collection_failed"'),
        ("(resource | amount) > 1 and false", "(resource | amount) > 2"),
    ):
        assert never_holds(may, COLLECTIONS, WORKSPACES) is None
        assert never_holds(never, COLLECTIONS, WORKSPACES) is not None
        assert never_holds(may, COLLECTIONS, WORKSPACES) is None
