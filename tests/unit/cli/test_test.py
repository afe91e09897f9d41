"""`memonotify test` says so where there is nothing to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
