"""What a rule lets into a mail's HTML unescaped is noted, at its line of the rule or of the template file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RulesFolder

RULE = """\
rules:
  - name: paid
    match: {event_type: transaction_confirmed}
    fetch: {account: "/v2/accounts/{{ resource.account_id }}"}
    notify:
      - channel: finance-mail
        subject: "{{ resource.counterparty_name | safe }}"
        text: "{{ resource.counterparty_name | safe }}"
        html: |
          <p>
          HTML</p>
      - {channel: treasury-slack, text: "{{ resource.counterparty_name | safe }}"}
"""
TOLD = "into the HTML as it is: whoever writes the value writes into the mail (leave it out: then the value is escaped)"


def notes(rules_folder: RulesFolder, html: str) -> list[str]:
    rules_folder.write("rules/a.yaml", RULE.replace("HTML", html))
    return [str(note) for note in rules_folder.load().notes if "no rule handles" not in note.message]


@pytest.mark.parametrize(
    ("html", "value", "by"),
    [
        ("{{ resource.counterparty_name | safe }}", "resource.counterparty_name", "`safe`"),
        ("{{ account.name | upper | safe }}", "account.name", "`safe`"),
        ("{{ ('<b>' ~ event.id ~ '</b>') | safe }}", "event.id", "`safe`"),
        ("{{ ['a', resource.source.message] | map('safe') | join }}", "resource.source.message", "`safe`"),
        ("{% set x = resource.link %}{{ x | safe }}", "x", "`safe`"),
        ("{% for each in resource.source %}{{ each | safe }}{% endfor %}", "each", "`safe`"),
        ("{% macro m(a) %}{{ a | safe }}{% endmacro %}{{ m(resource.link) }}", "a", "`safe`"),
        ("{% autoescape false %}{{ resource.link }}{% endautoescape %}", "resource.link", "`autoescape false`"),
    ],
)
def test_data_of_the_bank_that_is_not_escaped_is_noted(
    rules_folder: RulesFolder, html: str, value: str, by: str
) -> None:
    assert notes(rules_folder, html) == [f"rules/a.yaml:11:11: {by} lets `{value}` {TOLD}"]


@pytest.mark.parametrize(
    "html",
    [
        "{{ '<hr>' | safe }}",
        "{% set line = '<hr>' %}{{ line | safe }}",
        "{{ '<b>paid</b>' | safe if resource.direction == 'credit' else '' }}",
        "{{ ('<b>in</b>' if resource.direction == 'credit' else '<i>out</i>') | safe }}",
        "{{ resource.source.message | e | replace('x', '<br>' | safe) | safe }}",
        "{% macro m(a) %}<b>{{ a }}</b>{% endmacro %}{{ m(resource.link) | safe }}",
        "{% set part %}<b>{{ resource.link }}</b>{% endset %}{{ part | safe }}",
        "{% autoescape true %}{{ resource.link }}{% endautoescape %}",
        "{% autoescape false %}{{ '<hr>' }}{% endautoescape %}",
        "{{ resource.link | tojson }}",
    ],
)
def test_what_the_rule_wrote_or_what_is_escaped_already_is_not_noted(rules_folder: RulesFolder, html: str) -> None:
    assert notes(rules_folder, html) == []


def test_in_a_template_file_it_is_told_once_at_the_files_own_line(rules_folder: RulesFolder) -> None:
    rules_folder.write("templates/mail.html.j2", "<p>\n{% include 'foot.html.j2' %}")
    rules_folder.write("templates/foot.html.j2", "<p>\n\n{{ resource.link | safe }}")
    two = "".join(
        f"  - {{name: {name}, match: {{event_type: transaction_confirmed}}, notify: "
        "[{channel: finance-mail, html: mail.html.j2}]}\n"
        for name in ("one", "two")
    )
    rules_folder.write("rules/a.yaml", f"rules:\n{two}")
    found = {str(note) for note in rules_folder.load().notes if "no rule handles" not in note.message}
    assert found == {f"templates/foot.html.j2:3:1: `safe` lets `resource.link` {TOLD}"}
