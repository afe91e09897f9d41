"""`memonotify test`: which tests it runs, what it says of them, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from junitparser import Error, Failure, JUnitXml

from memonotify.cli.junit import junit
from memonotify.cli.testreport import Report, wants_colour
from memonotify.engine.compare import FieldDifference
from memonotify.engine.shortfalls import Shortfall
from memonotify.engine.testing import TestResult

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

CONFIG = """\
workspaces: [{name: acme, tokens: [t0ken]}]
channels: {erp: {type: http, url: "https://erp.example.com"}}
rules: [rules.yaml]
"""
RULES = """\
rules:
  - name: one
    match: {event_type: account_closed}
    fetch: false
    notify: [{channel: erp, json: {id: "{{ event.id }}"}}]
tests:
  - name: a closed account
    event: {event_type: account_closed, id: e1}
    expect: [{rule: one, json: {id: e1}}]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("more", [(), ("rules.yaml",), ("--json",)])
def test_a_filter_that_no_test_passes_has_failed(run: Run, more: tuple[str, ...]) -> None:
    ended = run("test", "--filter", "zzz", *more)
    assert ended.status == 1
    assert ended.err == "No test's name contains 'zzz'.\n"
    assert ended.out == ("[]\n" if more == ("--json",) else "")


def test_a_filter_that_a_test_passes_runs_it(run: Run) -> None:
    ended = run("test", "--filter", "closed")
    assert ended.status == 0
    assert ended.out.endswith("1 test passed.\n")


WRONG = """\
tests:
  - name: a wrong one
    event: {event_type: account_closed, id: e2}
    expect: [{rule: one, json: {id: e1}}]
  - name: a failing one
    event: {event_type: iban_created}
    expect: [{rule: two}]
"""
TWO = """\
  - name: two
    match: {event_type: iban_created}
    fire: on_change
    key: k
    fetch: false
    when: event.gone == 1
    notify: [{channel: erp, json: {a: 1}}]
    resolved: [{channel: erp, json: {a: 2}}]
  - name: three
    mode: "off"
    fetch: false
    notify: [{channel: erp, json: {a: 1}}]
"""


def test_tests_of_a_file_beside_the_rules_are_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "more.test.yaml").write_text(RULES[RULES.index("tests:") :].replace("a closed", "one more"), "utf-8")
    ended = run("test")
    assert ended.status == 0
    assert "pass  one more account\n" in ended.out
    assert ended.out.endswith("2 tests passed.\n")
    alone = run("test", "more.test.yaml")
    assert alone.out == "pass  one more account\n1 test passed.\n"
    assert run("test", "rules.yaml").out == "pass  a closed account\n1 test passed.\n"


def test_a_file_of_tests_anywhere_is_run_where_it_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "a.test.yaml"
    file.write_text(RULES[RULES.index("tests:") :], "utf-8")
    assert run("test", file).out.endswith("1 test passed.\n")


def test_problems_of_a_file_of_tests_end_with_2_and_their_places(run: Run, tmp_path: Path) -> None:
    (tmp_path / "more.test.yaml").write_text("tests: [{name: a, event: {}, expct: []}]\n", "utf-8")
    for arguments in (("test",), ("test", "more.test.yaml"), ("check",), ("check", "more.test.yaml")):
        ended = run(*arguments)
        assert ended.status == 2
        assert "more.test.yaml:1:30: unknown key `expct`" in ended.err
    assert run("test", "rules.yaml").status == 0
    assert run("check", "rules.yaml").status == 0
    assert run("schema", "tests").status == 0


def test_check_tries_the_tests_of_a_file_of_its_own_with_the_rules(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.replace("tests:", TWO + "tests:"), "utf-8")
    (tmp_path / "more.test.yaml").write_text(
        "tests: [{name: a, event: {event_type: iban_created}, resource: {id: r}, expect: []}]\n", "utf-8"
    )
    for arguments in (("check",), ("check", "more.test.yaml")):
        ended = run(*arguments)
        assert ended.status == 2
        assert "rules.yaml:11:11: " in ended.err
        assert "in the test `a`, more.test.yaml:1" in ended.err


def test_a_test_that_falls_short_shows_the_words_that_differ(run: Run, tmp_path: Path) -> None:
    (tmp_path / "more.test.yaml").write_text(WRONG[: WRONG.index("  - name: a failing")], "utf-8")
    ended = run("test", "more.test.yaml")
    assert ended.status == 1
    assert ended.out.splitlines() == [
        "FAIL  a wrong one  (more.test.yaml:2)",
        "      the message of rule one to erp is not as expected",
        "        json.id",
        "          [-e1-] {+e2+}",
        "",
        "Words that differ: [-expected, and not in the message-] {+in the message, and not expected+}",
        "1 of 1 tests fell short.",
    ]


@pytest.mark.parametrize(
    ("environ", "is_terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(environ: dict[str, str], is_terminal: bool, wanted: bool) -> None:
    assert wants_colour(environ, is_terminal=is_terminal) is wanted


def test_a_report_in_colour_has_no_marks_and_one_without_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    field = FieldDifference(field="text", expected="a b", got="a c")
    shortfall = Shortfall(kind="differs", text="it differs", fields=(field,))
    result = TestResult(name="one", file="f", line=1, shortfalls=(shortfall,))
    Report(colour=True, width=70).result(result)
    assert "\x1b[32m" in (coloured := capsys.readouterr().out)
    assert "[-" not in coloured
    Report(colour=False, width=70).result(result)
    assert "\x1b" not in (plain := capsys.readouterr().out)
    assert "a [-b-] {+c+}" in plain


@pytest.fixture
def _three_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.replace("tests:", TWO + "tests:"), "utf-8")


@pytest.mark.usefixtures("_three_rules")
def test_rules_that_no_test_makes_speak_are_told_after_all_tests(run: Run) -> None:
    assert run("test").out.splitlines() == [
        "pass  a closed account",
        "",
        "Coverage 33 %: 1 of 3 `notify` and `resolved` speak in a test.",
        "  no test makes it speak: two  (rules.yaml:6)",
        "  no test makes it say that it is over: two  (rules.yaml:6)",
        "  off: three  (rules.yaml:14)",
        "1 test passed.",
    ]


@pytest.mark.usefixtures("_three_rules")
def test_the_coverage_of_every_rule_is_told_where_it_is_asked_for(run: Run) -> None:
    assert run("test", "--coverage", "rules.yaml").out.splitlines()[2:-1] == [
        "Coverage 33 %: 1 of 3 `notify` and `resolved` speak in a test.",
        "  one: spoke in 1 test, silent in 0  (rules.yaml:2)",
        "  two: spoke in 0 tests, over in 0, silent in 0  (rules.yaml:6)",
        "  three: off  (rules.yaml:14)",
    ]


@pytest.mark.usefixtures("_three_rules")
@pytest.mark.parametrize(("least", "status"), [("33", 0), ("33.4", 1), ("100", 1), ("101", 1)])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_less_coverage_than_asked_for_has_failed(run: Run, least: str, status: int, more: tuple[str, ...]) -> None:
    ended = run("test", "--coverage-min", least, *more)
    assert ended.status == status
    if least == "100":
        assert ended.err == "Coverage is 33.3 %, less than 100 %.\n"


def test_json_is_one_array_with_an_object_for_each_test(run: Run) -> None:
    (row,) = json.loads(run("test", "--json", "--coverage").out)
    assert row.pop("duration_s") >= 0
    assert row == {
        "name": "a closed account",
        "file": "rules.yaml",
        "line": 7,
        "passed": True,
        "shortfalls": [],
        "notes": [],
        "spoke": [{"rule": "one", "branch": "notify"}],
    }


@pytest.mark.usefixtures("_three_rules")
def test_a_reader_of_junit_finds_every_test_by_file_with_how_it_ended(run: Run, tmp_path: Path) -> None:
    (tmp_path / "more.test.yaml").write_text(WRONG, "utf-8")
    assert run("test", "--junit", "results.xml").status == 1
    report = JUnitXml.fromfile(str(tmp_path / "results.xml"))
    assert (report.tests, report.failures, report.errors, report.skipped) == (3, 1, 1, 0)
    assert report.time > 0
    more, rules = sorted(report, key=lambda suite: suite.name)
    assert (more.name, more.tests, more.failures, more.errors) == ("more.test.yaml", 2, 1, 1)
    assert (rules.name, rules.tests, rules.failures, rules.errors) == ("rules.yaml", 1, 0, 0)
    assert {each.name for each in rules.properties()} == {
        "memonotify.version",
        "memonotify.configuration",
        "memonotify.rules",
    }
    (passed,) = rules
    assert (passed.name, passed.classname, passed.is_passed) == ("a closed account", "rules.yaml", True)
    wrong, failing = more
    (failure,), (error,) = wrong.result, failing.result
    assert isinstance(failure, Failure)
    assert "json.id: expected 'e1', got 'e2'" in failure.text
    assert isinstance(error, Error)
    assert error.message.startswith("rule two fails: ")
    assert wrong.time >= 0


def test_what_xml_cannot_hold_is_written_out() -> None:
    shortfall = Shortfall(kind="error", text="bad \x00\x1b\ud800 <&> é")
    document = junit([TestResult(name="n\x07", file="f", line=1, shortfalls=(shortfall,), notes=("x",))], {})
    ((case,),) = JUnitXml.fromstring(document)
    assert case.name == "n\\u0007"
    assert case.result[0].text == "bad \\u0000\\u001b\\ud800 <&> é"
    assert case.system_out == "x"
