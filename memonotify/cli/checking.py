"""What `memonotify check` looks at: the files it is given, each for what it is, or all that the configuration names.

In: the command's options. Out: a Checked. Everything is read by the loaders that the daemon uses; on top come the
rules' own tests, for texts that fail, and templates that no rule uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from re import compile as compile_pattern
from typing import Final

from memonotify.cli.options import Reading, read_all
from memonotify.config.exposure import exposed_secrets
from memonotify.config.loader import find_config, is_configuration
from memonotify.config.problems import in_order
from memonotify.config.testfiles import is_test_file
from memonotify.config.values import Config
from memonotify.engine.rehearsal import Shown, rehearse
from memonotify.engine.sampling import SampleFault, Sampling, try_samples
from memonotify.errors import CompileError, ConfigError, Problem, Severity
from memonotify.rules.faults import shown
from memonotify.rules.loader import RulesReading
from memonotify.rules.notes import unused_channels
from memonotify.rules.testfiles import found_test_files
from memonotify.rules.values import Ruleset
from memonotify.templating.folder import UnescapedIn, file_faults, unused_faults
from memonotify.templating.templatefiles import SUFFIX

_TOO_MANY_RULES: Final = "the rules are too many to try each with made-up events: some were not tried"
_MISSING: Final = compile_pattern(r"`\w+\.([^`]+)` is missing")
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

    def fails(self, *, strict: bool) -> bool:
        """Whether what was found is to be put right; with `strict`, what is doubtful as well."""
        return bool(self.problems) or (strict and bool(self.notes))


def check_all(config_path: Path | None, *, resolve: bool, files: tuple[Path, ...]) -> Checked:
    """Check the configuration with all that it names, or these files: rules, templates, configurations.

    That there is no configuration to check them against is a problem like any other.
    """
    try:
        return _checked(config_path, resolve=resolve, files=files)
    except ConfigError as error:
        return Checked(problems=list(error.problems))


def _checked(config_path: Path | None, *, resolve: bool, files: tuple[Path, ...]) -> Checked:
    checked = Checked()
    tests = tuple(file for file in files if is_test_file(file))
    templates = [file for file in files if file.suffix == SUFFIX]
    configurations = [file for file in files if file not in (*templates, *tests) and is_configuration(file)]
    rules = tuple(file for file in files if file not in (*templates, *tests, *configurations))
    for path in configurations if files else [find_config(config_path)]:
        reading = read_all(path, resolve=resolve, test_files=found_test_files)
        _add(checked, reading)
        _add_unused_channels(checked, reading)
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
    checked.notes = _each_once(checked)
    return checked


def _each_once(checked: Checked) -> list[Problem]:
    """Return the notes without those that are likely to follow from a problem; those of one file stand together."""
    # With a problem, the list of what no rule handles is likely to follow from it.
    passed_over = checked.unhandled if checked.problems else []
    return [note for note in in_order(checked.notes) if note not in passed_over]


def _add(checked: Checked, reading: Reading) -> None:
    checked.problems += reading.problems
    checked.notes += reading.notes
    if reading.config is not None:
        checked.notes += exposed_secrets(reading.config.document, reading.config.config.path.parent)
    if reading.config is None or reading.rules is None or reading.rules.loaded is None:
        return
    config, ruleset = reading.config.config, reading.rules.loaded.ruleset
    checked.rules.update((rule.file, rule.line) for rule in ruleset.rules)
    if reading.rules.loaded.unhandled is not None:
        checked.unhandled.append(reading.rules.loaded.unhandled)
    if config.workspaces:
        _sample(checked, reading.rules, ruleset, config, shown=_rehearse(checked, reading.rules, ruleset, config))


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


def _rehearse(checked: Checked, rules: RulesReading, ruleset: Ruleset, config: Config) -> frozenset[Shown]:
    """Add what fails in the rules' own tests; return which texts these have shown to be right."""
    rehearsal = rehearse(ruleset, config)
    for found in rehearsal.faults:
        hint = f"in the test `{found.test.name}`, {found.test.file}:{found.test.line}"
        checked.problems.append(rules.problem(found.rule, found.fault, hint=hint))
    if not rehearsal.is_whole:
        checked.notes.append(_of_rules(config, _TOO_MANY, "`memonotify test` tries them all"))
    return rehearsal.shown


def _sample(
    checked: Checked, rules: RulesReading, ruleset: Ruleset, config: Config, *, shown: frozenset[Shown]
) -> None:
    """Add what fails for made-up events."""
    sampling = try_samples(ruleset, config, shown=shown)
    _add_samples(checked, rules, sampling)
    if not sampling.is_whole:
        checked.notes.append(_of_rules(config, _TOO_MANY_RULES, "name rule files to try the rules of those"))


def _add_samples(checked: Checked, rules: RulesReading, sampling: Sampling) -> None:
    """Add what fails for made-up events, less what a test has brought to light already."""
    told = {(problem.file, problem.line, problem.message) for problem in checked.problems}
    for found in sampling.faults:
        severity: Severity = "error" if found.is_certain else "note"
        problem = rules.problem(found.rule, found.fault, hint=_sampled(found), severity=severity)
        if (problem.file, problem.line, problem.message) not in told:
            told.add((problem.file, problem.line, problem.message))
            _add_one(checked, problem)


def _add_one(checked: Checked, found: Problem) -> None:
    """Add what fails; a note on the same field, which says what may be meant, becomes its hint."""
    missing = _MISSING.fullmatch(found.message)
    same = [
        note
        for note in checked.notes
        if missing and note.field == found.field and f"has no field `{missing[1]}`" in note.message
    ]
    checked.notes = [note for note in checked.notes if note not in same]
    hint = "; ".join(part for part in (*(note.hint for note in same), found.hint) if part)
    (checked.problems if found.severity == "error" else checked.notes).append(replace(found, hint=hint))


def _sampled(found: SampleFault) -> str:
    """Return for which made-up events a text fails, and what to do."""
    types = f"`{found.event_types[0]}`"
    if len(found.event_types) > 1:
        types += f" and {len(found.event_types) - 1} more"
    if not found.is_due:
        return f"for every made-up event of {types}, though none of them makes the message due"
    if found.is_certain:
        return f"for every made-up event of {types}"
    return f"where the bank leaves out what it may, at {types}: ask with `is defined` or `| default(…)`"


def _of_rules(config: Config, message: str, hint: str) -> Problem:
    return Problem(
        file=shown(config.path), line=1, column=1, message=message, hint=hint, field="rules", severity="note"
    )


def _add_unused_channels(checked: Checked, reading: Reading) -> None:
    if reading.loaded is not None:
        config = reading.loaded.config
        checked.notes += unused_channels(reading.loaded.rules.ruleset, config.config, config.document)


def _add_templates(checked: Checked, faults: Iterable[CompileError | UnescapedIn]) -> None:
    """Add what is wrong or doubtful in templates, less what a rule that uses them has told already."""
    told = {(problem.file, problem.line, problem.message) for problem in checked.problems}
    for fault in faults:
        if isinstance(fault, UnescapedIn):
            checked.notes.append(_unescaped(fault))
            continue
        file = shown(Path(fault.file))
        if (file, fault.line, fault.message) not in told:
            checked.problems.append(Problem(file=file, line=fault.line, column=1, message=fault.message))


def _unescaped(found: UnescapedIn) -> Problem:
    through = found.through
    return Problem(
        file=shown(Path(found.file)),
        line=through.line,
        column=1,
        message=through.message,
        hint=through.hint,
        severity="note",
    )
