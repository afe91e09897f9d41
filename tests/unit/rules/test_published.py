"""A type that the bank has not published, and a key that is the same for every event, are noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.rules.test_loader import SLACK, rule

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

NEW = "right where the bank has added it since this version"


def notes(rules_folder: RulesFolder, text: str, **changes: object) -> list[str]:
    """Return the notes of one rule file, without the one on what no rule handles."""
    rules_folder.write("rules/a.yaml", text)
    found = [str(note) for note in rules_folder.load(**changes).notes]
    return [note for note in found if "no rule handles" not in note]


@pytest.mark.parametrize(
    ("match", "note"),
    [
        (
            "event_type: transaction_confirmd",
            (
                "3:25: `transaction_confirmd` is no event type that the bank has published "
                "(did you mean `transaction_confirmed`?)"
            ),
        ),
        (
            "event_type: [account_closed, loan_repaid]",
            f"3:42: `loan_repaid` is no event type that the bank has published ({NEW})",
        ),
        ("event_type: 'loan_*'", f"3:25: `loan_*` fits no event type that the bank has published ({NEW})"),
        (
            "resource_type: transation",
            "3:28: `transation` is no resource type that the bank has published (did you mean `transaction`?)",
        ),
        (
            "resource_type: ['loan?']",
            (
                "3:29: `loan?` fits no resource type that the bank has published "
                "(a new one stands under `resource_types` of config.yaml)"
            ),
        ),
        (
            "event_type: transaction_confirmed, resource_type: transfer",
            (
                "3:63: the rule can never match: the resource type of its event types is `transaction` "
                "(remove `resource_type`, or name other event types)"
            ),
        ),
        (
            "event_type: ['account_*', iban_created], resource_type: [transfer]",
            (
                "3:69: the rule can never match: the resource type of its event types is "
                "`account`, `account_assessment`, `iban` (remove `resource_type`, or name other event types)"
            ),
        ),
    ],
)
def test_a_type_that_is_not_published_or_never_comes_is_noted(rules_folder: RulesFolder, match: str, note: str) -> None:
    assert notes(rules_folder, rule(f"match: {{{match}}}\n{SLACK}")) == [f"rules/a.yaml:{note}"]


@pytest.mark.parametrize(
    "match",
    [
        "event_type: '*'",
        "event_type: account_closed, resource_type: account",
        "event_type: 'account_*', resource_type: account_assessment",
        "event_type: '*', resource_type: 'trans*'",
        "resource_type: [account, mandate_signature_request]",
        "event_type: invoice_paid, resource_type: invoice",
        "event_type: 'invoice_*'",
    ],
)
def test_published_types_and_those_of_the_configuration_are_known(rules_folder: RulesFolder, match: str) -> None:
    text = rule(f"match: {{{match}}}\n{SLACK}")
    assert notes(rules_folder, text, resource_types={"invoice": "/v2/invoices/{id}"}) == []


def test_a_type_of_the_configuration_with_another_types_event_never_comes(rules_folder: RulesFolder) -> None:
    text = rule(f"match: {{event_type: account_closed, resource_type: invoice}}\n{SLACK}")
    (note,) = notes(rules_folder, text, resource_types={"invoice": "/v2/invoices/{id}"})
    assert "the rule can never match" in note


def test_many_unknown_types_are_noted_without_looking_for_what_each_meant(rules_folder: RulesFolder) -> None:
    text = "rules:\n" + "".join(
        f"  - {{name: r{number}, match: {{event_type: acount_closed}}, {SLACK}}}\n" for number in range(80)
    )
    found = notes(rules_folder, text)
    assert len(found) == 80
    assert sum("did you mean" in note for note in found) == 50


@pytest.mark.parametrize("key", ["resource.id", "account.id", "acount.id", "event.resource_id | upper", "resource"])
def test_a_key_without_braces_is_noted(rules_folder: RulesFolder, key: str) -> None:
    text = rule(f"fetch: {{account: /v2/accounts/x}}\nfire: on_change\nkey: {key}\n{SLACK}")
    assert notes(rules_folder, text) == [
        f'rules/a.yaml:5:10: the key is the same for every event (did you mean "{{{{ {key} }}}}"?)'
    ]


@pytest.mark.parametrize("key", ["'{{ event.id }}'", "all", "a-b", "the balance", "acme.example"])
def test_a_key_that_is_meant_as_it_stands_is_not_noted(rules_folder: RulesFolder, key: str) -> None:
    assert notes(rules_folder, rule(f"fire: on_change\nkey: {key}\n{SLACK}")) == []
