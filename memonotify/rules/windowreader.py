"""Reads what a rule counts: `window`. `reader` calls it.

In: the rule's data, and how to compile a text at a path within the rule. Out: Windows, and every problem.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from memonotify.config.durations import format_duration, parse_duration
from memonotify.errors import Problem
from memonotify.rules.match import Match
from memonotify.rules.windows import Window
from memonotify.templating.environment import Expression, Text
from memonotify.windowing import Measure
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

LONGEST_S: Final = 366 * 86_400.0
_RESOURCE: Final = "resource"


class WindowReader:
    """Reads the windows of one rule. `problems` holds what was found.

    `text` and `expression` compile what stands at a path within the rule; `plain` compiles an expression that stands
    nowhere. `lookups` are the rule's; `taken` are the names that mean something else already.
    """

    def __init__(
        self,
        document: Document,
        path: DataPath,
        data: Mapping[str, Any],
        *,
        text: Callable[[DataPath], Text | None],
        expression: Callable[[DataPath], Expression | None],
        plain: Callable[[str], Expression],
        lookups: Mapping[str, Text],
        taken: frozenset[str],
    ) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._path = path
        self._data = data.get("window")
        self._text = text
        self._expression = expression
        self._plain = plain
        self._lookups = lookups
        self._taken = taken

    def windows(self, match: Match) -> Iterator[Window]:
        """Read every window; `match` is the rule's own."""
        for name, data in windows_of(self._data):
            window = self._window(name, data, match)
            if window is not None:
                yield window

    def _window(self, name: str, data: Mapping[str, Any], match: Match) -> Window | None:
        path: DataPath = ("window", name)
        if name in self._taken:
            self._problem(path, f"a window cannot be called `{name}`: that name is taken", key=True)
        measure = self._measure(path, data)
        by, within_s = self._text((*path, "by")), self._within((*path, "within"), data)
        when = self._expression((*path, "when")) if "when" in data else None
        amount = None
        if measure is Measure.SUM:
            amount = self._plain(_RESOURCE) if data.get("sum") is True else self._expression((*path, "sum"))
        if measure is None or by is None or within_s is None or (measure is Measure.SUM and amount is None):
            return None
        own = _match(data, match)
        return Window(
            name=name,
            measure=measure,
            match=own,
            by=by,
            within_s=within_s,
            digest=_digest(measure, within_s, own, (by, when, amount), self._lookups),
            when=when,
            amount=amount,
        )

    def _measure(self, path: DataPath, data: Mapping[str, Any]) -> Measure | None:
        given = [measure for measure in Measure if measure in data]
        listed = "`count: true`, `sum: true` or `first_seen: true`"
        if not given:
            self._problem(path, f"window `{path[-1]}` does not say what it tells", hint=listed, key=True)
            return None
        if len(given) > 1:
            names = " and ".join(f"`{measure}`" for measure in given)
            self._problem((*path, given[1]), f"a window tells one thing, not {names}", hint="make two of it", key=True)
            return None
        return given[0]

    def _within(self, path: DataPath, data: Mapping[str, Any]) -> float | None:
        text = data.get("within")
        if not isinstance(text, str):
            return None
        try:
            seconds = parse_duration(text)
        except ValueError:
            # The schema has spoken.
            return None
        if not 0 < seconds <= LONGEST_S:
            self._problem(path, f"it is between 1ms and {format_duration(LONGEST_S)}")
            return None
        return seconds

    def _problem(self, path: DataPath, message: str, *, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._document.problem((*self._path, *path), message, hint=hint, key=key))


def windows_of(data: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the windows of what stands under `window`, by name; what has another shape is passed over."""
    for name, window in data.items() if isinstance(data, dict) else ():
        if isinstance(window, dict):
            yield str(name), window


def measure_of(data: Mapping[str, Any]) -> str:
    """Return what a window tells, as it is written; empty where it does not say."""
    return next((measure.value for measure in Measure if measure in data), "")


def _match(data: Mapping[str, Any], match: Match) -> Match:
    """Return which events a window counts: as it says itself, in the workspaces of its rule."""
    own = data.get("match")
    if not isinstance(own, dict):
        return match
    return Match(
        event_type=_patterns(own.get("event_type")),
        resource_type=_patterns(own.get("resource_type")),
        workspace=match.workspace,
    )


def _digest(
    measure: Measure,
    within_s: float,
    match: Match,
    parts: tuple[Expression | Text | None, ...],
    lookups: Mapping[str, Text],
) -> str:
    """Name a window by all that decides what it counts: its texts, the look-ups that they read, its match and time."""
    names = set().union(*(part.names for part in parts if part is not None)) & lookups.keys()
    facts = [
        [measure, within_s, match.event_type, match.resource_type, match.workspace],
        [None if part is None else part.digest for part in parts],
        [[name, lookups[name].digest] for name in sorted(names)],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _patterns(given: Any) -> tuple[str, ...] | None:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list):
        return tuple(item for item in given if isinstance(item, str))
    return None
