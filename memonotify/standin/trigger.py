"""Raises an event: makes a resource whose state fits the event type, applies overrides, writes the event.

In: an event type, known or not, and overrides such as `resource.amount`, `event.x` or `account.balance`. Out: the event
as the bank posts it, with the resource in the books for whoever fetches it. Called by the stand-in.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS
from memonotify.errors import StandInError
from memonotify.model import Clock
from memonotify.samples.books import Books, Resource
from memonotify.samples.data import France
from memonotify.samples.resources import Builder, Hints, moment
from memonotify.samples.sources import DIRECTIONS, Direction

_ROOTS: Final = ("resource", "event", "account")
_TYPE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _check_path(path: str) -> None:
    root, _, rest = path.partition(".")
    if root not in _ROOTS:
        close = difflib.get_close_matches(root, _ROOTS, n=1, cutoff=0.85)
        hint = f"did you mean {close[0]}?" if close else f"did you mean resource.{path}?"
        raise StandInError(f"{path!r}: a setting begins with resource., event. or account. ({hint})")
    if rest and not all(rest.split(".")):
        raise StandInError(f"{path!r}: a part between two dots is empty")


def put(target: Any, path: str, value: Any) -> None:
    """Set what `path` names within `target`, making objects on the way; a number is the place in a list.

    Raises:
        StandInError: the path runs into something that has no fields.
    """
    *way, last = path.split(".")
    for part in way:
        target = _step(target, part, path)
    if isinstance(target, list):
        target[_index(target, last, path)] = value
    elif isinstance(target, dict):
        target[last] = value
    else:
        raise StandInError(f"{path!r}: there is no field {last!r} in a {type(target).__name__}")


def _step(target: Any, part: str, path: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, part, path)]
    if not isinstance(target, dict):
        raise StandInError(f"{path!r}: there is no field {part!r} in a {type(target).__name__}")
    if target.get(part) is None:
        target[part] = {}
    return target[part]


def _index(target: list[Any], part: str, path: str) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= len(target):
        raise StandInError(f"{path!r}: {part!r} is no place in a list of {len(target)}")
    return int(part)


def resource_type_of(event_type: str) -> str:
    """Return the resource type of an event type; of an unknown one, what its name suggests."""
    known = EVENT_TYPES.get(event_type)
    if known:
        return known
    prefixes = [name for name in RESOURCE_PATHS if event_type.startswith(f"{name}_")]
    return max(prefixes, key=len) if prefixes else event_type.rpartition("_")[0] or event_type


class Trigger:
    """Raises events on the books of one stand-in."""

    def __init__(self, books: Books, builder: Builder, france: France, clock: Clock) -> None:
        self._books = books
        self._builder = builder
        self._france = france
        self._clock = clock

    def raise_event(self, event_type: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return a new event. Overriding `event.resource_id` alone makes one whose resource cannot be found.

        Raises:
            StandInError: the type or an override is ill-formed; nothing was raised then.
        """
        if not _TYPE.fullmatch(event_type):
            raise StandInError(f"{event_type!r} is no event type: 1 to 64 of letters, digits, '_', '.' and '-'")
        for path in overrides:
            _check_path(path)
        resource_type = str(overrides.get("event.resource_type") or resource_type_of(event_type))
        outcome = event_type.removeprefix(f"{resource_type}_")
        resource = self._builder.make(resource_type, outcome, _hints(overrides))
        try:
            self._apply(resource_type, resource, overrides)
        except StandInError:
            self._books.forget(resource_type, str(resource["id"]))
            raise
        return self._event(event_type, resource_type, resource, overrides)

    def _apply(self, resource_type: str, resource: Resource, overrides: Mapping[str, Any]) -> None:
        made_as = str(resource["id"])
        _override(resource, "resource", overrides)
        if str(resource["id"]) != made_as:
            self._books.forget(resource_type, made_as)
            self._books.add(resource_type, resource)
        if resource_type == "transaction":
            self._book(resource)
        account = resource if resource_type == "account" else self._account_of(resource)
        if account is not None:
            _override(account, "account", overrides)
        elif any(path.partition(".")[0] == "account" for path in overrides):
            raise StandInError(f"a {resource_type} has no account whose fields could be set")

    def _account_of(self, resource: Resource) -> Resource | None:
        return self._books.get("account", str(resource.get("account_id")))

    def _book(self, transaction: Resource) -> None:
        # A debit leaves the available balance when it is authorized, a credit enters it when it is confirmed.
        account, amount = self._account_of(transaction), transaction["amount"]
        if account is None or type(amount) is not int or transaction["currency"] != account["currency"]:
            return
        if transaction["direction"] == "credit" and transaction["status"] == "confirmed":
            account["balance"] += amount
        if transaction["direction"] == "debit" and transaction["status"] in {"authorized", "confirmed"}:
            account["balance"] -= amount

    def _event(
        self, event_type: str, resource_type: str, resource: Resource, overrides: Mapping[str, Any]
    ) -> dict[str, Any]:
        event = {
            "id": self._france.uuid(),
            "date": moment(self._clock.now()),
            "event_type": event_type,
            "resource_type": resource_type,
            "resource_id": resource["id"],
        }
        _override(event, "event", overrides)
        return event


def _override(target: Resource, root: str, overrides: Mapping[str, Any]) -> None:
    for path, value in overrides.items():
        head, _, rest = path.partition(".")
        if head != root:
            continue
        if rest:
            put(target, rest, value)
        elif isinstance(value, Mapping):
            target.update(value)
        else:
            raise StandInError(f"{root!r} can only be set to an object; to set one field write {root}.field=value")


def _hints(overrides: Mapping[str, Any]) -> Hints:
    """Return what the overrides say of the shape a resource must have, so that the rest of it fits."""
    direction = overrides.get("resource.direction")
    source_type = overrides.get("resource.source.type")
    amount = overrides.get("resource.amount", overrides.get("resource.instructed_amount"))
    if isinstance(source_type, str) and direction is None:
        direction = DIRECTIONS.get(source_type)
    return Hints(
        direction=cast("Direction", direction) if direction in {"credit", "debit"} else None,
        source_type=source_type if isinstance(source_type, str) else "",
        account_id=str(overrides.get("resource.account_id", "")),
        local_iban=str(overrides.get("resource.local_iban", "")),
        amount=amount if type(amount) is int and amount > 0 else None,
    )
