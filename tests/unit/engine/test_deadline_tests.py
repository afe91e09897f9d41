"""A test with a `deadline` in place of an event: what is sent when nothing has come by then."""

from __future__ import annotations

from pathlib import Path

import pytest
from policyparts import CONFIG

from memonotify.config.loader import load_config
from memonotify.engine.testing import TestResult, run_tests
from memonotify.rules.loader import load_rules
from memonotify.templating.environment import Templates

RULES = """
rules:
  - name: payroll
    match: {event_type: transfer_confirmed, workspace: acme}
    expect: {by: "0 12 28 * *", business_days: target2}
    notify:
      - {channel: chat, text: "none by {{ expected.by | datetime }}"}
    escalate: {after: 1h, notify: [{channel: chat, text: later}]}
  - name: payments
    match: {event_type: transfer_confirmed}
    notify: [{channel: erp}]
tests:
"""


def run(folder: Path, test: str) -> TestResult:
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "rules").mkdir()
    (folder / "rules" / "rules.yaml").write_text(f"{RULES}  - {{name: t, {test}}}\n")
    config = load_config(folder / "config.yaml", environ={}, resolve=False).config
    templates = Templates(folder=None, locale="en_GB", timezone="Europe/Paris")
    (result,) = run_tests(load_rules(config, templates).ruleset, config)
    return result


@pytest.mark.parametrize("deadline", ["2026-11-27T12:00:00+01:00", "2026-11-27 12:00"])
def test_a_deadline_by_which_nothing_came_sends_what_notify_says(tmp_path: Path, deadline: str) -> None:
    result = run(
        tmp_path, f'deadline: "{deadline}", expect: [{{rule: payroll, text: "none by 27 Nov 2026, 12:00:00"}}]'
    )
    assert result.passed, result.shortfalls
    assert result.decided == {"payroll"}


def test_a_deadline_that_expects_silence_falls_short(tmp_path: Path) -> None:
    result = run(tmp_path, 'deadline: "2026-11-27 12:00", expect: []')
    assert [shortfall.kind for shortfall in result.shortfalls] == ["unexpected"]


def test_a_moment_that_is_no_deadline_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, 'deadline: "2026-11-28 12:00", expect: []')
    assert [str(shortfall) for shortfall in result.shortfalls] == [
        "no rule has a deadline at 2026-11-28T11:00:00+00:00 in workspace acme"
    ]


def test_an_expected_event_that_comes_sends_nothing_of_its_rule(tmp_path: Path) -> None:
    result = run(tmp_path, "event: {event_type: transfer_confirmed}, expect: [{rule: payments}]")
    assert result.passed, result.shortfalls


def test_an_expected_message_of_an_event_that_came_in_time_says_why_there_is_none(tmp_path: Path) -> None:
    result = run(tmp_path, "event: {event_type: transfer_confirmed}, expect: [{rule: payments}, {rule: payroll}]")
    assert "expected, and came in time" in "".join(map(str, result.shortfalls))
