"""What `memonotify check` looks at: the files it is given, each for what it is, or all that the configuration names.

In: the command's options. Out: a Checked. Everything is read by the loaders that the daemon uses; on top come the
rules' own tests, for texts that fail, and templates that no rule uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from memonotify.cli.options import Reading, read_all
from memonotify.config.loader import find_config, is_configuration
from memonotify.config.problems import in_order
from memonotify.config.testfiles import is_test_file
from memonotify.config.values import Config
from memonotify.engine.rehearsal import rehearse
from memonotify.errors import CompileError, Problem
from memonotify.rules.faults import shown
from memonotify.rules.loader import RulesReading
from memonotify.rules.testfiles import found_test_files
from memonotify.rules.values import Ruleset
from memonotify.templating.folder import file_faults, unused_faults
from memonotify.templating.templatefiles import SUFFIX

_TOO_MANY: Final = "the tests are too many to try each with every rule: some were tried with those they expect alone"


@dataclass(slots=True, kw_only=True)
class Checked:
    """What was found. `said` are sentences on what a file was taken for, `unhandled` the notes on what no rule handles,
    `rules` the places of the rules that were read."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    unhandled: list[Problem] = field(default_factory=list)
    rules: set[tuple[str, int]] = field(default_factory=set)


def check_all(config_path: Path | None, *, resolve: bool, files: tuple[Path, ...]) -> Checked:
    """Check the configuration with all that it names, or these files: rules, templates, configurations.

    Raises:
        ConfigError: there is no configuration to check them against.
    """
    checked = Checked()
    tests = tuple(file for file in files if is_test_file(file))
    templates = [file for file in files if file.suffix == SUFFIX]
    configurations = [file for file in files if file not in (*templates, *tests) and is_configuration(file)]
    rules = tuple(file for file in files if file not in (*templates, *tests, *configurations))
    for path in configurations if files else [find_config(config_path)]:
        reading = read_all(path, resolve=resolve, test_files=found_test_files)
        _add(checked, reading)
        if reading.templates is not None:
            _add_templates(checked, unused_faults(reading.templates))
        if files:
            checked.said.append(f"{path} is a configuration: checked as one, with the rules and templates it names.")
    if rules or templates:
        reading = read_all(config_path or next(iter(configurations), None), resolve=resolve, files=rules)
        _add(checked, reading)
        if reading.templates is not None:
            for file in templates:
                _add_templates(checked, file_faults(reading.templates, file))
    if tests:
        base = config_path or next(iter(configurations), None)
        _add_tests(checked, read_all(base, resolve=resolve, more=rules, test_files=lambda _config: tests), tests)
    checked.problems = in_order(checked.problems)
    # With a problem, the list of what no rule handles is likely to follow from it.
    passed_over = checked.unhandled if checked.problems else []
    checked.notes = [note for note in dict.fromkeys(checked.notes) if note not in passed_over]
    return checked


def _add(checked: Checked, reading: Reading) -> None:
    checked.problems += reading.problems
    checked.notes += reading.notes
    if reading.config is None or reading.rules is None or reading.rules.loaded is None:
        return
    config, ruleset = reading.config.config, reading.rules.loaded.ruleset
    checked.rules.update((rule.file, rule.line) for rule in ruleset.rules)
    if reading.rules.loaded.unhandled is not None:
        checked.unhandled.append(reading.rules.loaded.unhandled)
    if ruleset.tests and config.workspaces:
        _rehearse(checked, reading.rules, ruleset, config)


def _add_tests(checked: Checked, reading: Reading, tests: tuple[Path, ...]) -> None:
    """Add what concerns these files of tests, which were held against all rules; without a configuration, all there
    is."""
    if reading.rules is None or reading.config is None:
        checked.problems += reading.problems
        return
    names = {shown(file) for file in tests}
    checked.problems += [problem for problem in reading.problems if problem.file in names]
    if reading.rules.loaded is not None and reading.config.config.workspaces:
        ruleset = reading.rules.loaded.ruleset
        own = tuple(test for test in ruleset.tests if test.file in names)
        _rehearse(checked, reading.rules, replace(ruleset, tests=own), reading.config.config)


def _rehearse(checked: Checked, rules: RulesReading, ruleset: Ruleset, config: Config) -> None:
    rehearsal = rehearse(ruleset, config)
    for found in rehearsal.faults:
        hint = f"in the test `{found.test.name}`, {found.test.file}:{found.test.line}"
        checked.problems.append(rules.problem(found.rule, found.fault, hint=hint))
    if not rehearsal.is_whole:
        file, hint = shown(config.path), "`memonotify test` tries them all"
        checked.notes.append(
            Problem(file=file, line=1, column=1, message=_TOO_MANY, hint=hint, field="rules", severity="note")
        )


def _add_templates(checked: Checked, faults: Iterable[CompileError]) -> None:
    """Add what is wrong in templates, less what a rule that uses them has told already."""
    told = {(problem.file, problem.line, problem.message) for problem in checked.problems}
    for fault in faults:
        file = shown(Path(fault.file))
        if (file, fault.line, fault.message) not in told:
            checked.problems.append(Problem(file=file, line=fault.line, column=1, message=fault.message))
