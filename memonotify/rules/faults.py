"""Turns what is wrong in a compiled or uncompilable text into Problems at the place where it stands.

Takes a document, a path in it and what `templating` says; gives Problems. Every reader of the rules calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from memonotify.config.suggest import did_you_mean
from memonotify.errors import CompileError, Problem
from memonotify.templating.names import Place
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath
from memonotify.yamlsource.document import dotted

ALWAYS_KNOWN: Final = frozenset({"event", "resource", "workspace"})
"""The names that every expression and message of a rule has."""


class Compiled(Protocol):
    """What was compiled: the names it takes from outside, where each stands first, and a digest of its sources."""

    @property
    def names(self) -> frozenset[str]: ...
    @property
    def places(self) -> Mapping[str, Place]: ...
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


def placed(document: Document, path: DataPath, place: Place, message: str, *, hint: str = "") -> Problem:
    """Return a problem at a line of the text at `path`, or of a template file."""
    if place.file:
        return Problem(
            file=shown(Path(place.file)), line=place.line, column=1, message=message, hint=hint, field=dotted(path)
        )
    line, column = document.text_place(path, place.line)
    return Problem(file=document.file, line=line, column=column, message=message, hint=hint, field=dotted(path))


def name_problems(
    document: Document, path: DataPath, compiled: Compiled, lookups: frozenset[str] = frozenset()
) -> list[Problem]:
    """Return a problem for each name in a text that nothing has a value for; `lookups` are the rule's own names."""
    unknown = compiled.names - ALWAYS_KNOWN - lookups
    if not unknown:
        return []
    known = sorted(ALWAYS_KNOWN | lookups)
    return [
        placed(
            document,
            path,
            place,
            f"there is nothing called `{name}` here",
            hint=did_you_mean(name, known) or shown_names("known", known),
        )
        for name, place in compiled.places.items()
        if name in unknown
    ]


def shown_names(what: str, names: Iterable[str]) -> str:
    """Return a hint that lists the names there are."""
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    return f"{what}: {listed}" if listed else f"there are no {what}"
