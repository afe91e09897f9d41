"""Files of tests: found beside the rules, never read as rules, no matter to the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memonotify.errors import ConfigError
from memonotify.rules.inforce import files_read, load
from memonotify.rules.loader import read_rules, rule_files
from memonotify.rules.testfiles import found_test_files
from memonotify.templating import Templates

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

RULE = """\
rules:
  - name: one
    match: {event_type: account_closed}
    fetch: false
    notify: [{channel: erp, json: {id: "{{ event.id }}"}}]
"""
TEST = """\
tests:
  - name: a closed account
    event: {event_type: account_closed, id: e1}
    expect: [{rule: one, json: {id: e1}}]
"""
BROKEN = "tests:\n  - nmae: [\n"


def read(folder: RulesFolder, **changes: object) -> tuple[list[str], list[str]]:
    """Return the names of the tests that are read with the rules, and the problems."""
    config = folder.config(**changes)
    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
    reading = read_rules(config, templates, test_files=found_test_files(config))
    tests = reading.loaded.ruleset.tests if reading.loaded is not None else ()
    return [test.name for test in tests], [str(problem) for problem in reading.problems]


def names(paths: object) -> list[str]:
    return [path.name for path in paths]  # type: ignore[attr-defined]


def test_a_glob_takes_in_both_and_the_name_tells_them_apart(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", RULE)
    rules_folder.write("rules/a.test.yaml", TEST)
    rules_folder.write("rules/b.test.yml", TEST.replace("closed account", "second"))
    config = rules_folder.config()
    assert names(rule_files(config)) == ["a.yaml"]
    assert names(found_test_files(config)) == ["a.test.yaml", "b.test.yml"]
    assert read(rules_folder) == (["a closed account", "a second"], [])


def test_tests_beside_a_rule_file_that_is_named_alone_are_found(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", RULE)
    rules_folder.write("rules/a.test.yaml", TEST)
    assert read(rules_folder, rules=("rules/a.yaml",)) == (["a closed account"], [])


def test_a_glob_may_name_a_folder_of_tests(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", RULE)
    rules_folder.write("checks/a.test.yaml", TEST)
    assert read(rules_folder) == ([], [])
    assert read(rules_folder, rules=("rules/*.yaml", "checks/*.test.yaml")) == (["a closed account"], [])


def test_every_problem_of_a_test_file_is_told_at_its_place(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", RULE)
    rules_folder.write("rules/a.test.yaml", TEST.replace("rule: one", "rule: onn") + "rules: []\n")
    _, problems = read(rules_folder)
    assert problems == [
        "rules/a.test.yaml:4:21: there is no rule `onn` (did you mean `one`?)",
        "rules/a.test.yaml:5:1: unknown key `rules` (known are `tests`)",
    ]


def test_a_broken_test_file_is_no_matter_to_what_runs(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", RULE)
    broken = rules_folder.write("rules/a.test.yaml", BROKEN)
    config = rules_folder.config()
    in_force = load(config)
    assert in_force.problems == ()
    assert names(in_force.versions) == ["a.yaml"]
    assert broken not in files_read(config, in_force)
    assert [rule.name for rule in rules_folder.load().ruleset.rules] == ["one"]
    assert read(rules_folder)[1]


def test_tests_alone_are_no_rules(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.test.yaml", TEST)
    with pytest.raises(ConfigError, match=r"no rule file matches `rules/\*.yaml`"):
        rules_folder.load()
