"""`memonotify init` writes a configuration that checks, whose tests pass, for the channels that somebody has."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import combinations
from pathlib import Path

import pytest

from memonotify.cli.firstfiles import CHANNELS, first_files
from memonotify.config.loader import load_config
from memonotify.defaults import shipped
from memonotify.engine.testing import TestResult, run_tests
from memonotify.rules.loader import LoadedRules, load_rules
from memonotify.rules.values import Rule
from memonotify.templating import Templates

CHOICES = [chosen for count in (1, 2, 3) for chosen in combinations(CHANNELS, count)]
EVERY_CHOICE = pytest.mark.parametrize("kinds", CHOICES, ids="+".join)
EVERY_LANGUAGE = pytest.mark.parametrize("language", ["en", "fr"])

Made = Callable[[str, tuple[str, ...]], tuple[LoadedRules, list[TestResult]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The rules that are written, loaded once for each language and choice, and how their tests end."""
    known: dict[tuple[str, tuple[str, ...]], tuple[LoadedRules, list[TestResult]]] = {}

    def make(language: str, kinds: tuple[str, ...]) -> tuple[LoadedRules, list[TestResult]]:
        if (language, kinds) not in known:
            folder = tmp_path_factory.mktemp("made")
            for name, text in first_files(language, kinds):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            loaded = load_config(folder / "config.yaml", environ={}, resolve=False)
            assert loaded.notes == ()
            config = loaded.config
            rules = load_rules(config, Templates(folder=config.templates, locale="fr_FR", timezone="Europe/Paris"))
            known[language, kinds] = (rules, run_tests(rules.ruleset, config))
        return known[language, kinds]

    return make


@EVERY_LANGUAGE
@EVERY_CHOICE
def test_what_is_written_has_neither_problem_nor_note_and_its_tests_pass(
    made: Made, language: str, kinds: tuple[str, ...]
):
    rules, results = made(language, kinds)
    assert rules.notes == ()
    assert [result for result in results if result.shortfalls or result.notes] == []
    assert len(results) == len(made(language, tuple(CHANNELS))[1])


@EVERY_LANGUAGE
@EVERY_CHOICE
def test_no_rule_for_people_is_lost_and_they_are_told_where_they_can_be(
    made: Made, language: str, kinds: tuple[str, ...]
):
    chosen = {CHANNELS[kind] for kind in kinds}
    people = chosen - {"erp"}
    rules, whole = (made(language, each)[0].ruleset.rules for each in (kinds, tuple(CHANNELS)))
    whole = tuple(rule for rule in whole if _is_for_people(rule) or "erp" in chosen)
    assert [rule.name for rule in rules] == [rule.name for rule in whole]
    for rule, before in zip(rules, whole, strict=True):
        for entries, earlier in (
            (rule.notify, before.notify),
            (rule.resolved, before.resolved),
            (rule.escalations, before.escalations),
        ):
            told = {entry.channel for entry in entries}
            kept = {entry.channel for entry in earlier} & chosen
            assert kept <= told <= chosen
            if earlier and _is_for_people(before):
                assert told & people or not people
            assert kept & people == told & people or not kept & people


def _is_for_people(rule: Rule) -> bool:
    return any(entry.channel != "erp" for entry in rule.notify)


@EVERY_LANGUAGE
def test_each_rule_file_checks_by_itself(run, tmp_path: Path, language: str):
    config = _written(run, tmp_path, language, CHANNELS)
    for file in (tmp_path / "rules").glob("*.yaml"):
        assert run("check", "-c", config, "--no-secrets", file).status == 0


def _written(run, folder: Path, language: str, kinds: Collection[str]) -> Path:
    ended = run("init", folder, "--language", language, *(word for kind in kinds for word in ("--channel", kind)))
    assert ended.status == 0, ended.err
    return folder / "config.yaml"


@EVERY_CHOICE
def test_nothing_of_a_channel_that_was_not_chosen_is_left(run, tmp_path: Path, kinds: tuple[str, ...]):
    _written(run, tmp_path, "en", kinds)
    text = "".join((tmp_path / name).read_text() for name in ("config.yaml", "environment"))
    text += "".join(file.read_text() for file in (tmp_path / "rules").glob("*.yaml"))
    words = {
        "mail": ("finance-mail", "SMTP_PASSWORD", ".html.j2"),
        "slack": ("treasury-slack", "SLACK_WEBHOOK_URL"),
        "http": ("channel: erp", "  erp:", "ERP_SIGNING_SECRET"),
    }
    for kind, left in words.items():
        assert all((word in text) is (kind in kinds) for word in left), kind
    written = set(re.findall(r"\$\{env:([A-Z_]+)\}", (tmp_path / "config.yaml").read_text())) - {"NAME"}
    named = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines() if "=" in line}
    assert written == {name for name in named if not name.startswith("#")}


@EVERY_LANGUAGE
def test_without_a_choice_the_shipped_files_are_written_as_they_are(language: str):
    made = dict(first_files(language, CHANNELS))
    rules = shipped("rules")
    assert made["config.yaml"] == shipped("config.example.yaml").read_text()
    for file in (rules if language == "en" else rules / language).glob("*.yaml"):
        assert made[f"rules/{file.name}"] == file.read_text()


def test_a_message_that_only_slack_had_is_a_mails_subject_without_emoji():
    text = dict(first_files("en", ["mail"]))["rules/accounts.yaml"]
    assert '        subject: "{{ account.name }} is down to {{ account.balance | money(account.currency) }}"\n' in text
    assert '{rule: low-balance, channel: finance-mail, subject: "Compte courant is down to 4 999,99 €"}' in text


def test_what_stands_there_is_left_alone(run, tmp_path: Path):
    (tmp_path / "environment").write_text("mine")
    ended = run("init", tmp_path)
    assert ended.status == 1
    assert "environment is there already" in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["environment"]


def test_the_key_that_has_to_be_put_there_is_named(run, tmp_path: Path):
    assert str(tmp_path / "secrets" / "acme.pem") in run("init", tmp_path).out
