"""The shipped rules load without a note that matters, pass their own tests, and say the same in both languages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from memonotify.config.loader import load_config
from memonotify.defaults import shipped
from memonotify.engine.testing import run_tests
from memonotify.rules.loader import LoadedRules, load_rules
from memonotify.rules.values import Rule
from memonotify.templating import Templates


def _load(folder: Path, language: str) -> tuple[LoadedRules, list[str]]:
    rules = shipped("rules")
    shutil.copyfile(shipped("config.example.yaml"), folder / "config.yaml")
    (folder / "rules").mkdir()
    for file in (rules if language == "en" else rules / language).glob("*.yaml"):
        shutil.copyfile(file, folder / "rules" / file.name)
    shutil.copytree(rules / "templates", folder / "rules" / "templates")
    config = load_config(folder / "config.yaml", environ={}, resolve=False).config
    loaded = load_rules(config, Templates(folder=config.templates, locale=config.locale, timezone=config.timezone))
    results = run_tests(loaded.ruleset, config)
    return loaded, [f"{result.name}: {said}" for result in results for said in (*result.shortfalls, *result.notes)]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_shipped_rules_pass_their_own_tests_without_a_note(tmp_path: Path, language: str) -> None:
    loaded, said = _load(tmp_path, language)
    assert said == []
    assert len(loaded.ruleset.rules) >= 10
    assert [str(note) for note in loaded.notes] == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_shipped_rule_has_a_test(tmp_path: Path, language: str) -> None:
    loaded, _ = _load(tmp_path, language)
    tested = {expectation["rule"] for test in loaded.ruleset.tests for expectation in test.expect or ()}
    assert {rule.name for rule in loaded.ruleset.rules} == tested


def test_the_shipped_rules_use_the_policies(tmp_path: Path) -> None:
    rules = {rule.name: rule for rule in _load(tmp_path, "en")[0].ruleset.rules}
    assert rules["returned-collection"].group
    assert rules["big-outgoing-payment"].once
    assert rules["wire-waits-for-document"].escalate
    assert rules["mandate-signed"].quiet
    assert rules["low-balance"].hysteresis


def _policies(rule: Rule) -> Iterator[object]:
    """Yield what a rule says of when it speaks, texts as they are written."""
    yield rule.severity
    yield rule.quiet
    yield [(step.after_s, step.event_types) for step in rule.escalate]
    yield rule.hysteresis and rule.hysteresis.source
    yield rule.once and (rule.once.per.source, replace(rule.once, per=None))
    yield rule.group and (rule.group.by and rule.group.by.source, replace(rule.group, by=None))


def test_both_languages_decide_alike(tmp_path: Path) -> None:
    def shape(language: str) -> list[tuple[object, ...]]:
        folder = tmp_path / language
        folder.mkdir()
        return [
            (
                rule.name,
                rule.match,
                rule.when.source if rule.when else None,
                tuple(entry.channel for entry in rule.notify),
                tuple(entry.channel for entry in rule.resolved),
                tuple(entry.channel for entry in rule.escalations),
                *_policies(rule),
            )
            for rule in _load(folder, language)[0].ruleset.rules
        ]

    assert shape("en") == shape("fr")
