"""One mapping of the configuration, read key by key: references resolved, texts checked, every fault with its place.

A key that is absent, or that the schema has already complained about, reads as its default. So reading goes on, and all
problems are told at once. Made by `config.loader`; used by the readers of the sections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from memonotify.config.checks import Refusal
from memonotify.config.durations import parse_duration
from memonotify.config.references import References, Resolved, UnresolvedError
from memonotify.errors import Problem
from memonotify.secret import Secret
from memonotify.yamlsource import Document, Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What all mappings of one file share. `unusable` are the paths that have a problem already."""

    document: Document
    references: References
    unusable: frozenset[Path]
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)


class Fields:
    """The mapping at one path of the file."""

    def __init__(self, source: Source, path: Path, data: Any) -> None:
        self.source = source
        self.path = path
        self._data: dict[str, Any] = data if isinstance(data, dict) else {}

    def names(self) -> list[str]:
        """Return the usable keys, as written."""
        return [name for name in self._data if self._is_usable(name)]

    def raw(self, name: str) -> Any:
        """Return the value as it stands in the file, or None where it is absent or unusable."""
        return self._data.get(name) if self._is_usable(name) else None

    def has(self, name: str) -> bool:
        """Whether the key is there, usable or not."""
        return name in self._data

    def written(self, name: str) -> Any:
        """Return the value as it stands in the file even where it is unusable."""
        return self._data.get(name)

    def written_names(self) -> list[str]:
        """Return all keys, also those whose value is unusable."""
        return list(self._data)

    def child(self, name: str) -> Fields:
        """Return the mapping under a key; an empty one where there is none."""
        return Fields(self.source, (*self.path, name), self.raw(name))

    def children(self, name: str) -> Iterator[Fields]:
        """Return the usable mappings in the list under a key."""
        items = self.raw(name)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            path = (*self.path, name, index)
            if path not in self.source.unusable and isinstance(item, dict):
                yield Fields(self.source, path, item)

    def integer(self, name: str, default: int) -> int:
        """Return a whole number."""
        value = self.raw(name)
        return default if value is None else int(value)

    def flag(self, name: str) -> bool:
        """Return whether the key is there and true."""
        return self.raw(name) is True

    def parsed(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return what `parse` makes of the text; the default where it refuses, or where the text is not known."""
        resolved = self._resolved(name)
        if resolved is None or not resolved.is_known:
            return default
        try:
            return parse(resolved.text)
        except ValueError as error:
            self.refuse((name,), error, resolved)
            return default

    def text(self, name: str, check: Callable[[str], str] | None = None, default: str = "") -> str:
        """Return a text that passes `check`; as written, unchecked, where its references are not known."""
        resolved = self._resolved(name)
        if resolved is None:
            return default
        if check is None or not resolved.is_known:
            return resolved.text
        try:
            return check(resolved.text)
        except ValueError as error:
            self.refuse((name,), error, resolved)
            return default

    def secret(self, name: str, check: Callable[[str], str]) -> Secret | None:
        """Return a text that masks itself."""
        return Secret(self.text(name, check)) if self.raw(name) is not None else None

    def items(self, name: str) -> Iterator[tuple[int, Resolved]]:
        """Return index and resolved text of each usable item of a list of texts."""
        values = self.raw(name)
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str) and (*self.path, name, index) not in self.source.unusable:
                resolved = self._resolve((name, index), value)
                if resolved is not None:
                    yield index, resolved

    def texts(self, name: str, check: Callable[[str], str]) -> tuple[str, ...]:
        """Return the texts of a list that pass `check`; those whose references are not known go unchecked."""
        found = []
        for index, resolved in self.items(name):
            try:
                found.append(check(resolved.text) if resolved.is_known else resolved.text)
            except ValueError as error:
                self.refuse((name, index), error, resolved)
        return tuple(found)

    def duration(self, name: str, default_s: float) -> float:
        """Return seconds, more than none."""
        return self.parsed(name, _positive_duration, default_s)

    def problem(self, name: str | Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Note that the value under a key (or at a path below) is wrong."""
        self.source.problems.append(self._problem(name, message, hint, key=key))

    def note(self, name: str | Path, message: str, hint: str = "") -> None:
        """Note that the value under a key (or at a path below) is doubtful."""
        path = (*self.path, *((name,) if isinstance(name, str) else name))
        self.source.notes.append(self.source.document.problem(path, message, hint=hint, severity="note"))

    def refuse(self, step: Path, error: ValueError, resolved: Resolved) -> None:
        """Note why a text is not taken, without showing what a reference in it has brought."""
        hint = error.hint if isinstance(error, Refusal) else ""
        self.problem(step, f"{named(step)}: {resolved.masked(str(error))}", resolved.masked(hint))

    def _problem(self, name: str | Path, message: str, hint: str, *, key: bool) -> Problem:
        path = (*self.path, *((name,) if isinstance(name, str) else name))
        return self.source.document.problem(path, message, hint=hint, key=key)

    def _is_usable(self, name: str) -> bool:
        return (*self.path, name) not in self.source.unusable

    def _resolved(self, name: str) -> Resolved | None:
        value = self.raw(name)
        return self._resolve((name,), value) if isinstance(value, str) else None

    def _resolve(self, step: Path, text: str) -> Resolved | None:
        try:
            return self.source.references.resolve(text)
        except UnresolvedError as error:
            self.problem(step, f"{named(step)}: {error}", error.hint)
            return None


def named(step: Path) -> str:
    """Return how a sentence calls the value: `port`, or item 2 of `tokens`."""
    return f"`{step[0]}`" if len(step) == 1 else f"item {int(step[1]) + 1} of `{step[0]}`"


def _positive_duration(text: str) -> float:
    seconds = parse_duration(text)
    if seconds <= 0:
        raise Refusal("a duration of nothing makes no sense here", "such as 10s")
    return seconds
