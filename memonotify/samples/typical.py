"""The events of a published type with their resources, as the bank may send them: with every field, with the usual
ones, and with those alone that it never leaves out.

In: an event type. Out: its samples, the same each time. The engine's `sampling` tries the rules with them for `check`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS
from memonotify.fields import FIELDS, REQUIRED
from memonotify.samples.books import Books, Resource
from memonotify.samples.data import France
from memonotify.samples.resources import Builder, Hints, moment

AT: Final = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
"""When all samples happen."""

_SMALL, _LARGE = 1_050, 25_000_000
_BALANCES: Final = (-5_000, 90_000_000)
_SOURCES: Final = (
    "transfer_incoming",
    "transfer_outgoing",
    "card_debit",
    "collection_outgoing",
    "collection_incoming",
    "transfer_outgoing_return",
    "wire_transfer_incoming",
    "subscription",
)
"""Kinds of transactions whose fields differ, or that come in or go out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An event's body and its resource. `is_whole`: it has every field that is known; else the bank may send it so."""

    event: dict[str, str]
    resource: Resource
    is_whole: bool
    _books: Books

    def answer(self, path: str) -> Resource | None:
        """Return what the bank would have at a look-up's path; None where there are no samples of that."""
        for resource_type, template in RESOURCE_PATHS.items():
            resource_id = path.removeprefix(template.removesuffix("{id}"))
            if resource_id != path and resource_id.isascii() and not set(resource_id) & set("/?"):
                known = self._books.get(resource_type, resource_id) or next(iter(self._books.all(resource_type)), None)
                if known is None:
                    return None
                return whole(resource_type, known) if self.is_whole else sparse(resource_type, known)
        return None


class AnyFields(dict[str, Any]):
    """An object in which the bank's customer may put any field: it has each one that is asked for."""

    def __missing__(self, key: str) -> str:
        return "text"

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - nothing is missing
        """Return the field, there or not."""
        return self[key]


@lru_cache(maxsize=len(EVENT_TYPES))
def samples(event_type: str) -> tuple[Sample, ...]:
    """Return the samples of a published event type, those with every field first; nothing for another type."""
    resource_type = EVENT_TYPES.get(event_type)
    if resource_type is None:
        return ()
    made = list(_made(event_type, resource_type))
    return tuple(
        Sample(_event(event_type, resource_type, resource), shape(resource_type, resource), shape is whole, books)
        for shape in (whole, _usual, sparse)
        for books, resource in made
    )


def whole(resource_type: str, resource: Resource) -> Resource:
    """Return a resource with every field that one of its type can have."""
    filled: Resource = _copy(resource)
    for name in sorted(FIELDS[resource_type]):
        *way, last = name.split(".")
        inner = filled
        for step in way[: -1 if last == "*" else None]:
            inner = inner.setdefault(step, {})
        if last == "*":
            inner[way[-1]] = AnyFields(inner.get(way[-1]) or {})
        elif last not in inner:
            inner[last] = {} if _has_inner(resource_type, name) else _value(last)
    return filled


def sparse(resource_type: str, resource: Resource) -> Resource:
    """Return a resource without the fields that the bank may leave out."""
    return _stripped(resource, "", REQUIRED[resource_type])


def _usual(_: str, resource: Resource) -> Resource:
    copy: Resource = _copy(resource)
    return copy


class _Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return 0.0


def _made(event_type: str, resource_type: str) -> Iterator[tuple[Books, Resource]]:
    """Yield resources that differ in what rules ask about: small and large, in and out, accounts full and empty."""
    outcome = event_type.removeprefix(f"{resource_type}_")
    sources = _SOURCES if resource_type == "transaction" else ("",)
    for number, source_type in enumerate(sources):
        for amount, balance in zip((_SMALL, _LARGE), _BALANCES, strict=True):
            books, france = Books(), France(random.Random(number))  # noqa: S311 - samples, not secrets
            builder = Builder(books, france, _Still())
            account = builder.make("account", "created")
            account["balance"] = balance
            resource = builder.make(resource_type, outcome, Hints(amount=amount, source_type=source_type))
            if resource_type == "account":
                resource["balance"] = 0 if outcome == "closed" else balance
            yield books, resource


def _event(event_type: str, resource_type: str, resource: Resource) -> dict[str, str]:
    return {
        "id": "00000000-0000-4000-8000-000000000001",
        "date": moment(AT),
        "event_type": event_type,
        "resource_type": resource_type,
        "resource_id": str(resource["id"]),
    }


def _stripped(resource: Resource, prefix: str, required: frozenset[str]) -> Resource:
    kept: Resource = {}
    for name, value in resource.items():
        whole_name = f"{prefix}{name}"
        if whole_name not in required and f"{prefix}*" not in required:
            continue
        has_inner = isinstance(value, dict) and any(other.startswith(f"{whole_name}.") for other in required)
        kept[name] = _stripped(value, f"{whole_name}.", required) if has_inner else value
    return kept


def _has_inner(resource_type: str, name: str) -> bool:
    return any(other.startswith(f"{name}.") for other in FIELDS[resource_type])


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _value(name: str) -> Any:
    """Return a value of the kind that a field of this name holds."""
    if name.endswith("currency"):
        return "EUR"
    if name.endswith("amount") or name == "balance":
        return _SMALL
    if name.endswith("iban"):
        return "FR7617338000010109143651430"
    if name == "date" or name.endswith("_date"):
        return moment(AT)
    if name.startswith(("is_", "allow_")):
        return False
    if name.endswith(("s_total", "s_confirmed", "s_canceled", "s_failed", "_count")) or name == "size":
        return 1
    if name in ("capabilities", "identification_matches", "risk_indicators"):
        return []
    return "text"
