"""What is doubtful is noted and keeps nothing from running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memonotify.catalogue import EVENT_TYPES
from memonotify.rules.notes import cents_compared

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("account.balance < 500000", [("account.balance", 500000, 1)]),
        ("10000 <= resource.amount", [("resource.amount", 10000, 1)]),
        ("resource['amount'] > 5.5", [("resource.amount", 5.5, 1)]),
        ("a.balance < -100", [("a.balance", -100, 1)]),
        ("a.balance < 5 or\n b.amount == 6", [("a.balance", 5, 1), ("b.amount", 6, 2)]),
        ("1 < resource.amount < 9", [("resource.amount", 1, 1), ("resource.amount", 9, 1)]),
        ("account.balance < 0", []),
        ("(resource | amount) >= 10000", []),
        ("resource.amount > account.balance", []),
        ("resource.attachment_count > 3", []),
        ("resource.amount == true", []),
        ("resource.amount >", []),
        ("}} {{ resource.amount > 1", []),
    ],
)
def test_an_amount_compared_in_cents_is_found(condition: str, found: list[tuple[str, float, int]]) -> None:
    assert [(each.field, each.value, each.line) for each in cents_compared(condition)] == found


def test_the_note_says_what_the_number_is_in_euros(rules_folder: RulesFolder) -> None:
    rules_folder.write(
        "rules/a.yaml",
        """
        rules:
          - name: low
            match: {event_type: "*"}
            fetch: {account: "/v2/accounts/{{ resource.account_id }}"}
            when: |
              account.id and
              account.balance < 500000
            notify: [{channel: erp, json: {}}]
        """,
    )
    (note,) = rules_folder.load().notes
    assert (note.file, note.line, note.column, note.severity) == ("rules/a.yaml", 7, 7, "note")
    text = " ".join(note.message.split())
    assert text == "`account.balance` counts in cents: 500000 is 5 000,00 € where the currency is EUR"
    assert note.hint == "`(account.balance | amount(account.currency))` is the amount in the currency's unit"


def test_event_types_that_no_rule_handles_are_named(rules_folder: RulesFolder) -> None:
    handled = [event_type for event_type in EVENT_TYPES if event_type not in ("iban_created", "iban_deleted")]
    rules_folder.write(
        "rules/a.yaml",
        f"rules: [{{name: a, match: {{event_type: [{', '.join(handled)}]}}, notify: [{{channel: erp, json: {{}}}}]}}]",
    )
    (note,) = rules_folder.load().notes
    assert str(note).startswith("config.yaml:1:1: no rule handles iban_created, iban_deleted ")
    assert note.severity == "note"


def test_of_many_event_types_that_no_rule_handles_a_few_are_named(rules_folder: RulesFolder) -> None:
    rules_folder.write(
        "rules/a.yaml", "rules: [{name: a, match: {event_type: account_closed}, notify: [{channel: erp, json: {}}]}]"
    )
    (note,) = rules_folder.load().notes
    assert note.message == (
        "no rule handles 33 event types: account_created, account_updated, attachment_created, attachment_deleted, "
        "iban_created, …"
    )
