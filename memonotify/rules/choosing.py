"""Chooses which version of each rule file is in force: the text on disk where it is right, else the last good one.

In: the files as they were found, what was in force before, and the templates. Out: what is in force now, with every
problem. Nothing is read but through the templates, and nothing that was handed in is changed.

What was in force is one set without a contradiction, so a file that is wrong can always go back to its part of it. A
file that goes back may bring a rule's name back that another file has taken meanwhile; then the other one goes back as
well. Going back never ends in something new, so it comes to an end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from memonotify.config.problems import in_order
from memonotify.config.values import Config
from memonotify.errors import CompileError, Problem
from memonotify.rules.declared import Declared
from memonotify.rules.loader import none_found, read_one, read_tests, ruleset_of
from memonotify.rules.rulefile import parse_rules
from memonotify.rules.versions import FoundFile, InForce, Refused, Version
from memonotify.templating.environment import Templates
from memonotify.yamlsource import Document

_Spoken = tuple[frozenset[str], frozenset[str], bool, dict[str, str]]

_OWN_NAME: Final = "give it a name of its own"


def choose(found: Sequence[FoundFile], last: InForce, config: Config, templates: Templates) -> InForce:
    """Return what is in force where these files were found, in their order, and `last` was in force before."""
    if not found and last.versions:
        problems = (none_found(config),)
        refused = Refused(path=config.path, problems=problems, has_version=True)
        return InForce(versions=last.versions, refused=(refused,), asked=last.asked, ruleset=last.ruleset)
    choosing = _Choosing(found, last, config, templates)
    choosing.settle_names()
    choosing.check_tests()
    choosing.settle_names()
    return choosing.result()


@dataclass(slots=True)
class _Draft:
    """One file on its way: what its text on disk is worth, what it had before, and which of the two it gets."""

    found: FoundFile
    last: Version | None
    version: Version | None = None
    document: Document | None = None
    declared: Mapping[str, Declared] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    pick: Version | None = None

    @property
    def is_new(self) -> bool:
        """Whether its pick was not in force before, so that it can go back."""
        return self.pick is not None and self.pick is not self.last

    def brings(self, name: str) -> bool:
        """Whether a rule's name came into this file with its pick."""
        return self.is_new and (self.last is None or name not in self.last.declared)

    def go_back(self) -> None:
        self.pick = self.last if self.is_new else None


class _Choosing:
    def __init__(self, found: Sequence[FoundFile], last: InForce, config: Config, templates: Templates) -> None:
        self._last = last
        self._config = config
        self._templates = templates
        # A file that an `ignore missing` asked for in vain is there now: nobody knows whose it was.
        self._is_all_new = any(_text(templates, name) is not None for name, was in last.asked.items() if not was)
        self._drafts = [self._draft(each) for each in found]
        self._has_other_names = _speaking(last.versions.values()) != _speaking(
            draft.version or draft.last for draft in self._drafts
        )

    def _draft(self, found: FoundFile) -> _Draft:
        draft = _Draft(found, self._last.versions.get(found.path), problems=list(found.problems))
        if draft.last is not None and self._is_unchanged(draft.last, found):
            draft.version = draft.last
        elif found.text is not None:
            self._compile(draft, found.text)
        draft.pick = draft.version or draft.last
        return draft

    def _is_unchanged(self, version: Version, found: FoundFile) -> bool:
        return (
            not self._is_all_new
            and version.text == found.text
            and all(_text(self._templates, name) == text for name, text in version.templates.items())
        )

    def _compile(self, draft: _Draft, text: str) -> None:
        path = draft.found.path
        draft.document, problems = parse_rules(text, path)
        draft.problems += problems
        if draft.document is None:
            return
        self._templates.used.clear()
        one = read_one(draft.document, self._config, self._templates)
        draft.problems += one.problems
        draft.declared = one.declared
        if not draft.problems:
            draft.version = Version(
                path=path,
                text=text,
                templates={name: self._templates.source(name) for name in sorted(self._templates.used)},
                rules=one.rules,
                declared=one.declared,
                has_tests=bool(draft.document.data.get("tests")),
                notes=one.notes,
            )
            if not draft.version.has_tests:
                # Nobody asks it any more, and all of them going at once would hold up every thread.
                draft.document = None

    def settle_names(self) -> None:
        """Let files go back until no two rules that are picked have the same name."""
        while (clash := self._clash()) is not None:
            name, first, later = clash
            if first.brings(name) and not later.brings(name):
                # The later one has had the name all along, so it keeps it: what runs must not stop.
                _blame(first, name, later)
                if later.pick is later.version:
                    _blame(later, name, first)
                first.go_back()
            else:
                _blame(later, name, first)
                later.go_back()

    def _clash(self) -> tuple[str, _Draft, _Draft] | None:
        holders: dict[str, _Draft] = {}
        for draft in self._drafts:
            for name in draft.pick.declared if draft.pick is not None else ():
                if name in holders:
                    return name, holders[name], draft
                holders[name] = draft
        return None

    def check_tests(self) -> None:
        """Let files go back whose tests speak of rules that there are not."""
        picked = (draft.pick.declared for draft in self._drafts if draft.pick is not None)
        written = (draft.declared for draft in self._drafts)
        known: dict[str, Declared] = {}
        # Of a file that is wrong, its tests and others' may mean what is written or what is in force.
        for declared in (*picked, *written):
            known.update(declared)
        refused = {each.path for each in self._last.refused}
        for draft in self._drafts:
            if draft.version is None or not draft.version.has_tests:
                continue
            is_known = draft.version is draft.last and self._last.are_tests_checked and draft.found.path not in refused
            if is_known and not self._has_other_names:
                continue
            document = draft.document or _parsed(draft.found.path, draft.version.text)
            problems = read_tests(document, self._config, known)
            draft.problems += problems
            if problems and draft.pick is draft.version and draft.is_new:
                draft.go_back()

    def result(self) -> InForce:
        versions = {draft.found.path: draft.pick for draft in self._drafts if draft.pick is not None}
        return InForce(
            versions=versions,
            refused=tuple(
                Refused(
                    path=draft.found.path,
                    problems=tuple(in_order(draft.problems)),
                    has_version=draft.pick is not None,
                )
                for draft in self._drafts
                if draft.problems
            ),
            asked=self._templates.asked,
            ruleset=ruleset_of(rule for version in versions.values() for rule in version.rules),
        )


def _blame(draft: _Draft, name: str, holder: _Draft) -> None:
    """Say that the name is taken by what the other file has in force."""
    if draft.pick is None or holder.pick is None:
        return
    theirs = holder.pick.declared[name]
    where = f"{theirs.file}:{theirs.line}"
    if holder.pick is not holder.version:
        where += ", in its last good version, which stays in force"
    document = _parsed(draft.pick.path, draft.pick.text)
    at = next(at for at, rule in enumerate(document.data["rules"]) if rule.get("name") == name)
    message = f"there is a rule `{name}` already, at {where}"
    draft.problems.append(document.problem(("rules", at, "name"), message, hint=_OWN_NAME))


def _parsed(path: Path, text: str) -> Document:
    """Parse a text that was parsed without a problem before."""
    document, _ = parse_rules(text, path)
    assert document is not None  # noqa: S101 - it was one before
    return document


def _speaking(versions: Iterable[Version | None]) -> dict[str, _Spoken]:
    """Return what tests may speak of: each rule's name with its channels, its look-ups, whether it remembers, and its
    windows."""
    return {
        name: (declared.channels, declared.lookups, declared.on_change, dict(declared.windows))
        for version in versions
        if version is not None
        for name, declared in version.declared.items()
    }


def _text(templates: Templates, name: str) -> str | None:
    try:
        return templates.source(name)
    except CompileError:
        return None
