"""Reads the rules of one file: a Document in, compiled rules and every problem out. Called by `loader`.

The schema has spoken about shapes before; what has the wrong shape is passed over here, so that everything else that is
wrong in a rule is told at the same time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from memonotify.config.suggest import closest, did_you_mean
from memonotify.config.values import Config
from memonotify.errors import CompileError, Problem
from memonotify.model import Mode, Severity
from memonotify.rules import fieldnotes, notes
from memonotify.rules.attachments import TELLING, proof_doubt
from memonotify.rules.declared import Declared
from memonotify.rules.entries import EntryReader, attachments
from memonotify.rules.expected import Expect, ExpectReader
from memonotify.rules.faults import (
    ALWAYS_KNOWN,
    Compiled,
    compile_problem,
    field_problems,
    name_problems,
    placed,
    shown_names,
)
from memonotify.rules.lookups import source_fault
from memonotify.rules.match import Match, fits, is_glob
from memonotify.rules.never import never_holds
from memonotify.rules.policyreader import PolicyReader, afters_of
from memonotify.rules.published import Published
from memonotify.rules.reports import Report, ReportReader
from memonotify.rules.values import Entry, Rule
from memonotify.rules.windowreader import WindowReader, measure_of, windows_of
from memonotify.rules.windows import Window
from memonotify.templating.conditions import Condition
from memonotify.templating.environment import Escape, Expression, Place, Templates, Text
from memonotify.templating.groupform import NAMES
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

_C = TypeVar("_C", Condition, Expression, Text)

_MODES: Final = {mode.value: mode for mode in Mode}
_SEVERITIES: Final = {severity.value: severity for severity in Severity}
_IN_ORDER: Final = json.JSONEncoder(sort_keys=True)


class RuleReader:
    """Reads one rule of a document. `problems` and `notes` hold what was found; `rule()` is None where any is wrong."""

    def __init__(
        self,
        document: Document,
        path: DataPath,
        data: Mapping[str, Any],
        config: Config,
        templates: Templates,
        published: Published,
    ) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._document = document
        self._path = path
        self._data = data
        self._config = config
        self._templates = templates
        self._published = published
        self._parts: list[tuple[DataPath, Compiled]] = []
        self._fetch: Mapping[str, Any] = data["fetch"] if isinstance(data.get("fetch"), dict) else {}
        self._name = str(data.get("name"))
        self._description = str(data.get("description") or "")
        self._names = frozenset(self._fetch) | {name for name, _ in windows_of(data.get("window"))}
        self._is_report = "report" in data
        self._expects = "expect" in data

    def declared(self) -> Declared | None:
        """Return what the rule is called, or None where it has no name."""
        name = self._data.get("name")
        if not isinstance(name, str):
            return None
        entries = [entry for place in self._places() for _, _, entry in self._entries(place)]
        return Declared(
            name=name,
            file=self._document.file,
            line=self._document.place(self._path)[0],
            channels=frozenset(str(entry.get("channel")) for entry in entries),
            lookups=frozenset(self._fetch),
            on_change=self._data.get("fire") == "on_change",
            once="once" in self._data,
            afters_s=frozenset(afters_of(self._data.get("escalate"))),
            is_report=self._is_report,
            windows={name: measure_of(window) for name, window in windows_of(self._data.get("window"))},
            expects=self._expects,
        )

    def rule(self) -> Rule | None:
        """Read all of the rule, so that every problem in it is found; return it where there is none."""
        expect = self._expect()
        report = self._report()
        match = self._match()
        when = self._condition("when")
        hysteresis = self._condition("hysteresis")
        lookups = dict(self._lookups())
        windows = self._windows(match, lookups)
        key = self._key()
        policies = PolicyReader(
            self._document,
            self._path,
            self._data,
            self._config,
            compile_text=lambda path: self._compile(path, self._templates.text),
            read_entries=self._messages,
        )
        once, quiet, group, limit = policies.once(match), policies.quiet(), policies.group(), policies.limit()
        notify = tuple(self._messages(("notify",)))
        resolved = tuple(self._messages(("resolved",)))
        escalate = policies.escalate()
        self._check_change()
        needs_resource = any(_needs_resource(part) for _, part in self._parts)
        attaching = self._attaching()
        policies.check(attaching)
        self.problems += policies.problems
        self.notes += policies.notes
        self._check_fetch_false(needs_resource=needs_resource, attaching=attaching)
        self._check_attaching(match, attaching)
        if needs_resource or self._fetch or attaching or self._is_report:
            self._check_bank(match)
        self._doubt_fields(match, windows)
        self._doubt_conditions(match)
        if self.problems:
            return None
        return Rule(
            name=self._name,
            description=self._description,
            file=self._document.file,
            line=self._document.place(self._path)[0],
            match=match,
            when=when,
            lookups=lookups,
            notify=notify,
            resolved=resolved,
            on_change=self._data.get("fire") == "on_change",
            key=key,
            hysteresis=hysteresis,
            needs_resource=needs_resource,
            digest=self._digest(),
            mode=self._mode(),
            once=once,
            quiet=quiet,
            group=group,
            limit=limit,
            escalate=escalate,
            severity=self._severity(),
            report=report,
            windows=windows,
            expect=expect,
        )

    def _report(self) -> Report | None:
        if not self._is_report:
            return None
        reader = ReportReader(self._document, self._path, self._data, timezone=self._config.timezone)
        report = reader.report()
        self._data = reader.remaining()
        self._fetch, self._names = {}, frozenset()
        self.problems += reader.problems
        return report

    def _expect(self) -> Expect | None:
        if not self._expects:
            return None
        reader = ExpectReader(self._document, self._path, self._data, timezone=self._config.timezone)
        expect = reader.expect()
        self.problems += reader.problems
        return expect

    def _mode(self) -> Mode:
        mode = self._data.get("mode")
        return _MODES.get(mode, Mode.LIVE) if isinstance(mode, str) else Mode.LIVE

    def _severity(self) -> Severity:
        severity = self._data.get("severity")
        return _SEVERITIES.get(severity, Severity.INFO) if isinstance(severity, str) else Severity.INFO

    def _match(self) -> Match:
        given = self._data.get("match")
        facts = given if isinstance(given, dict) else {}
        workspaces = _patterns(facts.get("workspace"))
        names = [workspace.name for workspace in self._config.workspaces]
        for at, name in enumerate(workspaces or ()):
            if not is_glob(name) and name not in names:
                listed = isinstance(facts["workspace"], list)
                path: DataPath = ("match", "workspace", at) if listed else ("match", "workspace")
                hint = did_you_mean(name, names) or shown_names("workspaces", names)
                self._problem(path, f"there is no workspace `{name}`", hint=hint)
        if workspaces and not any(fits(workspaces, name) for name in names) and all(map(is_glob, workspaces)):
            path, hint = (*self._path, "match", "workspace"), shown_names("workspaces", names)
            message = "the rule can never match: none of its workspaces is there"
            self.notes.append(self._document.problem(path, message, hint=hint, severity="note"))
        self.notes += self._published.notes(self._document, (*self._path, "match"), facts)
        return Match(
            event_type=_patterns(facts.get("event_type")),
            resource_type=_patterns(facts.get("resource_type")),
            workspace=workspaces,
        )

    def _condition(self, name: str) -> Condition | None:
        condition = self._compile((name,), self._templates.condition)
        if condition is not None:
            path = (*self._path, name)
            for found in notes.cents_compared(self._document.written(path)):
                line, column = self._document.text_place(path, found.line)
                self.notes.append(notes.cents_note(found, self._templates, self._document.file, line, column))
        return condition

    def _key(self) -> Text | None:
        return self._varying(("key",))

    def _varying(self, path: DataPath, *, names: frozenset[str] | None = None) -> Text | None:
        """Compile the text of a key; one that is the same for every event may be an expression without its braces."""
        key = self._compile(path, self._templates.text, names=names)
        if key is not None and key.constant is not None and self._is_expression(key.constant):
            hint = f'did you mean "{{{{ {key.constant.strip()} }}}}"?'
            message = "the key is the same for every event"
            self.notes.append(self._document.problem((*self._path, *path), message, hint=hint, severity="note"))
        return key

    def _is_expression(self, text: str) -> bool:
        """Whether a text reads as an expression over what a rule knows, so that its braces were probably forgotten."""
        try:
            names = self._templates.expression(text).names
        except CompileError:
            return False
        known = ALWAYS_KNOWN | self._names
        return any(name in known or ("." in text and closest(name, known)) for name in names)

    def _lookups(self) -> Iterator[tuple[str, Text]]:
        taken = ALWAYS_KNOWN | self._templates.global_names
        for name, source in self._fetch.items():
            if not isinstance(source, str):
                continue
            path = ("fetch", name)
            if name in taken:
                self._problem(path, f"a look-up cannot be called `{name}`: that name is taken", key=True)
            fault = source_fault(source)
            if fault:
                self._problem(path, fault, hint="such as /v2/accounts/{{ resource.account_id }}")
                continue
            text = self._compile(path, self._templates.text, escape=Escape.PATH, names=frozenset())
            if text is not None:
                yield name, text

    def _windows(self, match: Match, lookups: Mapping[str, Text]) -> tuple[Window, ...]:
        own = frozenset(self._fetch)
        reader = WindowReader(
            self._document,
            self._path,
            self._data,
            text=lambda path: self._varying(path, names=own),
            expression=lambda path: self._compile(path, self._templates.expression, names=own),
            plain=self._plain,
            lookups=lookups,
            taken=ALWAYS_KNOWN | self._templates.global_names | own | NAMES,
        )
        windows = tuple(reader.windows(match))
        self.problems += reader.problems
        for name, window in windows_of(self._data.get("window")):
            if isinstance(window.get("match"), dict):
                path = (*self._path, "window", name, "match")
                self.notes += self._published.notes(self._document, path, window["match"])
        return windows

    def _plain(self, source: str) -> Expression:
        """Compile an expression that the rule means without writing it."""
        compiled = self._templates.expression(source)
        self._parts.append(((*self._path, "window", ""), compiled))
        return compiled

    def _messages(self, place: DataPath, first: int = 0) -> Iterator[Entry]:
        """Read the messages below a path within the rule, numbered from `first` on."""
        more = NAMES if self._gathers() else frozenset[str]()
        for index, path, data in self._entries(place):
            reader = EntryReader(
                self._document,
                path,
                data,
                self._config,
                self._templates,
                self._names,
                more,
                is_report=self._is_report,
                expects=self._expects,
                has_come=place == ("resolved",),
            )
            within = path[len(self._path) :]
            entry = reader.entry(first + index, rule=self._name, description=self._description, path=within)
            self.problems += reader.problems
            self.notes += reader.notes
            self._parts += reader.parts
            if entry is not None:
                yield entry

    def _gathers(self) -> bool:
        quiet = self._data.get("quiet")
        return "group" in self._data or (isinstance(quiet, dict) and quiet.get("then") == "digest")

    def _entries(self, place: DataPath) -> Iterator[tuple[int, DataPath, dict[str, Any]]]:
        entries: Any = self._data
        for step in place:
            if isinstance(entries, dict):
                entries = entries.get(step)
            else:
                entries = entries[step] if isinstance(entries, list) and isinstance(step, int) else None
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                yield index, (*self._path, *place, index), entry

    def _places(self) -> list[DataPath]:
        """Return where the rule's messages stand."""
        places: list[DataPath] = [(name,) for name in ("notify", "resolved") if name in self._data]
        steps = self._data.get("escalate")
        if isinstance(steps, list):
            places += [("escalate", at, "notify") for at in range(len(steps))]
        elif steps is not None:
            places.append(("escalate", "notify"))
        return places

    def _compile(
        self,
        path: DataPath,
        compile_: Callable[..., _C],
        *,
        escape: Escape = Escape.NONE,
        names: frozenset[str] | None = None,
    ) -> _C | None:
        source: Any = self._data
        for step in path:
            source = source.get(step) if isinstance(source, dict) else None
        path = (*self._path, *path)
        if not isinstance(source, str) or not source or self._document.is_spoiled(path):
            return None
        try:
            compiled = compile_(source, escape, written=self._document.written(path))
        except CompileError as error:
            self.problems.append(compile_problem(self._document, path, error))
            return None
        self.problems += name_problems(self._document, path, compiled, self._names if names is None else names)
        for found in field_problems(self._document, path, compiled):
            (self.notes if found.severity == "note" else self.problems).append(found)
        self._parts.append((path, compiled))
        return compiled

    def _doubt_fields(self, match: Match, windows: tuple[Window, ...]) -> None:
        """Note each field that no resource has which the rule can see, once, where it stands first."""
        owners: dict[str, tuple[str, ...]] = {"resource": fieldnotes.types_of(match)}
        for name, source in self._fetch.items():
            found = fieldnotes.type_of_lookup(source) if isinstance(source, str) else None
            owners[name] = () if found is None else (found,)
        beside = {window.name: window.match for window in windows if window.match != match}
        told = set[tuple[str, ...]]()
        for path, part in self._parts:
            counted = beside.get(str(path[len(self._path) + 1])) if path[len(self._path)] == "window" else None
            seen = owners if counted is None else {**owners, "resource": fieldnotes.types_of(counted)}
            for doubt in fieldnotes.doubts(part.analysis.paths, seen):
                if doubt.path not in told:
                    told.add(doubt.path)
                    name, field = doubt.path[:2]
                    place = part.fields.get((name, field)) or part.places.get(name, Place("", 1))
                    self.notes.append(
                        placed(self._document, path, place, doubt.message, hint=doubt.hint, severity="note")
                    )

    def _doubt_conditions(self, match: Match) -> None:
        """Note each condition, the rule's or a message's, that can never hold."""
        workspaces = [workspace.name for workspace in self._config.workspaces]
        whole, of_a_message = len(self._path) + 1, len(self._path) + 3
        for path, part in self._parts:
            if (
                path[-1] in ("when", "hysteresis")
                and len(path) in (whole, of_a_message)
                and isinstance(part, Condition | Expression)
            ):
                doubt = never_holds(self._document.written(path), match, workspaces)
                if doubt is not None:
                    place = Place("", doubt.line)
                    self.notes.append(placed(self._document, path, place, doubt.message, severity="note"))

    def _check_change(self) -> None:
        data = self._data
        if "fire" in data and "key" not in data:
            self._problem(
                ("fire",), "`fire: on_change` needs a `key`", hint='such as key: "{{ resource.id }}"', key=True
            )
        for key in ("key", "resolved", "hysteresis"):
            if key in data and "fire" not in data and not self._expects:
                self._problem((key,), f"`{key}` means nothing without `fire`", hint="add `fire: on_change`", key=True)

    def _check_fetch_false(self, *, needs_resource: bool, attaching: list[DataPath]) -> None:
        if self._data.get("fetch") is not False:
            return
        if needs_resource:
            path, part = next((path, part) for path, part in self._parts if "resource" in part.names)
            used = placed(self._document, path, part.places.get("resource", Place("", 1)), "")
            message = f"`fetch: false`, but `resource` is used at {used.file}:{used.line}"
            self._problem(("fetch",), message, hint="remove one of the two")
        elif attaching:
            line = self._document.place(attaching[0])[0]
            message = f"`fetch: false`, but `attach` asks the bank at {self._document.file}:{line}"
            self._problem(("fetch",), message, hint="remove one of the two")

    def _attaching(self) -> list[DataPath]:
        """Return where messages attach something that their channel can carry; elsewhere it is no field at all."""
        channels = self._config.channels
        return [
            (*path, "attach")
            for place in self._places()
            for _, path, entry in self._entries(place)
            if attachments(entry)
            and (channel := channels.get(str(entry.get("channel")))) is not None
            and channel.type == "email"
        ]

    def _check_attaching(self, match: Match, attaching: list[DataPath]) -> None:
        doubt = proof_doubt(match) if attaching else None
        if doubt is None:
            return
        found = self.problems if doubt.severity == "error" else self.notes
        for path in attaching:
            if doubt.is_partial and self._tells_apart((*self._path, "when"), (*path[:-1], "when")):
                continue
            found.append(
                self._document.problem(path, doubt.message, hint=doubt.hint, key=True, severity=doubt.severity)
            )

    def _tells_apart(self, *conditions: DataPath) -> bool:
        return any(
            path in conditions
            and isinstance(part, Condition | Expression)
            and not TELLING.isdisjoint(part.analysis.paths)
            for path, part in self._parts
        )

    def _check_bank(self, match: Match) -> None:
        closed = [
            workspace.name
            for workspace in self._config.workspaces
            if workspace.api is None and fits(match.workspace, workspace.name)
        ]
        if closed:
            self._problem(
                ("name",),
                f"the rule asks the bank, but workspace `{'`, `'.join(closed)}` has no `api`",
                hint="give it one, or name other workspaces under `match`",
            )

    def _problem(self, path: DataPath, message: str, *, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._document.problem((*self._path, *path), message, hint=hint, key=key))

    def _digest(self) -> str:
        # Empty for a text that includes nothing: the data holds it.
        digests = (part.analysis.digest for _, part in self._parts)
        return hashlib.sha256("".join((_IN_ORDER.encode(self._data), *digests)).encode()).hexdigest()


def _needs_resource(part: Compiled) -> bool:
    """Whether a text reads the resource: its own, or that of each event of a group."""
    if "resource" in part.names or "totals" in part.names:
        return True
    return "events" in part.names and any("resource" in path[1:] for path in part.analysis.paths)


def _patterns(given: Any) -> tuple[str, ...] | None:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list):
        return tuple(item for item in given if isinstance(item, str))
    return None
