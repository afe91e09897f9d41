"""Turns what is wrong in a compiled or uncompilable text into Problems at the place where it stands.

Takes a document, a path in it and what `templating` says; gives Problems. Every reader of the rules calls it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from memonotify.catalogue import EVENT_FIELDS
from memonotify.config.suggest import did_you_mean
from memonotify.errors import CompileError, Problem, Severity
from memonotify.rules import expected, reports
from memonotify.templating.names import Analysis, Place
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath
from memonotify.yamlsource.document import dotted

ALWAYS_KNOWN: Final = frozenset({"event", "resource", "workspace"})
"""The names that every expression and message of a rule has."""


_WORKSPACE_FIELDS: Final = ("name",)
_METHODS: Final = frozenset({"copy", "get", "items", "keys", "values"})
"""What a mapping can do beside having fields."""
_KNOWN_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "workspace": _METHODS.union(_WORKSPACE_FIELDS),
    "report": _METHODS.union(reports.FIELDS),
    "expected": _METHODS.union(expected.FIELDS),
    "event": _METHODS.union(EVENT_FIELDS),
}


class Compiled(Protocol):
    """What was compiled: the names it takes from outside and the fields of those that it counts on, where each stands
    first, and a digest of its sources."""

    @property
    def names(self) -> frozenset[str]: ...
    @property
    def places(self) -> Mapping[str, Place]: ...
    @property
    def fields(self) -> Mapping[tuple[str, str], Place]: ...
    @property
    def analysis(self) -> Analysis: ...
    @property
    def digest(self) -> str: ...


def shown(path: Path) -> str:
    """Return a file's path as problems show it: relative to the working directory where it is inside."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def compile_problem(document: Document, path: DataPath, error: CompileError) -> Problem:
    """Return where a text does not compile: a line of the value at `path`, or of the template file that is at fault."""
    return placed(document, path, Place(error.file, error.line), error.message)


def placed(
    document: Document,
    path: DataPath,
    place: Place,
    message: str,
    *,
    hint: str = "",
    severity: Severity = "error",
    word: str = "",
) -> Problem:
    """Return a problem at a line of the text at `path`, or of a template file.

    With a `word`, it is the first line from there on that holds it: of an expression over several lines, Jinja knows
    only one.
    """
    file, line, column = shown(Path(place.file)), place.line, 1
    if not place.file:
        number = _line_of(word, document.written(path), place.line) if word else place.line
        file, (line, column) = document.file, document.text_place(path, number)
    return Problem(
        file=file, line=line, column=column, message=message, hint=hint, field=dotted(path), severity=severity
    )


def _line_of(word: str, text: str, line: int) -> int:
    whole = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    rest = text.split("\n")[line - 1 :]
    return next((number for number, one in enumerate(rest, start=line) if whole.search(one)), line)


def name_problems(
    document: Document,
    path: DataPath,
    compiled: Compiled,
    lookups: frozenset[str] = frozenset(),
    *,
    known: frozenset[str] = ALWAYS_KNOWN,
) -> list[Problem]:
    """Return a problem for each name in a text that nothing has a value for; `lookups` are the rule's own names."""
    # Asked of each text of each rule, so without a set made for it.
    if compiled.names <= known:
        return []
    unknown = compiled.names - known - lookups
    if not unknown:
        return []
    listed = sorted(known | lookups)
    return [
        placed(
            document,
            path,
            place,
            f"there is nothing called `{name}` here",
            hint=did_you_mean(name, listed) or shown_names("known", listed),
        )
        for name, place in compiled.places.items()
        if name in unknown
    ]


def field_problems(document: Document, path: DataPath, compiled: Compiled) -> list[Problem]:
    """Return a problem for each field of the workspace that there is none of, and a note for each of the event that the
    bank has not published. What a text asks for with a test or `default` is right either way.
    """
    found: list[Problem] = []
    for (name, field), place in compiled.fields.items():
        known = _KNOWN_FIELDS.get(name)
        if known is None or field in known:
            continue
        if name == "workspace":
            hint = did_you_mean(field, _WORKSPACE_FIELDS) or "a workspace has nothing but its `name`"
            found.append(placed(document, path, place, f"`workspace` has no field `{field}`", hint=hint))
        elif name == "report":
            hint = did_you_mean(field, reports.FIELDS) or shown_names("fields", reports.FIELDS)
            found.append(placed(document, path, place, f"`report` has no field `{field}`", hint=hint))
        elif name == "expected":
            hint = did_you_mean(field, expected.FIELDS) or shown_names("fields", expected.FIELDS)
            found.append(placed(document, path, place, f"`expected` has no field `{field}`", hint=hint))
        else:
            message = f"`event.{field}` is none of the five fields that every event has"
            hint = did_you_mean(field, EVENT_FIELDS) or "ask whether it is there: `is defined` or `| default(…)`"
            found.append(placed(document, path, place, message, hint=hint, severity="note"))
    return found


def unescaped_notes(document: Document, path: DataPath, compiled: Compiled) -> list[Problem]:
    """Return a note for each value that the HTML at `path`, or a template file of it, lets through as it is."""
    found = []
    for through, place in compiled.analysis.unescaped:
        note = placed(document, path, place, through.message, hint=through.hint, severity="note")
        # Of a file, the same is found for each message that uses it.
        found.append(replace(note, field="") if place.file else note)
    return found


def shown_names(what: str, names: Iterable[str]) -> str:
    """Return a hint that lists the names there are."""
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    return f"{what}: {listed}" if listed else f"there are no {what}"
