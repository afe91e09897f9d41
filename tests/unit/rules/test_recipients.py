"""A mail entry reaches somebody, and every address that a rule writes out is one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.rules.conftest import CHANNELS
from tests.unit.rules.test_loader import rule

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

NOBODY = {**CHANNELS, "finance-mail": replace(CHANNELS["finance-mail"], to=())}


def mail(fields: str) -> str:
    """Return a rule file with one mail; `fields` begin on line 5, column 9."""
    return rule("notify:\n  - channel: finance-mail\n    text: x\n" + "\n".join(f"    {x}" for x in fields.split("\n")))


def test_a_mail_without_recipients_is_a_problem_at_the_entry(rules_folder: RulesFolder) -> None:
    assert rules_folder.problem(mail("subject: y"), channels=NOBODY) == (
        "rules/a.yaml:4:9: the mail has no recipient: neither the entry nor channel `finance-mail` has `to` "
        "(name them here or at the channel)"
    )


@pytest.mark.parametrize("fields", ["to: a@example.com", "cc: [a@example.com]", "to: ['{{ resource.mail }}']"])
def test_a_mail_that_names_somebody_has_a_recipient(rules_folder: RulesFolder, fields: str) -> None:
    rules_folder.write("rules/a.yaml", mail(fields))
    assert len(rules_folder.load(channels=NOBODY).ruleset.rules) == 1


def test_a_mail_to_a_channel_that_has_only_copies_has_a_recipient(rules_folder: RulesFolder) -> None:
    channel = replace(NOBODY["finance-mail"], cc=("audit@example.com",))
    rules_folder.write("rules/a.yaml", mail("subject: y"))
    assert len(rules_folder.load(channels={**NOBODY, "finance-mail": channel}).ruleset.rules) == 1


def test_an_empty_list_of_recipients_is_a_problem(rules_folder: RulesFolder) -> None:
    assert rules_folder.problem(mail("to: []")) == (
        "rules/a.yaml:6:13: `to` is an empty list (name somebody, or remove it: then the channel's recipients hold)"
    )


@pytest.mark.parametrize(
    ("field", "place", "named"),
    [
        ("to: nobody", "6:13", "`to`: `nobody`"),
        ("to: [a@example.com, b@]", "6:29", "item 2 of `to`: `b@`"),
        ("cc:\n  - a@example.com, b@example.com", "7:13", "item 1 of `cc`: `a@example.com, b@example.com`"),
        ("reply_to: treasury.example.com", "6:19", "`reply_to`: `treasury.example.com`"),
        ("to: a@example.com.", "6:13", "`to`: `a@example.com.`"),
    ],
)
def test_a_literal_address_that_is_none_is_a_problem_at_the_value(
    rules_folder: RulesFolder, field: str, place: str, named: str
) -> None:
    problem = rules_folder.problem(mail(field))
    assert problem.startswith(f"rules/a.yaml:{place}: {named} is not a mail address (")


@pytest.mark.parametrize(
    "field",
    [
        "to: Treasury <t@example.com>",
        "to: '{{ workspace.name }}@example.com'",
        "to: '{% if resource %}a@example.com{% endif %}'",
        "to: |\n  a@example.com",
        "reply_to: ''",
        "cc: []",
    ],
)
def test_an_address_that_the_channel_takes_is_right(rules_folder: RulesFolder, field: str) -> None:
    rules_folder.write("rules/a.yaml", mail(field))
    assert len(rules_folder.load().ruleset.rules) == 1
