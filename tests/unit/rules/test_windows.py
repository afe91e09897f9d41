"""What a rule counts: what is read of it, what names a window, and what is wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memonotify.rules.values import Rule
from memonotify.rules.windows import Window
from memonotify.windowing import Measure

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

NOTIFY = "notify: [{channel: treasury-slack, text: hello}]"
KEY = 'by: "{{ resource.mandate.reference }}"'


def rule(window: str, more: str = "") -> str:
    """Return a rule file with one rule, whose window stands in line 5."""
    return (
        "rules:\n  - name: one\n    match: {event_type: [collection_returned, collection_failed]}\n"
        f"    window:\n      {window}\n    {NOTIFY}\n{more}"
    )


def read(folder: RulesFolder, text: str) -> Rule:
    folder.write("rules/a.yaml", text)
    (found,) = folder.load().ruleset.rules
    return found


def window(folder: RulesFolder, text: str) -> Window:
    (found,) = read(folder, rule(text)).windows
    return found


def problem(folder: RulesFolder, text: str) -> str:
    (found,) = folder.problems({"rules/a.yaml": text})
    return found


def test_a_window_counts_what_its_rule_looks_at(rules_folder: RulesFolder) -> None:
    found = read(rules_folder, rule(f"returns: {{count: true, {KEY}, within: 7d}}"))
    (one,) = found.windows
    assert (one.name, one.measure, one.within_s, one.match) == ("returns", Measure.COUNT, 604_800.0, found.match)
    assert found.counts_beside == ()
    assert found.memories == 1
    assert found.needs_resource


def test_a_sum_of_the_resource_asks_for_it(rules_folder: RulesFolder) -> None:
    found = read(rules_folder, rule('total: {sum: true, by: "{{ workspace.name }}", within: 1d}'))
    assert found.needs_resource


def test_a_window_may_count_other_events_in_the_workspaces_of_its_rule(rules_folder: RulesFolder) -> None:
    text = rule(f"new: {{first_seen: true, {KEY}, within: 7d, match: {{event_type: collection_confirmed}}}}")
    rules_folder.write("rules/a.yaml", text)
    ruleset = rules_folder.load().ruleset
    facts = ("collection_confirmed", "collection", "acme")
    assert ruleset.candidates(*facts) == ()
    assert [each.name for each in ruleset.concerned(*facts)] == ["one"]
    assert [each.name for each in ruleset.concerned("collection_failed", "collection", "acme")] == ["one"]
    assert ruleset.concerned("collection_canceled", "collection", "acme") == ()


BASE = f"x: {{count: true, {KEY}, within: 7d}}"


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("count: true", "first_seen: true"),
        BASE.replace("mandate.reference", "reference"),
        BASE.replace("7d", "8d"),
        BASE.replace("7d", "7d, when: resource.amount > 1"),
        BASE.replace("7d", "7d, match: {event_type: collection_failed}"),
    ],
)
def test_another_definition_is_another_window(rules_folder: RulesFolder, other: str) -> None:
    assert window(rules_folder, other).digest != window(rules_folder, BASE).digest


def test_a_window_that_reads_a_look_up_is_another_one_where_the_look_up_is(rules_folder: RulesFolder) -> None:
    text = rule('x: {count: true, by: "{{ account.iban }}", within: 7d}')
    first, second, third = (
        read(rules_folder, text.replace("    window:", f"    fetch: {fetch}\n    window:")).windows[0].digest
        for fetch in (
            '{account: "/v2/accounts/{{ resource.account_id }}"}',
            '{account: "/v2/accounts/{{ resource.local_account_id }}"}',
            '{account: "/v2/accounts/{{ resource.account_id }}", more: "/v2/accounts"}',
        )
    )
    assert first != second
    assert first == third


def test_its_name_and_the_rest_of_the_rule_do_not_make_a_window_another_one(rules_folder: RulesFolder) -> None:
    renamed = rule(BASE.replace("x:", "y:")).replace("- name: one", "- name: two\n    severity: critical")
    assert read(rules_folder, renamed).windows[0].digest == window(rules_folder, BASE).digest


def test_a_window_is_known_in_every_text_of_its_rule(rules_folder: RulesFolder) -> None:
    text = (
        rule(BASE)
        .replace("text: hello", "text: '{{ x }}', when: x > 2")
        .replace("    window", "    when: x\n    window")
    )
    text += "    fire: on_change\n    key: '{{ x }}'\n    limit: {count: 1, per: 1h, by: '{{ x }}'}\n"
    assert read(rules_folder, text).memories == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BASE.replace("x:", "resource:"), "5:7: a window cannot be called `resource`: that name is taken"),
        (BASE.replace("count: true, ", ""), "5:7: window `x` does not say what it tells (`count: true`, `sum:"),
        (BASE.replace("true", "true, sum: true"), "5:24: a window tells one thing, not `count` and `sum` (make two"),
        (BASE.replace("7d", "400d"), "it is between 1ms and 366d"),
        (BASE.replace("7d", "a week"), "a duration is a number and a unit, such as 500ms, 5s, 15m, 24h, 90d or 2w"),
        (BASE.replace("true", "false"), "`count` must be true"),
        (BASE.replace("7d", "7d, when: y > 1"), "there is nothing called `y` here"),
        (BASE.replace("7d", "7d, per: 1"), "unknown key `per` in `window.x`"),
        (f"x: {{sum: resourze, {KEY}, within: 7d}}", "nothing called `resourze` here (did you mean `resource`?)"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_window_stands_at_its_place(rules_folder: RulesFolder, text: str, told: str) -> None:
    found = problem(rules_folder, rule(text))
    assert found.startswith("rules/a.yaml:5:")
    assert told in found


def test_windows_do_not_see_each_other(rules_folder: RulesFolder) -> None:
    text = rule(BASE + '\n      y: {count: true, by: "{{ x }}", within: 1d}')
    assert "there is nothing called `x` here" in problem(rules_folder, text)


def test_a_report_has_no_window(rules_folder: RulesFolder) -> None:
    text = f"rules:\n  - name: one\n    report: {{schedule: 0 8 * * *}}\n    window: {{{BASE}}}\n    {NOTIFY}\n"
    assert "`window` has no place beside `report`" in problem(rules_folder, text)


def test_a_key_without_its_braces_is_noted(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", rule("x: {count: true, by: resource.mandate.reference, within: 7d}"))
    notes = rules_folder.load().notes
    assert 'did you mean "{{ resource.mandate.reference }}"?' in "".join(map(str, notes))


TEST = """tests:
  - name: t
    event: {event_type: collection_returned}
    resource: {mandate: {reference: m}}
    window: {%s}
    expect: []
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("y: 1", "no rule has a window `y`"),
        ("x: true", "the value of window `x` is a whole number, such as 4"),
        ("x: 1.5", "the value of window `x` is a whole number, such as 4"),
        ('x: "4"', "must be a number, or true or false"),
    ],
)
def test_a_test_gives_windows_values_that_they_can_have(rules_folder: RulesFolder, given: str, told: str) -> None:
    assert told in problem(rules_folder, rule(BASE, TEST % given))


def test_the_values_of_a_test_are_read(rules_folder: RulesFolder) -> None:
    windows = (
        BASE + f"\n      total: {{sum: true, {KEY}, within: 1d}}\n      new: {{first_seen: true, {KEY}, within: 1d}}"
    )
    rules_folder.write("rules/a.yaml", rule(windows, TEST % "x: 4, total: 50000.50, new: false"))
    (test,) = rules_folder.load().ruleset.tests
    assert {name: str(value) for name, value in test.windows.items()} == {"x": "4", "total": "50000.5", "new": "False"}


def test_fields_are_those_of_what_the_window_counts(rules_folder: RulesFolder) -> None:
    other = "match: {event_type: transfer_confirmed}"
    text = rule(f"x: {{count: true, by: '{{{{ resource.beneficiary_iban }}}}', within: 1d, {other}}}")
    rules_folder.write("rules/a.yaml", text)
    assert not [note for note in rules_folder.load().notes if "beneficiary_iban" in str(note)]
    rules_folder.write("rules/a.yaml", text.replace(f", {other}", ""))
    assert [note for note in rules_folder.load().notes if "beneficiary_iban" in str(note)]
