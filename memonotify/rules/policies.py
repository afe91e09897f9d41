"""What a rule says of when it speaks, as frozen values; the loader makes them, the engine reads them.

Texts in them are compiled already. Durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from memonotify.templating.environment import Text

if TYPE_CHECKING:
    from memonotify.rules.values import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The first message for a key speaks, those within `within_s` after it do not.

    With `prefer`, patterns of event types, a message of any other type waits for `wait_s`: a better one may come.
    """

    per: Text
    within_s: float
    prefer: tuple[str, ...] | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """During the configuration's `hours` messages wait, are gathered into one, or are not sent at all."""

    hours: str
    then: Literal["hold", "digest", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One message for many with the same key: told `wait_s` after the first, or with `most` of them."""

    by: Text | None
    wait_s: float
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `count` messages within `per_s` for a key, each entry by itself; the rest are told in one."""

    count: int
    per_s: float
    by: Text | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an escalation: messages `after_s`, unless an event of one of these types came.

    `same` is the field of the event that both must have alike. No types: nothing but `resolved` ends it.
    """

    after_s: float
    event_types: tuple[str, ...]
    same: str
    entries: tuple[Entry, ...]
