"""Which silence, if any, holds a message back: people have said that what fits shall not be sent for a while.

In: the silences in force, what the message is, and the facts of its event. Out: the one Silence that applies. Pure; the
stage of the silences calls it for each message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from memonotify.model import Fate, Matchers, Silence

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_MISSING: Final = object()
_WORDS: Final[Mapping[str, object]] = {"true": True, "false": False, "null": None}


def silence_for(
    silences: Iterable[Silence],
    *,
    rule: str,
    channel: str,
    workspace: str,
    event: Mapping[str, Any],
    resource: Any,
    at: datetime,
) -> Silence | None:
    """Return the silence that applies to a message of a rule through a channel, None where none does.

    `event` is the body as posted; `resource` is None where nothing was fetched, and then no field of it fits anything.
    Of several, one that drops comes before one that holds, for what somebody does not want at all is not to be sent
    later; then the one that ends last, then the smaller id.
    """
    facts = {"event": event, "resource": resource}
    fitting = [
        silence
        for silence in silences
        if silence.is_active(at)
        and _names_fit(silence.matchers, rule, channel, workspace, event)
        and all(field_fits(facts, path, wanted) for path, wanted in silence.matchers.fields)
    ]
    return min(fitting, key=_precedence, default=None)


def field_fits(facts: Mapping[str, Any], path: str, wanted: str) -> bool:
    """Tell whether the value at a dotted path is the wanted one, written as people write it.

    A text fits the same text or a glob that it matches; a number any way to write it (`12500`, `12500.0`); `true`,
    `false` and `null` fit themselves. A path that leads nowhere, to a list or to a mapping fits nothing.
    """
    value = _value_at(facts, path)
    if isinstance(value, str):
        return value == wanted or fnmatchcase(value, wanted)
    if value is None or isinstance(value, bool):
        return wanted in _WORDS and _WORDS[wanted] is value
    if isinstance(value, int | float | Decimal):
        return _NUMBER.fullmatch(wanted) is not None and Decimal(str(value)) == Decimal(wanted)
    return False


def _value_at(facts: Mapping[str, Any], path: str) -> Any:
    value: Any = facts
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step, _MISSING)
        elif isinstance(value, list | tuple) and _INDEX.fullmatch(step):
            value = value[int(step)] if int(step) < len(value) else _MISSING
        else:
            return _MISSING
    return value


def _names_fit(matchers: Matchers, rule: str, channel: str, workspace: str, event: Mapping[str, Any]) -> bool:
    return (
        _fits(matchers.rule, rule)
        and _fits(matchers.channel, channel)
        and _fits(matchers.workspace, workspace)
        and _fits(matchers.event_type, str(event.get("event_type", "")))
    )


def _fits(patterns: Sequence[str], value: str) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


def _precedence(silence: Silence) -> tuple[bool, float, str]:
    return silence.then is Fate.HOLD, -silence.ends_at.timestamp(), silence.id
