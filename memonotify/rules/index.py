"""Finds what matches an event without asking every rule, so that a rule for another type costs nothing.

Takes (Match, item) pairs in their order, gives the items whose match fits, in the same order. `Ruleset` calls it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import translate
from re import Pattern
from re import compile as compile_pattern
from typing import Final, Generic, TypeVar

from memonotify.rules.match import Match, is_glob

T = TypeVar("T")

MAX_HELD: Final = 500_000
"""How much the memory of answers may hold: one for each item in it, and `_ANSWER_COST` for each answer. About 8 MB."""
_ANSWER_COST: Final = 32


class Index(Generic[T]):
    """Items by what they match on, with a bounded memory of answers. For use on one thread."""

    def __init__(self, entries: Iterable[tuple[Match, T]]) -> None:
        self._entries = tuple(entries)
        # Each entry stands under every pattern of one of its facts, the one that tells most apart.
        self._exact: tuple[_Shelf, _Shelf, _Shelf] = (defaultdict(list), defaultdict(list), defaultdict(list))
        self._globs: tuple[_Shelf, _Shelf, _Shelf] = (defaultdict(list), defaultdict(list), defaultdict(list))
        self._everywhere: list[int] = []
        for position, (match, _) in enumerate(self._entries):
            self._shelve(position, (match.event_type, match.resource_type, match.workspace))
        self._compiled = tuple(
            tuple((_compile(pattern), positions) for pattern, positions in shelf.items()) for shelf in self._globs
        )
        self._memory: dict[tuple[str, str, str], tuple[T, ...]] = {}
        self._held = 0

    def find(self, event_type: str, resource_type: str, workspace: str) -> tuple[T, ...]:
        """Return the items whose match fits, in the order they were given."""
        facts = (event_type, resource_type, workspace)
        found = self._memory.get(facts)
        if found is None:
            found = self._search(facts)
            self._remember(facts, found)
        return found

    def _shelve(self, position: int, facts: tuple[tuple[str, ...] | None, ...]) -> None:
        for fact, patterns in enumerate(facts):
            if patterns is not None and not any(map(is_glob, patterns)):
                for value in patterns:
                    self._exact[fact][value].append(position)
                return
        for fact, patterns in enumerate(facts):
            if patterns is not None and "*" not in patterns:
                for pattern in patterns:
                    shelves = self._globs if is_glob(pattern) else self._exact
                    shelves[fact][pattern].append(position)
                return
        self._everywhere.append(position)

    def _search(self, facts: tuple[str, str, str]) -> tuple[T, ...]:
        positions = set(self._everywhere)
        for fact, value in enumerate(facts):
            positions.update(self._exact[fact].get(value, ()))
            for glob, under in self._compiled[fact]:
                if glob.match(value):
                    positions.update(under)
        return tuple(item for match, item in map(self._entries.__getitem__, sorted(positions)) if match.fits(*facts))

    def _remember(self, facts: tuple[str, str, str], found: tuple[T, ...]) -> None:
        cost = _ANSWER_COST + len(found)
        if self._held + cost > MAX_HELD:
            self._memory.clear()
            self._held = 0
        self._memory[facts] = found
        self._held += cost


_Shelf = defaultdict[str, list[int]]


def _compile(glob: str) -> Pattern[str]:
    return compile_pattern(translate(glob))
