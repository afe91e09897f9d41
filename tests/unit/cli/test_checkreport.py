"""`check` writes what it found for people, for GitHub's workflows and for programs, and fails alike in all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memonotify.cli.checking import Checked
from memonotify.cli.checkreport import as_workflow_commands
from memonotify.errors import Problem

if TYPE_CHECKING:
    from .conftest import Run

CONFIG = """\
workspaces: [{name: acme, tokens: ["${env:T}"]}]
channels: {erp: {type: http, url: "https://erp.example.com"}}
rules: [rules.yaml]
"""
RULES = """\
rules:
  - name: all
    match: {event_type: "*"}
    fetch: false
    notify: [{channel: erp, json: {a: "{{ event.id }}"}}]
"""
DOUBTFUL = RULES.replace("event.id", "event.more")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    return tmp_path


def found(**changes: object) -> Problem:
    return Problem(**{"file": "rules/a.yaml", "line": 3, "column": 7, "message": "m", **changes})  # type: ignore[arg-type]


def test_a_note_does_not_fail_and_with_strict_it_ends_with_2(folder: Path, run: Run) -> None:
    (folder / "rules.yaml").write_text(DOUBTFUL, "utf-8")
    assert run("check", "--no-secrets").status == 0
    ended = run("check", "--no-secrets", "--strict")
    assert ended.status == 2
    assert ended.out.startswith("rules.yaml:5:39: `event.more` is none of the five fields")
    assert ended.err == "0 problems, 1 note: with --strict a note fails as a problem does\n"


def test_strict_lets_pass_what_has_no_note(folder: Path, run: Run) -> None:
    ended = run("check", "--no-secrets", "--strict")
    assert (ended.status, ended.out, ended.err) == (0, "0 problems, 0 notes, 1 rule\n", "")


@pytest.mark.parametrize("options", [("--json",), ("--format", "json"), ("--json", "--format", "json")])
def test_json_is_one_array_and_nothing_else(folder: Path, run: Run, options: tuple[str, ...]) -> None:
    (folder / "rules.yaml").write_text(DOUBTFUL.replace("channel: erp", "channel: erb"), "utf-8")
    ended = run("check", "--no-secrets", "config.yaml", *options)
    assert (ended.status, ended.err) == (2, "")
    (row,) = json.loads(ended.out)
    assert row == {
        "file": "rules.yaml",
        "line": 5,
        "column": 24,
        "severity": "error",
        "message": "there is no channel `erb`",
        "hint": "did you mean `erp`?",
        "field": "rules.0.notify.0.channel",
    }


def test_without_a_finding_json_is_an_empty_array(folder: Path, run: Run) -> None:
    assert run("check", "--no-secrets", "--json").out == "[]\n"


def test_json_tells_notes_and_strict_fails_them(folder: Path, run: Run) -> None:
    (folder / "rules.yaml").write_text(DOUBTFUL, "utf-8")
    ended = run("check", "--no-secrets", "--format", "json", "--strict")
    assert ended.status == 2
    assert [row["severity"] for row in json.loads(ended.out)] == ["note"]


def test_a_form_that_is_named_wins_over_json_of_an_alias(folder: Path, run: Run) -> None:
    assert run("--json", "check", "--no-secrets", "--format", "text").out == "0 problems, 0 notes, 1 rule\n"


@pytest.mark.parametrize("form", ["json", "github"])
def test_that_there_is_no_configuration_is_told_in_the_form_that_was_asked_for(
    folder: Path, run: Run, form: str
) -> None:
    (folder / "config.yaml").unlink()
    ended = run("check", "--format", form)
    assert (ended.status, ended.err) == (2, "")
    assert "there is no config.yaml here" in ended.out


def test_github_is_told_where_each_finding_stands(folder: Path, run: Run) -> None:
    (folder / "rules.yaml").write_text(DOUBTFUL, "utf-8")
    ended = run("check", "--no-secrets", "--format", "github")
    command, summary = ended.out.splitlines()
    assert ended.status == 0
    assert command.startswith(
        "::warning file=rules.yaml,line=5,col=39,title=memonotify check::`event.more` is none of the five"
    )
    assert summary == "0 problems, 1 note, 1 rule"


def test_a_problem_is_an_error_to_github(folder: Path, run: Run) -> None:
    (folder / "rules.yaml").write_text(RULES.replace("channel: erp", "channel: erb"), "utf-8")
    ended = run("check", "--no-secrets", "--format", "github")
    assert ended.status == 2
    assert ended.out.splitlines() == [
        "::error file=rules.yaml,line=5,col=24,title=memonotify check::there is no channel `erb` (did you mean `erp`?)",
        "1 problem, 0 notes",
    ]


def test_with_strict_a_note_is_an_error_to_github() -> None:
    written = as_workflow_commands(Checked(notes=[found(severity="note")]), {}, strict=True)
    assert written.out.startswith("::error file=rules/a.yaml,line=3,col=7,")


def test_what_would_end_a_workflow_command_is_written_in_its_code() -> None:
    problem = found(file="a,b:c%d\n.yaml", message="50 %\r\n::error::x, y: z")
    command = as_workflow_commands(Checked(problems=[problem]), {}, strict=False).out.rpartition("\n")[0]
    assert command == (
        "::error file=a%2Cb%3Ac%25d%0A.yaml,line=3,col=7,title=memonotify check::50 %25%0D%0A::error::x, y: z"
    )


@pytest.mark.parametrize(
    ("root", "shown"), [("", "rules/a.yaml"), ("..", "alerts/rules/a.yaml"), ("/elsewhere", "rules/a.yaml")]
)
def test_files_are_named_as_the_checkout_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, shown: str
) -> None:
    alerts = tmp_path / "alerts"
    alerts.mkdir()
    monkeypatch.chdir(alerts)
    environ = {"GITHUB_WORKSPACE": str(tmp_path) if root == ".." else root}
    written = as_workflow_commands(Checked(problems=[found()]), environ, strict=False)
    assert written.out.startswith(f"::error file={shown},")
