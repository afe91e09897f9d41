"""Notes on fields that no resource has on which a rule can look, with the nearest name that one has.

In: what a rule's expressions read, and the resource types its `match` lets through. Out: doubts, each with a hint. The
rules' reader calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS
from memonotify.config.suggest import did_you_mean
from memonotify.fields import FIELDS, knows, names_at
from memonotify.rules.match import Match, fits

Path = tuple[str, ...]

_LISTED: Final = 4
"""More types than these are not listed in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDoubt:
    """A dotted name that leads nowhere for any of the types, and what may be meant."""

    path: Path
    types: tuple[str, ...]
    hint: str

    @property
    def message(self) -> str:
        """The sentence of the note."""
        field = f"`{'.'.join(self.path[1:])}`, as far as is known"
        if len(self.types) == 1:
            return f"a resource of type {self.types[0]} has no field {field}"
        if len(self.types) > _LISTED:
            return f"no resource that the rule looks at has a field {field}"
        return f"none of {', '.join(self.types)} has a field {field}"


@lru_cache(maxsize=1024)
def types_of(match: Match) -> tuple[str, ...]:
    """Return the known resource types that a match lets through."""
    return tuple(
        dict.fromkeys(
            resource_type
            for event_type, resource_type in EVENT_TYPES.items()
            if (match.event_type is None or fits(match.event_type, event_type))
            and (match.resource_type is None or fits(match.resource_type, resource_type))
        )
    )


def type_of_lookup(source: str) -> str | None:
    """Return the resource type that a look-up's path brings, None where it is none that is known: a list, say."""
    steps = source.partition("?")[0].rstrip("/").split("/")
    for resource_type, template in RESOURCE_PATHS.items():
        known = template.split("/")
        if len(steps) == len(known) and all(
            step == other for step, other in zip(steps, known, strict=True) if other != "{id}"
        ):
            return resource_type if "{{" in steps[-1] or resource_type not in steps else None
    return None


def doubts(paths: Iterable[Path], owners: Mapping[str, tuple[str, ...]]) -> tuple[FieldDoubt, ...]:
    """Return what leads nowhere. `owners` maps a name such as `resource` to the types it may be of."""
    return _doubts(frozenset(paths), tuple(owners.items()))


@lru_cache(maxsize=1024)
def _doubts(paths: frozenset[Path], owned: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[FieldDoubt, ...]:
    return tuple(_found(paths, dict(owned)))


def _found(paths: Iterable[Path], owners: Mapping[str, tuple[str, ...]]) -> Iterator[FieldDoubt]:
    for path in sorted(paths):
        types = owners.get(path[0], ())
        if len(path) < 2 or not types or any(one not in FIELDS for one in types):
            continue
        if not any(knows(one, path[1:]) for one in types):
            names = sorted({name for one in types for name in names_at(one, path[1:])})
            yield FieldDoubt(path=path, types=types, hint=did_you_mean(path[-1], names))
