"""`memonotify check` tells everything that is wrong once, at its place, and nothing that follows from it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Ended, Run

CONFIG = """\
workspaces: [{name: acme, tokens: ["${env:T}"], api: {thumbprint: p, secret: "${env:S}", private_key: "${env:KEY}"}}]
channels:
  mail: {type: email, host: smtp.example.com, from: a@example.com, to: [b@example.com]}
  chat: {type: slack, url: "${env:SLACK}"}
on_failure: {channel: mail}
rules: [rules/*.yaml]
"""
RULE = """\
rules:
  - name: one
    match: {event_type: account_closed}
    notify:
      - {channel: chat, text: "{{ resource.name }}"}
"""


class Project:
    """A folder with a configuration and a rule, in which the process stands."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self._run = run
        self.write("config.yaml", CONFIG)
        self.write("rules/one.yaml", RULE)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(dedent(text).removeprefix("\n"), "utf-8")
        return path

    def check(self, *arguments: str) -> Ended:
        return self._run("check", "--no-secrets", *arguments)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, run)


def test_what_no_rule_handles_is_one_short_note(project: Project) -> None:
    ended = project.check()
    note, summary = ended.out.splitlines()
    assert ended.status == 0
    assert note == (
        "config.yaml:1:1: no rule handles 33 event types: account_created, account_updated, attachment_created, "
        'attachment_deleted, iban_created, … (a rule with `match: {event_type: "*"}` sees every event)'
    )
    assert summary == "0 problems, 1 note, 1 rule"


@pytest.mark.parametrize(
    ("name", "old", "new"), [("config.yaml", "b@example.com", "b"), ("rules/one.yaml", "channel: chat", "channel: cat")]
)
def test_with_a_problem_nothing_is_said_of_what_no_rule_handles(
    project: Project, name: str, old: str, new: str
) -> None:
    project.write(name, (project.folder / name).read_text("utf-8").replace(old, new))
    ended = project.check()
    assert ended.status == 2
    assert "no rule handles" not in ended.out + ended.err
    assert ended.err.splitlines()[-1] == "1 problem, 0 notes"


def test_a_rule_file_that_is_not_there_is_told_once_where_the_configuration_names_it(project: Project) -> None:
    project.write("config.yaml", CONFIG.replace("rules/*.yaml", "rules/*.yaml, gone.yaml"))
    ended = project.check()
    assert ended.status == 2
    assert ended.err.splitlines() == [
        "config.yaml:6:23: item 2 of `rules`: there is no file `gone.yaml`",
        "1 problem, 0 notes",
    ]


def test_patterns_that_match_no_rule_file_are_told_once(project: Project) -> None:
    project.write("config.yaml", CONFIG.replace("rules/*.yaml", "regles/*.yaml"))
    ended = project.check()
    assert ended.status == 2
    first, summary = ended.err.splitlines()
    assert first.startswith("config.yaml:6:9: no rule files match `regles/*.yaml` (")
    assert summary == "1 problem, 0 notes"


def test_a_channel_with_wrong_recipients_makes_no_rule_lack_any(project: Project) -> None:
    project.write("config.yaml", CONFIG.replace("b@example.com", "b"))
    project.write("rules/one.yaml", RULE.replace("channel: chat", "channel: mail"))
    assert len(project.check().err.splitlines()) == 2


def test_notes_of_the_rules_are_told_beside_problems(project: Project) -> None:
    project.write("rules/two.yaml", RULE.replace("name: one", "name: two").replace("account_closed", "acount_closed"))
    project.write("rules/three.yaml", RULE.replace("name: one", "name: three").replace("channel: chat", "channel: x"))
    ended = project.check()
    assert ended.status == 2
    assert ended.out.startswith("rules/two.yaml:3:25: `acount_closed` is no event type")


TESTED = """\
rules:
  - name: one
    match: {event_type: transaction_confirmed}
    when: >-
      resource.direction == "credit"
      and resource.amuont > 1
    notify:
      - channel: chat
        text: |
          It came:
          {{ resource.nmae }}
      - channel: mail
        subject: x
        html: mail.html.j2
tests:
  - name: a payment
    event: {event_type: transaction_confirmed}
    resource: {direction: credit, amount: 2, name: x}
    expect: []
"""


NEVER_DUE = "for every made-up event of `transaction_confirmed`, though none of them makes the message due"


def test_a_missing_field_that_a_test_brings_to_light_is_a_problem_at_its_line(project: Project) -> None:
    project.write("rules/one.yaml", TESTED)
    project.write("templates/mail.html.j2", "<p>\n{{ resource.iban | iban }}</p>")
    ended = project.check()
    assert ended.status == 2
    assert ended.err.splitlines() == [
        "rules/one.yaml:6:7: `resource.amuont` is missing (in the test `a payment`, rules/one.yaml:16)",
        f"rules/one.yaml:11:11: `resource.nmae` is missing ({NEVER_DUE})",
        f"templates/mail.html.j2:2:1: `resource.iban` is missing (did you mean `local_iban`?; {NEVER_DUE})",
        "3 problems, 1 note",
    ]


def test_every_message_that_a_test_makes_fail_is_told(project: Project) -> None:
    project.write("rules/one.yaml", TESTED.replace("amuont", "amount"))
    project.write("templates/mail.html.j2", "<p>\n{{ resource.iban | iban }}</p>")
    assert project.check().err.splitlines() == [
        "rules/one.yaml:11:11: `resource.nmae` is missing (in the test `a payment`, rules/one.yaml:16)",
        "templates/mail.html.j2:2:1: `resource.iban` is missing (in the test `a payment`, rules/one.yaml:16)",
        "2 problems, 3 notes",
    ]


def test_what_a_test_expects_is_none_of_its_business(project: Project) -> None:
    text = TESTED.replace("amuont", "amount").replace("nmae", "name")
    project.write("rules/one.yaml", text)
    project.write("templates/mail.html.j2", "<p></p>")
    assert project.check().status == 0


def test_a_configuration_is_checked_as_one(project: Project) -> None:
    project.write("other.yaml", CONFIG.replace("type: slack", "type: slak"))
    ended = project.check("other.yaml")
    assert ended.status == 2
    assert ended.out == "other.yaml is a configuration: checked as one, with the rules and templates it names.\n"
    assert ended.err.splitlines() == [
        "other.yaml:4:16: `type` is `slak`, which is not one of `email`, `slack`, `http` (did you mean `slack`?)",
        "1 problem, 0 notes",
    ]


def test_a_configuration_that_is_no_yaml_is_told_so_once(project: Project) -> None:
    project.write("config.yaml", CONFIG + "server: [\n")
    assert len(project.check("config.yaml").err.splitlines()) == 2


def test_rules_beside_a_configuration_are_checked_against_it(project: Project) -> None:
    project.write("other.yaml", CONFIG.replace("chat:", "talk:").replace("rules/*", "rules/two*"))
    project.write("rules/two.yaml", RULE.replace("channel: chat", "channel: talk"))
    ended = project.check("other.yaml", "rules/one.yaml")
    assert ended.status == 2
    assert ended.err.startswith("rules/one.yaml:5:19: there is no channel `chat`")


def test_what_is_said_of_a_configuration_stays_out_of_the_json(project: Project) -> None:
    assert project.check("config.yaml", "--json").out.startswith("[\n")


def test_a_template_is_compiled_and_its_faults_stand_at_its_line(project: Project) -> None:
    project.write("templates/mail.html.j2", "<p>\n{{ resource | mony }}</p>")
    ended = project.check("templates/mail.html.j2")
    assert ended.status == 2
    assert ended.err.splitlines() == [
        "templates/mail.html.j2:2:1: there is no filter 'mony' (did you mean 'money'?)",
        "1 problem, 0 notes",
    ]


def test_a_template_elsewhere_is_compiled_with_what_stands_beside_it(project: Project) -> None:
    project.write("new/mail.txt.j2", "{% include 'foot.txt.j2' %}")
    project.write("new/foot.txt.j2", "{{ event.id | slack }}")
    assert project.check("new/mail.txt.j2").status == 0
    project.write("new/foot.txt.j2", "{{ event.id")
    assert project.check("new/mail.txt.j2").err.startswith("new/foot.txt.j2:1:1: ")


def test_a_template_that_is_not_there_is_told(project: Project) -> None:
    assert project.check("templates/gone.j2").err.startswith("templates/gone.j2:1:1: there is no template file")


def test_a_template_that_no_rule_uses_is_checked_as_well(project: Project) -> None:
    project.write("templates/de/mail.html.j2", "{% if %}")
    project.write("templates/de/words.j2", "{% macro w(x) %}{{ x | slack }}{% endmacro %}")
    ended = project.check()
    assert ended.status == 2
    assert ended.err.startswith("templates/de/mail.html.j2:1:1: ")
    assert ended.err.splitlines()[-1].startswith("1 problem, ")
    assert project.check("rules/one.yaml").status == 0


def test_a_fault_that_a_rule_and_an_unused_template_share_is_told_once(project: Project) -> None:
    project.write("templates/used.html.j2", "{% include 'foot.html.j2' %}")
    project.write("templates/unused.html.j2", "{% include 'foot.html.j2' %}")
    project.write("templates/foot.html.j2", "{{ event.id | uper }}")
    project.write("rules/one.yaml", RULE.replace("chat, text:", "mail, html: used.html.j2, text:"))
    assert len(project.check().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"a.html.j2": "<p>\n{% include 'a.html.j2' %}"},
            "templates/a.html.j2:2:1: the template includes itself, so it would never end",
        ),
        ({"a.html.j2": "{% extends './a.html.j2' %}"}, "templates/a.html.j2:1:1: the template includes itself, "),
        (
            {"a.html.j2": "{% extends 'b.html.j2' %}", "b.html.j2": "x\n{% import 'a.html.j2' as a %}"},
            "templates/b.html.j2:2:1: 'a.html.j2' leads back to this template, so it would never end",
        ),
    ],
)
def test_templates_that_include_each_other_in_a_circle_are_a_problem(
    project: Project, files: dict[str, str], problem: str
) -> None:
    for name, text in files.items():
        project.write(f"templates/{name}", text)
    project.write("rules/one.yaml", RULE.replace("chat, text:", "mail, html: a.html.j2, text:"))
    ended = project.check()
    assert ended.status == 2
    assert ended.err.startswith(problem)
    assert ended.err.splitlines()[-1].startswith("1 problem, ")


def test_templates_that_share_one_include_are_no_circle(project: Project) -> None:
    project.write(
        "templates/a.html.j2", "{% extends 'base.html.j2' %}{% block x %}{% include 'c.html.j2' %}{% endblock %}"
    )
    project.write(
        "templates/base.html.j2", "{% include 'c.html.j2' %}{% block x %}{% endblock %}{% include 'c.html.j2' %}"
    )
    project.write("templates/c.html.j2", "c")
    project.write("rules/one.yaml", RULE.replace("chat, text:", "mail, html: a.html.j2, text:"))
    assert project.check().status == 0


LETS_THROUGH = (
    "`safe` lets `resource.name` into the HTML as it is: whoever writes the value writes into the mail "
    "(leave it out: then the value is escaped)"
)


@pytest.mark.parametrize("arguments", [(), ("templates/new.html.j2",)])
def test_a_template_that_no_rule_uses_is_looked_at_for_what_it_lets_through(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.write("templates/new.html.j2", "<p>\n{{ resource.name | safe }}")
    project.write("templates/new.txt.j2", "{{ resource.name | safe }}")
    ended = project.check(*arguments)
    assert ended.status == 0
    told = [line for line in ended.out.splitlines() if line.startswith("templates/")]
    assert told == [f"templates/new.html.j2:2:1: {LETS_THROUGH}"]


def test_what_two_rules_share_of_a_template_is_told_once(project: Project) -> None:
    project.write("templates/a.html.j2", "{{ resource.name | safe }}")
    rule = RULE.replace("chat, text:", "mail, html: a.html.j2, text:")
    project.write("rules/one.yaml", rule)
    project.write("rules/two.yaml", rule.replace("name: one", "name: two"))
    assert project.check().out.count(LETS_THROUGH) == 1


def test_a_channel_that_nobody_uses_is_noted_at_its_key(project: Project) -> None:
    project.write(
        "config.yaml", CONFIG.replace("channels:", 'channels:\n  erp: {type: http, url: "https://e.example"}')
    )
    told = "config.yaml:3:3: nobody uses the channel `erp` (remove it, or name it in a rule or under `on_failure`)"
    assert told in project.check().out.splitlines()
    assert "nobody uses" not in project.check("rules/one.yaml").out
    off = RULE.replace("chat, text", "erp, body").replace("name: one", "name: two\n    mode: off")
    project.write("rules/two.yaml", off)
    assert "nobody uses" not in project.check().out


def test_a_secret_in_plain_text_is_noted_without_being_shown(project: Project) -> None:
    project.write("config.yaml", CONFIG.replace("${env:T}", "t0ken"))
    ended = project.check("--strict")
    assert ended.status == 2
    assert "config.yaml:1:36: item 1 of `tokens` stands here in plain text" in ended.out
    assert "t0ken" not in ended.out + ended.err


def test_the_file_of_a_key_that_others_may_read_is_noted(project: Project) -> None:
    project.write("acme.pem", "key").chmod(0o644)
    project.write("config.yaml", CONFIG.replace("${env:KEY}", "${file:acme.pem}"))
    assert "others than its owner may use the file acme.pem (mode 0644)" in project.check().out
