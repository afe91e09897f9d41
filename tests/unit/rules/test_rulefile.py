"""A rule's `mode: off` needs no quotes; everywhere else the word is refused as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memonotify.model import Mode

if TYPE_CHECKING:
    from .conftest import RulesFolder

RULE = """\
rules:
  - name: asleep
    mode: {mode}
    match: {{event_type: account_closed}}
    fetch: false
    notify: [{{channel: erp, json: {{a: {value}}}}}]
"""


@pytest.mark.parametrize("written", ["off", '"off"', "'off'"])
def test_off_is_the_mode_with_and_without_quotes(rules_folder: RulesFolder, written: str) -> None:
    rules_folder.write("rules/a.yaml", RULE.format(mode=written, value=1))
    (rule,) = rules_folder.load().ruleset.rules
    assert rule.mode is Mode.OFF


def test_with_and_without_quotes_it_is_the_same_rule(rules_folder: RulesFolder) -> None:
    digests = set()
    for written in ("off", '"off"'):
        rules_folder.write("rules/a.yaml", RULE.format(mode=written, value=1))
        digests.add(rules_folder.load().ruleset.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("written", ["on", "Off", "OFF", "no", "yes"])
def test_no_other_word_of_the_kind_is_a_mode(rules_folder: RulesFolder, written: str) -> None:
    problem = rules_folder.problem(RULE.format(mode=written, value=1))
    assert problem.startswith(f"rules/a.yaml:3:11: `{written}` is true or false to some readers of YAML")


def test_off_elsewhere_in_a_rule_is_refused(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(RULE.format(mode="off", value="off"))
    assert problem.startswith("rules/a.yaml:6:39: `off` is true or false to some readers of YAML")
