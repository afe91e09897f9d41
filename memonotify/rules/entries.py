"""Reads one entry of `notify` or `resolved`: its data in, an Entry and every problem out. `reader` calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from memonotify.config.suggest import did_you_mean
from memonotify.config.values import Config
from memonotify.errors import CompileError, Problem
from memonotify.rules import expected, reports
from memonotify.rules.addressing import addressing_problems
from memonotify.rules.faults import (
    ALWAYS_KNOWN,
    Compiled,
    compile_problem,
    field_problems,
    name_problems,
    shown_names,
    unescaped_notes,
)
from memonotify.rules.values import Entry
from memonotify.templating.environment import Expression, Templates
from memonotify.templating.messages import FIELDS, Message, MessageProblems, compile_message
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

EVERY_FIELD = frozenset[str]().union(*FIELDS.values())
"""The fields that a message of some channel type has."""
_FOREIGN: Final = {type_: EVERY_FIELD - fields for type_, fields in FIELDS.items()}


_NOT_COME: Final = "it speaks of what has not come: `expected` has what is known; `when` and `resolved` see the event"


class EntryReader:
    """Reads one entry. `problems` and `notes` hold what was found, `parts` each text and expression with its path.

    `more` are names that only the message's texts know, such as `events` in a group. In a rule that `expects`, a
    message tells of a miss and knows no event, unless what was expected `has_come`.
    """

    def __init__(
        self,
        document: Document,
        path: DataPath,
        data: Mapping[str, Any],
        config: Config,
        templates: Templates,
        lookups: frozenset[str],
        more: frozenset[str] = frozenset(),
        *,
        is_report: bool = False,
        expects: bool = False,
        has_come: bool = False,
    ) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.parts: list[tuple[DataPath, Compiled]] = []
        self._document = document
        self._path = path
        self._data = data
        self._config = config
        self._templates = templates
        self._lookups = lookups
        self._more = more
        self._is_report = is_report
        self._of_event: frozenset[str] = frozenset()
        self._says_miss = expects and not has_come
        self._known = reports.KNOWN if is_report else ALWAYS_KNOWN
        if expects:
            self._known = self._known | expected.KNOWN if has_come else expected.KNOWN
        if self._says_miss:
            self._of_event, self._lookups = lookups, frozenset()

    def entry(self, index: int, *, rule: str, description: str, path: DataPath = ()) -> Entry | None:
        """Read all of the entry, so that every problem in it is found; return it where there is none.

        `rule` and `description` stand in a message that says nothing of its own; `path` is where it stands within the
        rule.
        """
        when = self._when()
        name = self._data.get("channel")
        if not isinstance(name, str):
            return None
        channel = self._config.channels.get(name)
        if channel is None:
            hint = did_you_mean(name, self._config.channels) or shown_names("channels", self._config.channels)
            self._problem(("channel",), f"there is no channel `{name}`", hint=hint)
            return None
        if not _FOREIGN[channel.type].isdisjoint(self._data):
            self.problems += foreign_fields(self._document, self._path, self._data, {channel.type})
        self.problems += addressing_problems(self._document, self._path, self._data, channel)
        message = self._message(channel.type, rule, description)
        if message is None or self.problems:
            return None
        return Entry(
            index=index,
            channel=name,
            channel_type=channel.type,
            when=when,
            message=message,
            attach=attachments(self._data),
            path=path,
        )

    def _when(self) -> Expression | None:
        source = self._data.get("when")
        if not isinstance(source, str) or not source:
            return None
        path = (*self._path, "when")
        try:
            when = self._templates.expression(source, written=self._document.written(path))
        except CompileError as error:
            self.problems.append(compile_problem(self._document, path, error))
            return None
        self._add(path, when)
        return when

    def _message(self, channel_type: str, rule: str, description: str) -> Message | None:
        data = reports.with_form(channel_type, self._data) if self._is_report else self._data
        if self._says_miss:
            data = expected.with_form(channel_type, self._data)
        fields = {
            name: value
            for name, value in data.items()
            if name in FIELDS[channel_type] and not self._document.is_spoiled((*self._path, name))
        }
        try:
            message = compile_message(
                self._templates,
                channel_type,
                fields,
                rule=rule,
                description=description,
                # What comes from our own form stands in no line of the file.
                written=lambda path: self._document.written((*self._path, *path)) if path[0] in self._data else "",
            )
        except MessageProblems as found:
            self.problems += [
                compile_problem(self._document, (*self._path, *each.path), each.error) for each in found.problems
            ]
            return None
        for path, part in message.parts:
            self._add((*self._path, *path), part, self._more)
            if path == ("html",):
                self.notes += unescaped_notes(self._document, (*self._path, *path), part)
        return message

    def _add(self, path: DataPath, part: Compiled, more: frozenset[str] = frozenset()) -> None:
        lookups = self._lookups | more if more else self._lookups
        problems = name_problems(self._document, path, part, lookups, known=self._known)
        if self._says_miss:
            of_events = {
                f"there is nothing called `{name}` here" for name in (*ALWAYS_KNOWN - self._known, *self._of_event)
            }
            problems = [replace(found, hint=_NOT_COME) if found.message in of_events else found for found in problems]
        self.problems += problems
        for found in field_problems(self._document, path, part):
            (self.notes if found.severity == "note" else self.problems).append(found)
        self.parts.append((path, part))

    def _problem(self, path: DataPath, message: str, *, hint: str = "") -> None:
        self.problems.append(self._document.problem((*self._path, *path), message, hint=hint))


def attachments(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an entry attaches, as it is written; the schema has spoken about names that there are not."""
    names = data.get("attach")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def foreign_fields(document: Document, path: DataPath, data: Mapping[str, Any], types: set[str]) -> list[Problem]:
    """Return a problem for each field that a message to channels of these types does not have, but another would."""
    fields = frozenset[str]().union(*(FIELDS[type_] for type_ in types))
    kinds = "/".join(sorted(types))
    return [
        document.problem(
            (*path, field),
            f"`{field}` is no field of a message to {kinds}",
            hint=shown_names("fields", fields),
            key=True,
        )
        for field in data
        if field in EVERY_FIELD and field not in fields
    ]
