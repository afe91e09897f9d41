"""Each fault in a rule file is told once, at its line and column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memonotify.config.values import Workspace
from memonotify.errors import ConfigError
from memonotify.model import Severity
from memonotify.secret import Secret

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder


def rule(body: str, name: str = "one") -> str:
    """Return a rule file with one rule; `body` stands 4 columns in, from line 3 on."""
    lines = [f"    {line}" if line else "" for line in body.strip("\n").split("\n")]
    return f"rules:\n  - name: {name}\n" + "\n".join(lines) + "\n"


SLACK = "notify: [{channel: treasury-slack, text: hello}]"


def test_a_fault_in_when(rules_folder: RulesFolder) -> None:
    text = rule(f"when: resource.amount >\n{SLACK}")
    assert rules_folder.problem(text).startswith("rules/a.yaml:3:11: ")


def test_a_fault_in_the_second_line_of_when(rules_folder: RulesFolder) -> None:
    text = rule(f"when: |\n  resource.amount > 1 and\n  resource.status = 'x'\n{SLACK}")
    assert rules_folder.problem(text).startswith("rules/a.yaml:5:7: ")


def test_a_fault_in_a_folded_condition_stands_on_its_line(rules_folder: RulesFolder) -> None:
    text = rule(f"when: >-\n  resource.amount > 1\n  and resource.id\n\n  and resource.status = 'x'\n{SLACK}")
    assert rules_folder.problem(text).startswith("rules/a.yaml:7:7: ")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("when: >-\n  event.id and\n    ressource.id", "5:9"),
        ("when: event.id and\n  ressource.id", "4:7"),
        ('when: "event.id and\n  \n  \\x41 and\n  ressource.id"', "5:7 6:7"),
        ("when: 'event.id and\n  event.date and ressource.id'", "4:7"),
        ('fetch:\n  a: "/v2/\\\n    {{ ressource.id }}"', "5:9"),
    ],
)
def test_a_misspelt_name_in_folded_and_quoted_text_stands_on_its_line(
    rules_folder: RulesFolder, value: str, place: str
) -> None:
    problems = rules_folder.problems({"rules/a.yaml": rule(f"{value}\n{SLACK}")})
    assert [problem.split(": ")[0] for problem in problems] == [f"rules/a.yaml:{one}" for one in place.split()]


@pytest.mark.parametrize(
    "entry",
    [
        "channel: treasury-slack\n    text: >-\n      one\n      two\n      {{ resource | mony }}",
        'channel: treasury-slack\n    text: "one\n      two\n\n      {{ resource | mony }}"',
        "channel: erp\n    json:\n      a: >-\n        one\n        {{ resource | mony }}",
        "channel: erp\n    json: {}\n    when: >-\n      event.id\n      and resource | mony",
    ],
)
def test_a_fault_in_a_folded_message_stands_on_its_line(rules_folder: RulesFolder, entry: str) -> None:
    problem = rules_folder.problem(rule(f"notify:\n  - {entry}"))
    assert problem.startswith("rules/a.yaml:8:1")
    assert "did you mean 'money'?" in problem


def test_a_word_that_goes_over_two_lines_is_told_where_its_text_begins(rules_folder: RulesFolder) -> None:
    text = rule(f'when: "event.id and res\\\n  source.id"\n{SLACK}')
    assert rules_folder.problem(text).startswith("rules/a.yaml:3:11: there is nothing called `ressource`")


def test_a_text_that_stands_folded_in_one_place_and_on_one_line_in_another_is_right_in_both(
    rules_folder: RulesFolder,
) -> None:
    text = rule(
        "notify:\n  - {channel: treasury-slack, text: 'one {{ nope }}'}\n"
        "  - channel: treasury-slack\n    text: >-\n      one\n      {{ nope }}"
    )
    problems = rules_folder.problems({"rules/a.yaml": text})
    assert [problem.split(": ")[0] for problem in problems] == ["rules/a.yaml:4:41", "rules/a.yaml:8:11"]


def test_a_fault_in_the_third_line_of_a_block_scalar(rules_folder: RulesFolder) -> None:
    text = rule(
        "notify:\n  - channel: treasury-slack\n    text: |\n      one\n      two\n      {{ resource.id }\n      four"
    )
    assert rules_folder.problem(text).startswith("rules/a.yaml:8:11: ")


def test_an_unknown_filter_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    text = rule("notify:\n  - channel: treasury-slack\n    text: |\n      one\n      {{ resource | mony }}")
    problem = rules_folder.problem(text)
    assert problem.startswith("rules/a.yaml:7:11: ")
    assert "'mony'" in problem
    assert "did you mean 'money'?" in problem


def test_a_fault_in_a_nested_json_value(rules_folder: RulesFolder) -> None:
    text = rule(
        'notify:\n  - channel: erp\n    json:\n      items:\n        - {id: ok, cents: "{{ resource.amount + }}"}'
    )
    assert rules_folder.problem(text).startswith("rules/a.yaml:7:31: ")


def test_a_fault_in_one_of_several_recipients(rules_folder: RulesFolder) -> None:
    text = rule('notify:\n  - channel: finance-mail\n    text: x\n    to: [a@example.com, "{{ }}"]')
    assert rules_folder.problem(text).startswith("rules/a.yaml:6:29: ")


def test_a_fault_in_a_template_file_names_that_file(rules_folder: RulesFolder) -> None:
    rules_folder.write("templates/mail.html.j2", "<p>\n{{ resource | mony }}\n</p>")
    text = rule("notify: [{channel: finance-mail, html: mail.html.j2}]")
    assert rules_folder.problem(text).startswith("templates/mail.html.j2:2:1: ")


def test_a_template_file_that_is_not_there_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    rules_folder.write("templates/mail.html.j2", "<p></p>")
    text = rule("notify: [{channel: finance-mail, html: mial.html.j2}]")
    problem = rules_folder.problem(text)
    assert problem.startswith("rules/a.yaml:3:44: ")
    assert "did you mean 'mail.html.j2'?" in problem


def test_a_misspelt_name_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    text = rule("notify:\n  - channel: treasury-slack\n    text: |\n      one\n      {{ ressource.id }}")
    assert rules_folder.problem(text) == (
        "rules/a.yaml:7:11: there is nothing called `ressource` here (did you mean `resource`?)"
    )


def test_a_misspelt_name_in_when(rules_folder: RulesFolder) -> None:
    text = rule(f"when: ressource.id == 'x'\n{SLACK}")
    assert rules_folder.problem(text) == (
        "rules/a.yaml:3:11: there is nothing called `ressource` here (did you mean `resource`?)"
    )


def test_a_misspelt_name_in_an_included_template_file(rules_folder: RulesFolder) -> None:
    rules_folder.write("templates/mail.html.j2", "<p>{% include 'foot.html.j2' %}</p>")
    rules_folder.write("templates/foot.html.j2", "<hr>\n{{ evnt.id }}")
    text = rule("notify: [{channel: finance-mail, html: mail.html.j2}]")
    assert rules_folder.problem(text) == (
        "templates/foot.html.j2:2:1: there is nothing called `evnt` here (did you mean `event`?)"
    )


def test_a_template_that_sets_its_own_names_is_right(rules_folder: RulesFolder) -> None:
    text = "{% set n = resource.id %}{% for x in [n] %}{{ loop.index }}{{ x }}{% endfor %}{{ range(3) | list }}"
    rules_folder.write("rules/a.yaml", rule(f'notify: [{{channel: treasury-slack, text: "{text}"}}]'))
    assert len(rules_folder.load().ruleset.rules) == 1


def test_a_look_ups_name_is_known_in_messages_and_conditions(rules_folder: RulesFolder) -> None:
    text = rule(
        "fetch: {account: '/v2/accounts/{{ resource.account_id }}'}\nwhen: account.is_main\n"
        "notify: [{channel: treasury-slack, text: '{{ account.name }}', when: account.name != 'x'}]"
    )
    rules_folder.write("rules/a.yaml", text)
    (loaded,) = rules_folder.load().ruleset.rules
    assert list(loaded.lookups) == ["account"]
    assert loaded.needs_resource


def test_a_look_up_knows_no_other_look_up(rules_folder: RulesFolder) -> None:
    text = rule(
        f"fetch:\n  account: /v2/accounts/{{{{ event.resource_id }}}}\n  x: /v2/x/{{{{ account.id }}}}\n{SLACK}"
    )
    assert rules_folder.problem(text).startswith("rules/a.yaml:5:10: there is nothing called `account` here")


def test_a_look_up_outside_of_the_api(rules_folder: RulesFolder) -> None:
    text = rule(f"fetch:\n  account: https://evil.example/v2/x\n{SLACK}")
    assert rules_folder.problem(text).startswith("rules/a.yaml:4:16: a look-up is a path of the bank's API")


def test_a_look_up_cannot_take_the_name_of_the_resource(rules_folder: RulesFolder) -> None:
    text = rule(f"fetch:\n  resource: /v2/accounts/x\n{SLACK}")
    assert rules_folder.problem(text) == "rules/a.yaml:4:7: a look-up cannot be called `resource`: that name is taken"


def test_a_duplicate_name_across_files_names_the_first(rules_folder: RulesFolder) -> None:
    problems = rules_folder.problems({"rules/a.yaml": rule(SLACK), "rules/b.yaml": "# second\n" + rule(SLACK)})
    assert problems == [
        "rules/b.yaml:3:11: there is a rule `one` already, at rules/a.yaml:2 (give it a name of its own)"
    ]


def test_an_unknown_channel_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    text = rule("notify:\n  - channel: finance-mial\n    text: x")
    assert rules_folder.problem(text) == (
        "rules/a.yaml:4:18: there is no channel `finance-mial` (did you mean `finance-mail`?)"
    )


def test_a_field_that_the_channel_does_not_have(rules_folder: RulesFolder) -> None:
    text = rule("notify:\n  - channel: treasury-slack\n    text: x\n    subject: y")
    assert rules_folder.problem(text).startswith("rules/a.yaml:6:9: `subject` is no field of a message to slack")


def test_an_unknown_field_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    text = rule("notify:\n  - channel: finance-mail\n    text: x\n    subjet: y")
    problem = rules_folder.problem(text)
    assert problem.startswith("rules/a.yaml:6:9: ")
    assert "did you mean `subject`?" in problem


def test_json_and_body_at_once(rules_folder: RulesFolder) -> None:
    text = rule("notify:\n  - channel: erp\n    json: {}\n    body: y")
    assert rules_folder.problem(text).startswith("rules/a.yaml:6:15: ")


def test_fetch_false_with_the_resource_in_when(rules_folder: RulesFolder) -> None:
    text = rule(f"fetch: false\nwhen: |\n  event.id and\n  resource.id\n{SLACK}")
    assert rules_folder.problem(text) == (
        "rules/a.yaml:3:12: `fetch: false`, but `resource` is used at rules/a.yaml:6 (remove one of the two)"
    )


def test_fetch_false_with_the_resource_in_an_included_template_file_only(rules_folder: RulesFolder) -> None:
    rules_folder.write("templates/mail.html.j2", "<p>{% include 'foot.html.j2' %}</p>")
    rules_folder.write("templates/foot.html.j2", "<hr>\n{{ resource.id }}")
    text = rule("fetch: false\nnotify: [{channel: finance-mail, html: mail.html.j2}]")
    assert rules_folder.problem(text) == (
        "rules/a.yaml:3:12: `fetch: false`, but `resource` is used at templates/foot.html.j2:2 (remove one of the two)"
    )


def test_fire_without_key(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(rule(f"fire: on_change\n{SLACK}"))
    assert problem.startswith("rules/a.yaml:3:5: `fire: on_change` needs a `key`")


@pytest.mark.parametrize("key", ["key: '{{ event.id }}'", "resolved: [{channel: erp, json: {}}]"])
def test_what_belongs_to_fire_means_nothing_without_it(rules_folder: RulesFolder, key: str) -> None:
    problem = rules_folder.problem(rule(f"{key}\n{SLACK}"))
    assert problem.startswith(f"rules/a.yaml:3:5: `{key.partition(':')[0]}` means nothing without `fire`")


def test_an_unknown_workspace_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(rule(f"match: {{workspace: [acme, acne]}}\n{SLACK}"))
    assert problem == "rules/a.yaml:3:31: there is no workspace `acne` (did you mean `acme`?)"


def test_a_rule_that_needs_the_bank_in_a_workspace_without_api(rules_folder: RulesFolder) -> None:
    closed = Workspace(name="beta", tokens=(Secret("token"),))
    workspaces = (closed,)
    problem = rules_folder.problem(rule(f"when: resource.id\n{SLACK}"), workspaces=workspaces)
    assert problem.startswith("rules/a.yaml:2:11: the rule asks the bank, but workspace `beta` has no `api`")


def test_a_rule_for_another_workspace_may_need_the_bank(rules_folder: RulesFolder) -> None:
    closed = Workspace(name="beta", tokens=(Secret("token"),))
    rules_folder.write("rules/a.yaml", rule(f"match: {{workspace: gamma*}}\nwhen: resource.id\n{SLACK}"))
    assert rules_folder.load(workspaces=(closed,)).ruleset.rules[0].needs_resource


def test_all_problems_of_all_files_are_told_in_order(rules_folder: RulesFolder) -> None:
    problems = rules_folder.problems(
        {
            "rules/b.yaml": rule(
                "when: a +\nfetch: false\nnotify:\n  - {channel: nope}\n  - {channel: erp, text: x}", "b"
            ),
            "rules/a.yaml": rule(f"whn: x\n{SLACK}"),
            "rules/c.yaml": "rules: [\n",
        }
    )
    assert [problem.split(" ")[0] for problem in problems] == [
        "rules/a.yaml:3:5:",
        "rules/b.yaml:3:11:",
        "rules/b.yaml:6:19:",
        "rules/b.yaml:7:24:",
        "rules/c.yaml:1:9:",
    ]


def test_an_empty_file_is_told(rules_folder: RulesFolder) -> None:
    assert rules_folder.problem("# nothing yet\n").startswith("rules/a.yaml:1:1: ")


def test_a_file_that_is_not_there_is_told(rules_folder: RulesFolder) -> None:
    with pytest.raises(ConfigError, match=r"^rules/none.yaml:1:1: there is no such file$"):
        rules_folder.load(files=[Path("rules/none.yaml").absolute()])


def test_rule_files_that_have_all_gone_are_told(rules_folder: RulesFolder) -> None:
    with pytest.raises(ConfigError, match=r"^config.yaml:1:1: no rule file matches `rules/\*.yaml`"):
        rules_folder.load()


def test_a_file_under_two_globs_is_read_once(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/b.yaml", rule(SLACK, "b"))
    rules_folder.write("rules/a.yaml", rule(SLACK, "a"))
    loaded = rules_folder.load(rules=("rules/b.yaml", "rules/*.yaml", "./rules/../rules/a.yaml"))
    assert [rule.name for rule in loaded.ruleset.rules] == ["b", "a"]


def test_a_rule_knows_where_it_stands_and_what_it_says(rules_folder: RulesFolder) -> None:
    text = rule(
        "description: It fell\nmatch: {event_type: [a, b], resource_type: 'x*'}\n"
        "fire: on_change\nkey: '{{ event.resource_id }}'\nfetch: false\n"
        "notify:\n  - {channel: erp, json: {a: 1}}\n  - {channel: treasury-slack, text: x, when: event.id != ''}\n"
        "resolved: [{channel: finance-mail, text: over}]"
    )
    rules_folder.write("rules/a.yaml", text)
    (loaded,) = rules_folder.load().ruleset.rules
    assert (loaded.name, loaded.description, loaded.file, loaded.line) == ("one", "It fell", "rules/a.yaml", 2)
    assert loaded.match.event_type == ("a", "b")
    assert loaded.match.resource_type == ("x*",)
    assert loaded.match.workspace is None
    assert loaded.on_change
    assert loaded.key is not None
    assert loaded.key.render({"event": {"resource_id": "r1"}}) == "r1"
    assert not loaded.needs_resource
    assert [(entry.index, entry.channel, entry.channel_type) for entry in loaded.notify] == [
        (0, "erp", "http"),
        (1, "treasury-slack", "slack"),
    ]
    assert loaded.notify[1].when is not None
    assert loaded.resolved[0].message.render({"event": {}, "resource": None})["text"] == "over"


@pytest.mark.parametrize(
    "body",
    [
        f"when: resource.id\n{SLACK}",
        f"fire: on_change\nkey: '{{{{ resource.id }}}}'\n{SLACK}",
        f"fetch: {{a: '/v2/accounts/{{{{ resource.id }}}}'}}\n{SLACK}",
        "notify: [{channel: erp, json: {a: [{b: '{{ resource.id }}'}]}}]",
        "notify: [{channel: erp, json: {}, when: resource.id}]",
        "notify: [{channel: erp, json: {}, path: '/{{ resource.id }}'}]",
        "notify: [{channel: finance-mail, text: x, to: ['{{ resource.mail }}']}]",
    ],
)
def test_the_resource_is_needed_wherever_its_name_stands(rules_folder: RulesFolder, body: str) -> None:
    rules_folder.write("rules/a.yaml", rule(body))
    assert rules_folder.load().ruleset.rules[0].needs_resource


def test_a_rules_digest_changes_with_the_rule_and_its_template_files_only(rules_folder: RulesFolder) -> None:
    def digests() -> tuple[str, str]:
        one, two = rules_folder.load().ruleset.rules
        return one.digest, two.digest

    rules_folder.write("templates/mail.html.j2", "<p>{% include 'foot.html.j2' %}</p>")
    rules_folder.write("templates/foot.html.j2", "<hr>")
    rules_folder.write("rules/a.yaml", rule("notify: [{channel: finance-mail, html: mail.html.j2}]"))
    rules_folder.write("rules/b.yaml", rule(SLACK, "two"))
    first, second = digests()
    rules_folder.write("rules/b.yaml", "# a remark\n" + rule(SLACK, "two"))
    assert digests() == (first, second)
    rules_folder.write("rules/b.yaml", rule(SLACK.replace("hello", "bye"), "two"))
    changed = digests()
    assert changed[0] == first
    assert changed[1] != second
    rules_folder.write("templates/foot.html.j2", "<hr><hr>")
    assert digests()[0] != first


def test_rules_are_found_in_the_order_of_files(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/b.yaml", rule(f"match: {{event_type: account_closed}}\n{SLACK}", "exact"))
    rules_folder.write("rules/a.yaml", rule(f"match: {{event_type: 'account_*'}}\n{SLACK}", "glob"))
    ruleset = rules_folder.load().ruleset
    assert [rule.name for rule in ruleset.candidates("account_closed", "account", "acme")] == ["glob", "exact"]
    assert [rule.name for rule in ruleset.candidates("account_created", "account", "acme")] == ["glob"]
    assert ruleset.candidates("iban_created", "iban", "acme") == ()
    assert ruleset.rule("exact") is ruleset.rules[1]
    assert replace(ruleset, rules=()).candidates("account_closed", "account", "acme") == ()


@pytest.mark.parametrize(("written", "severity"), [("", "info"), *((f"severity: {one}\n", one) for one in Severity)])
def test_a_rule_has_the_severity_that_it_names_or_is_info(
    rules_folder: RulesFolder, written: str, severity: str
) -> None:
    rules_folder.write("rules/a.yaml", rule(f"{written}{SLACK}"))
    assert [one.severity for one in rules_folder.load().ruleset.rules] == [severity]


def test_a_severity_that_is_none_is_told_with_the_one_that_was_meant(rules_folder: RulesFolder) -> None:
    assert rules_folder.problem(rule(f"severity: critcal\n{SLACK}")) == (
        "rules/a.yaml:3:15: `severity` is `critcal`, which is not one of `info`, `warning`, `critical` "
        "(did you mean `critical`?)"
    )


def test_of_many_rules_with_texts_alike_each_that_is_wrong_is_told_at_its_line(rules_folder: RulesFolder) -> None:
    wrong = {7: "{{ ressource.amount }}", 23: "{{ resource.amount | mony }}", 31: "{{ resource.amount + }}"}
    rules = [
        f"  - name: r{number}\n    when: resource.amount > {1000 + number}\n    notify:\n"
        f'      - channel: treasury-slack\n        text: "No. {number}: {wrong.get(number, "{{ resource.amount }}")}"\n'
        for number in range(1, 41)
    ]
    rules_folder.write("rules/a.yaml", "rules:\n" + "".join(rules))
    with pytest.raises(ConfigError) as caught:
        rules_folder.load()
    assert [(each.line, each.field) for each in caught.value.problems] == [
        (1 + 5 * number, f"rules.{number - 1}.notify.0.text") for number in wrong
    ]
