"""`memonotify check` tells everything that is wrong once, at its place, and nothing that follows from it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Ended, Run

CONFIG = """\
workspaces: [{name: acme, tokens: [t0ken], api: {thumbprint: p, secret: s, private_key: "${env:KEY}"}}]
channels:
  mail: {type: email, host: smtp.example.com, from: a@example.com, to: [b@example.com]}
  chat: {type: slack, url: "https://hooks.example.com/x"}
  erp: {type: http, url: "https://erp.example.com"}
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
