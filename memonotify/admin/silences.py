"""Silences as the API speaks of them: the body of a request, and the answer, as plain JSON data. Pure.

`admin.api` reads requests by it, and `memonotify silence` makes and reads the same; `Operations` asks for the rest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from memonotify.admin.known import Known
from memonotify.admin.records import moment_text
from memonotify.catalogue import EVENT_TYPES
from memonotify.config.durations import parse_duration
from memonotify.config.suggest import did_you_mean
from memonotify.errors import NotFound
from memonotify.model import Fate, HeldBack, Matchers, Silence
from memonotify.rules.match import fits, is_glob

Json = dict[str, Any]

LONGEST: Final = timedelta(days=366)
"""A silence ends: what is not wanted for longer is taken out of the rules."""

_NAMES: Final = ("rule", "channel", "workspace", "event_type")
_KEYS: Final = frozenset({*_NAMES, "fields", "for", "until", "then", "reason", "author"})
_PATH: Final = re.compile(r"(event|resource)(\.[^.\s=]{1,200}){1,32}")
_MOST: Final = 100
_MAX_TEXT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceOrder:
    """What somebody wants silenced: until a moment, or for so long from now. Exactly one of the two is given."""

    matchers: Matchers
    until: datetime | None
    for_s: float | None
    then: Fate
    reason: str
    author: str


def order_of(body: Any) -> SilenceOrder:
    """Return what a request's body asks for.

    Raises:
        ValueError: it is not such a body; says what is wrong.
    """
    if not isinstance(body, dict):
        raise ValueError("the body is not an object")  # noqa: TRY004 - the caller's mistake, told as the others are
    unknown = body.keys() - _KEYS
    if unknown:
        raise ValueError(f"{min(unknown)} is not a key of a silence")
    matchers = Matchers(**{name: _names(body, name) for name in _NAMES}, fields=_fields(body))
    if matchers == Matchers():
        raise ValueError(
            "a silence needs a rule, channel, workspace, event_type or field, or it would silence everything"
        )
    until, for_s = _moment(body), _seconds(body)
    if (until is None) == (for_s is None):
        raise ValueError("a silence needs an end: say either for or until")
    return SilenceOrder(
        matchers=matchers,
        until=until,
        for_s=for_s,
        then=_fate(body),
        reason=_text(body, "reason"),
        author=_text(body, "author"),
    )


def ids_of(body: Any) -> list[str]:
    """Return the silences that a request's body names.

    Raises:
        ValueError: it names none.
    """
    ids = body.get("ids") if isinstance(body, dict) and body.keys() == {"ids"} else None
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise ValueError("the body holds ids, a list of strings, and nothing else")
    return ids


def new_silence(order: SilenceOrder, *, now: datetime, random_bytes: Callable[[int], bytes]) -> Silence:
    """Return the silence that an order makes now.

    Raises:
        ValueError: it would end in the past, or be too long.
    """
    ends_at = order.until if order.until is not None else now + timedelta(seconds=min(order.for_s or 0, 3e9))
    if ends_at <= now:
        raise ValueError(f"the end lies in the past: it is {moment_text(now)} now")
    if ends_at - now > LONGEST:
        raise ValueError("a silence lasts a year at the most; set the rule's mode to off instead")
    return Silence(
        id="sil_" + base64.b32encode(random_bytes(5)).decode().lower(),
        matchers=order.matchers,
        starts_at=now,
        ends_at=ends_at,
        then=order.then,
        reason=order.reason,
        author=order.author,
        created_at=now,
    )


def demand_names(matchers: Matchers, channels: Iterable[str], known: Known) -> list[str]:
    """Refuse a name that nothing has, for it would silence nothing; return what is doubtful, each as a sentence.

    A glob may be for what comes later, and the bank for an event type, so they are only told. Where the rules or the
    workspaces are not known, nothing is said of them.

    Raises:
        NotFound: there is no such rule, channel or workspace.
    """
    rules = None if known.rules is None else [rule.name for rule in known.rules.rules]
    notes: list[str] = []
    for kind, patterns, names in (
        ("rule", matchers.rule, rules),
        ("channel", matchers.channel, list(channels)),
        ("workspace", matchers.workspace, known.workspaces),
    ):
        if names is not None:
            notes += _unknown(kind, patterns, names)
    for pattern in matchers.event_type:
        if not any(fits((pattern,), name) for name in EVENT_TYPES):
            hint = _hint(pattern, EVENT_TYPES)
            notes.append(f"The bank has not published an event type that fits {pattern}{hint}.")
    return notes


def _unknown(kind: str, patterns: tuple[str, ...], names: Iterable[str]) -> list[str]:
    notes = []
    for pattern in patterns:
        if any(fits((pattern,), name) for name in names):
            continue
        if not is_glob(pattern):
            raise NotFound(f"there is no {kind} {pattern}{_hint(pattern, names)}")
        notes.append(f"No {kind} fits {pattern} now.")
    return notes


def _hint(word: str, names: Iterable[str]) -> str:
    hint = "" if is_glob(word) else did_you_mean(word, names)
    return f" ({hint})" if hint else ""


def silence_json(silence: Silence, held_back: HeldBack, *, now: datetime) -> Json:
    """Return a silence as lists show it, with how many messages it has met."""
    matchers = silence.matchers
    return {
        "id": silence.id,
        "state": "active" if silence.is_active(now) else "ended" if silence.ends_at <= now else "pending",
        "rule": list(matchers.rule),
        "channel": list(matchers.channel),
        "workspace": list(matchers.workspace),
        "event_type": list(matchers.event_type),
        "fields": dict(matchers.fields),
        "then": str(silence.then),
        "starts_at": moment_text(silence.starts_at),
        "ends_at": moment_text(silence.ends_at),
        "reason": silence.reason,
        "author": silence.author,
        "created_at": moment_text(silence.created_at),
        "held": held_back.held,
        "suppressed": held_back.suppressed,
        "released": held_back.released,
    }


def _names(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key)
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) > _MOST or not all(isinstance(one, str) for one in names):
        raise ValueError(f"{key} is a text, or a list of at most {_MOST} texts")
    if any(not one or len(one) > _MAX_TEXT for one in names):
        raise ValueError(f"{key} is empty or too long")
    return tuple(dict.fromkeys(names))


def _fields(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    value = body.get("fields")
    if value is None:
        return ()
    if not isinstance(value, dict) or len(value) > _MOST:
        raise ValueError(f"fields is an object with at most {_MOST} paths")
    return tuple((_path(path), _wanted(path, wanted)) for path, wanted in value.items())


def _path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path} is not a field: it begins with event. or resource., such as resource.currency")
    return path


def _wanted(path: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, dict | list) or len(text) > _MAX_TEXT:
        raise ValueError(f"what {path} has to be is one value of at most {_MAX_TEXT} characters")
    return text


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise ValueError(f"{key} is a text of at most {_MAX_TEXT} characters")
    return value.strip()


def _fate(body: Mapping[str, Any]) -> Fate:
    value = body.get("then", Fate.DROP)
    if not isinstance(value, str) or value not in set(Fate):
        raise ValueError(f"then is {' or '.join(Fate)}")
    return Fate(value)


def _seconds(body: Mapping[str, Any]) -> float | None:
    value = body.get("for")
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("for is a duration such as 2h")  # noqa: TRY004 - the caller's mistake, told as the others are
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"for is not a duration: {error}") from None


def _moment(body: Mapping[str, Any]) -> datetime | None:
    value = body.get("until")
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("until is not an ISO 8601 moment") from None
    if at.tzinfo is None:
        raise ValueError("until has no zone")
    return at
