"""The versions of rule files as frozen values: the text on disk, a good version of it, and what is in force.

Made by `choosing` and `inforce`; the reload, the start and the store's keeper read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from memonotify.errors import Problem
from memonotify.rules.declared import Declared
from memonotify.rules.faults import shown
from memonotify.rules.loader import ruleset_of
from memonotify.rules.values import Rule, Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A rule file as it is on disk: its text, or None and why it cannot be read. `path` is absolute."""

    path: Path
    text: str | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a rule file without a problem, compiled.

    `templates` are the texts of the template files that its rules use, by name: they belong to the version, whatever
    becomes of the files. `has_tests` tells whether other files' rules may make a problem of its tests.
    """

    path: Path
    text: str
    templates: Mapping[str, str]
    rules: tuple[Rule, ...]
    declared: Mapping[str, Declared]
    has_tests: bool = False
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that is wrong as it is on disk. `has_version` tells whether a good version of it is in force."""

    path: Path
    problems: tuple[Problem, ...]
    has_version: bool

    @property
    def file(self) -> str:
        """The file as problems name it."""
        return shown(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The version of each rule file that is in force, in the order of the files, and the files that are wrong.

    `asked` holds the name of every template file that was asked for, and whether there was one. `are_tests_checked`
    is False where the versions come from the store, which keeps them without a word on their tests.
    """

    versions: Mapping[Path, Version] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    asked: Mapping[str, bool] = field(default_factory=dict)
    are_tests_checked: bool = True
    ruleset: Ruleset = field(default_factory=lambda: ruleset_of(()))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong, in the order of the files."""
        return tuple(problem for refused in self.refused for problem in refused.problems)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What is doubtful in the versions in force, in the order of the files."""
        return tuple(note for version in self.versions.values() for note in version.notes)


NOTHING = InForce()
"""Before the first load."""
