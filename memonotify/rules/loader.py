"""Reads the rule files: a configuration in, a Ruleset and its notes out, or every problem of every file at once.

Every command and the daemon load through here. One file's problems never hide another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from memonotify.config.problems import in_order
from memonotify.config.schema import check_schema
from memonotify.config.suggest import Suggester
from memonotify.config.testfiles import is_test_file
from memonotify.config.values import Config
from memonotify.errors import ConfigError, Problem, Severity
from memonotify.model import Fault
from memonotify.rules.collecting import uncollected
from memonotify.rules.declared import Declared
from memonotify.rules.expectations import TestReader
from memonotify.rules.faults import placed, shown
from memonotify.rules.notes import unhandled_event_types
from memonotify.rules.published import Published
from memonotify.rules.reader import RuleReader
from memonotify.rules.rulefile import read_rule_file
from memonotify.rules.values import Rule, Ruleset, RuleTest
from memonotify.templating.environment import Place, Templates
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRules:
    """What was loaded, and what is doubtful in it. `unhandled` is the one note on what no rule looks at, if any."""

    ruleset: Ruleset
    notes: tuple[Problem, ...] = ()
    unhandled: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesReading:
    """The rules as far as they can be read, with all that is wrong and doubtful. `loaded` is None with any problem.

    `places` says of each rule, by its name, in which document and under which path it stands.
    """

    loaded: LoadedRules | None
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    places: Mapping[str, tuple[Document, DataPath]]

    def problem(self, rule: str, fault: Fault, *, hint: str, severity: Severity = "error") -> Problem:
        """Return the problem (or the note) of a text of that rule that failed, at the line where it stands."""
        document, path = self.places[rule]
        place = Place(fault.file, fault.line)
        return placed(
            document, (*path, *fault.path), place, fault.reason, hint=hint, severity=severity, word=fault.word
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFile:
    """What one file holds by itself; with problems, some of its rules are left out."""

    rules: tuple[Rule, ...]
    declared: Mapping[str, Declared]
    notes: tuple[Problem, ...]
    problems: tuple[Problem, ...]


def load_rules(config: Config, templates: Templates, *, files: Sequence[Path] | None = None) -> LoadedRules:
    """Load the rules that the configuration names, or those of `files` alone.

    Raises:
        ConfigError: with every problem of every file, in the order of files and lines.
    """
    reading = read_rules(config, templates, files=files)
    if reading.loaded is None:
        raise ConfigError(reading.problems)
    return reading.loaded


def read_rules(
    config: Config, templates: Templates, *, files: Sequence[Path] | None = None, test_files: Sequence[Path] = ()
) -> RulesReading:
    """Read rules as `load_rules` does, but hand back what there is beside the problems. Never raises.

    `test_files` hold nothing but tests; who wants to run or check them names them.
    """
    with uncollected():
        return _read_rules(config, templates, files, test_files)


def _read_rules(
    config: Config, templates: Templates, files: Sequence[Path] | None, test_files: Sequence[Path]
) -> RulesReading:
    loading = _Loading(config, templates)
    paths = rule_files(config) if files is None else unique(files)
    if files is None and config.rules and not paths:
        loading.problems.append(none_found(config))
    loading.read_all(paths, unique(test_files))
    notes = tuple(loading.notes)
    if loading.problems:
        order = {shown(path): at for at, path in enumerate((*paths, *test_files))}
        problems = in_order(sorted(loading.problems, key=lambda each: order.get(each.file, len(order))))
        return RulesReading(loaded=None, problems=tuple(problems), notes=notes, places=loading.places)
    ruleset = ruleset_of(loading.rules, loading.tests)
    unhandled = unhandled_event_types(ruleset, config) if files is None else None
    told = notes if unhandled is None else (*notes, unhandled)
    loaded = LoadedRules(ruleset=ruleset, notes=told, unhandled=unhandled)
    return RulesReading(loaded=loaded, problems=(), notes=notes, places=loading.places)


def read_one(document: Document, config: Config, templates: Templates) -> OneFile:
    """Read the rules of one file, without a look at the others."""
    loading = _Loading(config, templates)
    loading.read_rules(document)
    return OneFile(
        rules=tuple(loading.rules),
        declared=loading.declared,
        notes=tuple(loading.notes),
        problems=tuple(loading.problems),
    )


def read_tests(document: Document, config: Config, declared: Mapping[str, Declared]) -> tuple[Problem, ...]:
    """Return what is wrong with the tests of one file, given the rules of all."""
    lookups = frozenset(name for rule in declared.values() for name in rule.lookups)
    reader = TestReader(document, config, declared, lookups, Suggester())
    for _ in reader.tests():
        pass
    return tuple(reader.problems)


def ruleset_of(rules: Iterable[Rule], tests: Iterable[RuleTest] = ()) -> Ruleset:
    """Return these rules as one set."""
    rules = tuple(rules)
    return Ruleset(rules=rules, tests=tuple(tests), digest=_digest(rules))


def rule_files(config: Config) -> tuple[Path, ...]:
    """Return the rule files that the configuration's `rules:` name; a file of tests is none of them."""
    return tuple(path for path in matched_files(config) if not is_test_file(path))


def matched_files(config: Config) -> tuple[Path, ...]:
    """Return the files that the configuration's `rules:` name, each once: in the order of the globs, sorted within one.

    A name without a glob's signs stands for itself, so that a file that is not there is told when it is read.
    """
    root = config.path.parent
    found: list[Path] = []
    for pattern in config.rules:
        names = sorted(glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207 - a pattern may be absolute, which Path.glob refuses
        found += [root / name for name in (names or ([] if has_magic(pattern) else [pattern]))]
    return unique(found)


def none_found(config: Config) -> Problem:
    """Return what is wrong where every rule file has gone; a start is told by the configuration itself."""
    patterns = ", ".join(f"`{pattern}`" for pattern in config.rules)
    hint = f"looked for in {config.path.parent}; to have no rules at all, leave one file with `rules: []`"
    return Problem(
        file=shown(config.path), line=1, column=1, message=f"no rule file matches {patterns}", hint=hint, field="rules"
    )


def unique(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return each file once, whatever names lead to it."""
    by_place: dict[Path, Path] = {}
    for path in paths:
        by_place.setdefault(path.resolve(), path)
    return tuple(by_place.values())


class _Loading:
    """One run over all files: first every rule, then the tests, which may speak of the rules of any file."""

    def __init__(self, config: Config, templates: Templates) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.rules: list[Rule] = []
        self.tests: list[RuleTest] = []
        self.places: dict[str, tuple[Document, DataPath]] = {}
        self._config = config
        self._templates = templates
        self._suggester = Suggester()
        self._published = Published(config.resource_types, self._suggester)
        self.declared: dict[str, Declared] = {}

    def read_all(self, paths: Iterable[Path], test_files: Iterable[Path]) -> None:
        documents = [document for path in paths if (document := self._document(path)) is not None]
        for document in documents:
            self.read_rules(document)
        tests = [document for path in test_files if (document := self._document(path)) is not None]
        for document in tests:
            self.problems += check_schema(document, "tests")
        lookups = frozenset(name for rule in self.declared.values() for name in rule.lookups)
        for document in (*documents, *tests):
            reader = TestReader(document, self._config, self.declared, lookups, self._suggester)
            self.tests += reader.tests()
            self.problems += reader.problems

    def _document(self, path: Path) -> Document | None:
        document, problems = read_rule_file(path)
        self.problems += problems
        return document

    def read_rules(self, document: Document) -> None:
        self.problems += check_schema(document, "rules")
        rules = document.data.get("rules") if isinstance(document.data, dict) else None
        for at, data in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(data, dict):
                reader = RuleReader(document, ("rules", at), data, self._config, self._templates, self._published)
                self._declare(document, at, reader.declared())
                rule = reader.rule()
                self.problems += reader.problems
                self.notes += reader.notes
                if rule is not None:
                    self.rules.append(rule)
                    self.places[rule.name] = (document, ("rules", at))

    def _declare(self, document: Document, at: int, declared: Declared | None) -> None:
        if declared is None:
            return
        first = self.declared.setdefault(declared.name, declared)
        if first is not declared:
            message = f"there is a rule `{declared.name}` already, at {first.file}:{first.line}"
            self.problems.append(document.problem(("rules", at, "name"), message, hint="give it a name of its own"))


def _digest(rules: Iterable[Rule]) -> str:
    digest = hashlib.sha256()
    for rule in rules:
        digest.update(f"{rule.name}\0{rule.digest}\0".encode())
    return digest.hexdigest()
