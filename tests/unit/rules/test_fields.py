"""Fields that nothing has, and arguments that a filter does not take, are known without an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.rules.test_loader import SLACK, rule

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder


def slack(text: str) -> str:
    """Return a rule file with one message to Slack whose text begins on line 6."""
    return rule(f"match: {{event_type: '*'}}\nnotify:\n  - channel: treasury-slack\n    text: |\n      {text}")


def notes(rules_folder: RulesFolder, text: str) -> list[str]:
    rules_folder.write("rules/a.yaml", text)
    return [str(note) for note in rules_folder.load().notes]


def test_a_field_that_the_workspace_does_not_have_is_a_problem(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(slack("{{ workspace.nam }}"))
    assert problem == "rules/a.yaml:7:11: `workspace` has no field `nam` (did you mean `name`?)"


def test_a_field_that_the_workspace_does_not_have_is_a_problem_in_a_template_file_too(
    rules_folder: RulesFolder,
) -> None:
    rules_folder.write("templates/mail.html.j2", "<p>\n{{ workspace['iban'] }}\n</p>")
    text = rule("notify: [{channel: finance-mail, html: mail.html.j2}]")
    assert rules_folder.problem(text) == (
        "templates/mail.html.j2:2:1: `workspace` has no field `iban` (a workspace has nothing but its `name`)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ workspace.name.upper() }} {{ workspace['name'] }}",
        "{{ workspace.iban | default('—') }}",
        "{{ workspace.iban.bic | d('—') }}",
        "{% if workspace.iban is defined %}{{ workspace.iban }}{% endif %}",
        "{% for name, value in workspace.items() %}{{ name }}{% endfor %}",
        "{% for workspace in [{'iban': 1}] %}{{ workspace.iban }}{% endfor %}",
        "{% macro m(workspace) %}{{ workspace.iban }}{% endmacro %}{{ m({'iban': 1}) }}",
        "{{ event.date }} {{ event.id }} {{ event.resource_id }} {{ event.resource_type }} {{ event.event_type }}",
        "{{ event.amount | default(0) }} {{ event.x.y is defined }} {{ event.get('x') }}",
    ],
)
def test_what_is_there_or_asked_for_is_right(rules_folder: RulesFolder, text: str) -> None:
    assert notes(rules_folder, slack(text)) == []


def test_a_field_of_the_event_that_the_bank_has_not_published_is_a_note(rules_folder: RulesFolder) -> None:
    mistyped, other = notes(rules_folder, slack("{{ event.event_typ }}\n      {{ event.amount }}"))
    assert mistyped == (
        "rules/a.yaml:7:11: `event.event_typ` is none of the five fields that every event has "
        "(did you mean `event_type`?)"
    )
    assert other == (
        "rules/a.yaml:8:11: `event.amount` is none of the five fields that every event has "
        "(ask whether it is there: `is defined` or `| default(…)`)"
    )


def test_such_a_field_in_a_condition_is_a_note_as_well(rules_folder: RulesFolder) -> None:
    (note,) = notes(rules_folder, rule(f"match: {{event_type: '*'}}\nwhen: event.total > 3\n{SLACK}"))
    assert note.startswith("rules/a.yaml:4:11: `event.total` is none of the five fields")


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("resource.iban | iban(msk=true)", "filter 'iban' has no argument 'msk' (did you mean 'mask'?)"),
        ("resource.iban | iban(true, false)", "filter 'iban' takes at most 1 argument, not 2"),
        ("resource.iban | iban(true, mask=true)", "filter 'iban' is given its argument 'mask' twice"),
        ("resource | money('EUR', 2)", "filter 'money' takes at most 1 argument, not 2"),
        ("event.date | datetime(format='short')", "filter 'datetime' has no argument 'format'"),
        ("event.id | upper('x')", "filter 'upper' takes no argument"),
        ("event.id | replace('x')", "filter 'replace' needs its argument 'new'"),
        ("[] | join(' ', attribut='x')", "filter 'join' has no argument 'attribut' (did you mean 'attribute'?)"),
        ("event.id is divisibleby", "test 'divisibleby' needs its argument 'num'"),
        ("event.id is defined(1)", "test 'defined' takes no argument"),
    ],
)
def test_arguments_that_a_filter_or_a_test_does_not_take_are_a_problem(
    rules_folder: RulesFolder, expression: str, fault: str
) -> None:
    assert rules_folder.problem(slack(f"{{{{ {expression} }}}}")) == f"rules/a.yaml:7:11: {fault}"


@pytest.mark.parametrize(
    "expression",
    [
        "resource.iban | iban(mask=true)",
        "resource.iban | iban(*[true])",
        "resource.amount | money(resource.currency)",
        "'%s %s' | format(1, 2)",
        "[1] | map('string') | join(', ')",
        "[{'a': 1}] | selectattr('a', 'eq', 1) | map(attribute='a') | list",
        "resource.a | default('x', true) | replace('a', 'b', 1) | truncate(9, end='')",
        "event.id is eq 'x' or event.id is in ['x'] or 6 is divisibleby 3",
        "event | tojson(indent=2)",
        "event.id | e | safe | string | length",
    ],
)
def test_arguments_that_fit_are_right(rules_folder: RulesFolder, expression: str) -> None:
    found = notes(rules_folder, slack(f"{{{{ {expression} }}}}"))
    assert [note for note in found if "has a field" not in note] == []
