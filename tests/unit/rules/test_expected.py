"""A rule with `expect:` speaks of what has not come, and is told at its line where that makes no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

MAIL = "notify: [{channel: finance-mail}]"
NOON = 'expect: {by: "0 12 28 * *"}'


def rule(body: str) -> str:
    """Return a rule file with one expectation; `body` stands 4 columns in, from line 3 on."""
    return "rules:\n  - name: payroll\n" + "".join(f"    {line}\n" for line in body.split("\n"))


def test_an_expectation_needs_nothing_but_its_deadlines_and_somebody_to_tell(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", rule(f"{NOON}\n{MAIL}"))
    (found,) = rules_folder.load().ruleset.rules
    assert found.expect is not None
    assert found.expect.words == ("0 12 28 * *", "Europe/Paris", "", "previous", None, 0.0)
    context = {
        "workspace": {"name": "acme"},
        "expected": {"by": "2026-11-28T11:00:00+00:00", "rule": "payroll", "last": None, "waiting": 0},
    }
    payload = found.notify[0].message.render(context)
    assert payload["subject"] == "acme: payroll has not come"
    assert "by 28 nov. 2026, 12:00:00" in payload["text"]
    assert "None is known from before." in payload["text"]


def test_an_expectation_looks_at_the_events_of_its_match(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", rule(f"match: {{event_type: transfer_confirmed}}\n{NOON}\n{MAIL}"))
    ruleset = rules_folder.load().ruleset
    assert ruleset.candidates("transfer_confirmed", "transfer", "acme") == ruleset.rules
    assert ruleset.candidates("collection_returned", "collection", "acme") == ()


def test_the_message_of_one_that_came_late_sees_the_event_and_what_was_expected(rules_folder: RulesFolder) -> None:
    text = 'text: "{{ event.id }} {{ resource.id }} {{ expected.by }}"'
    rules_folder.write("rules/a.yaml", rule(f"{NOON}\n{MAIL}\nresolved: [{{channel: finance-mail, {text}}}]"))
    (found,) = rules_folder.load().ruleset.rules
    assert found.needs_resource


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (f"expect: {{by: 0 12 28 *}}\n{MAIL}", "3:18: a schedule has five fields"),
        (f"expect: {{by: 0 25 28 * *}}\n{MAIL}", "3:18: the schedule cannot be read: bad hour (such as "),
        (f"expect: {{}}\n{MAIL}", "3:5: `by` is missing in `expect`"),
        (f"expect: {{by: 0 12 * * *, timezone: Europe/Pari}}\n{MAIL}", "(did you mean `Europe/Paris`?)"),
        (f"expect: {{by: 0 12 * * *, grase: 1m}}\n{MAIL}", "(did you mean `grace`?)"),
        (f"expect: {{by: 0 12 * * *, shift: next}}\n{MAIL}", "3:30: `shift` means nothing without `business_days`"),
        (f"expect: {{by: 0 12 * * *, since: 0s}}\n{MAIL}", "`since` is between 1s and 400d"),
        (f"expect: {{by: 0 12 * * *, grace: 8d}}\n{MAIL}", "`grace` is between 0s and 1w"),
        (f"expect: {{by: 0 12 * * *, since: 60d}}\n{MAIL}", "more than 32 deadlines lie within `since`"),
        (f"{NOON}\nonce: {{per: x}}\n{MAIL}", "4:5: `once` has no place beside `expect`: it speaks once for each"),
        (f"{NOON}\ngroup: {{wait: 1m}}\n{MAIL}", "4:5: `group` has no place beside `expect`: a miss is told by itself"),
        (f"{NOON}\nfire: on_change\nkey: x\n{MAIL}", "4:5: `fire` has no place beside `expect`"),
        (f"{NOON}\nfire: on_change\nkey: x\n{MAIL}", "5:5: `key` has no place beside `expect`"),
        (f"{NOON}\nlimit: {{count: 1, per: 1d, by: x}}\n{MAIL}", "`limit.by` has no place beside `expect`"),
        (
            f"{NOON}\n{MAIL}\nescalate: {{after: 1h, unless: {{event_type: x}}, {MAIL}}}",
            "`escalate.unless` has no place beside `expect`: the expected event itself ends the escalation",
        ),
        (
            f'{NOON}\nnotify: [{{channel: finance-mail, text: "{{{{ resource.id }}}}"}}]',
            "there is nothing called `resource` here (it speaks of what has not come: `expected` has what is known;",
        ),
        (
            f"{NOON}\nnotify: [{{channel: finance-mail, when: event.id}}]",
            "there is nothing called `event` here (it speaks of what has not come",
        ),
        (
            f'{NOON}\nnotify: [{{channel: finance-mail, text: "{{{{ expected.due }}}}"}}]',
            "`expected` has no field `due`",
        ),
        (f"{NOON}\nnotify: [{{channel: finance-mail, attach: [proof]}}]", "in a message about what has not come"),
        (f"{NOON}\nwhen: expected.by\n{MAIL}", "there is nothing called `expected` here"),
    ],
)
def test_what_makes_no_sense_is_told_at_its_line(rules_folder: RulesFolder, body: str, problem: str) -> None:
    problems = rules_folder.problems({"rules/a.yaml": rule(body)})
    assert any(problem in found for found in problems), problems
