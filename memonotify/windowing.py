"""The nouns of windows: what a rule counts by a key over a time. Frozen values; imports nothing of ours.

`policies.window` reckons with them, the engine asks with them, the store keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Measure(StrEnum):
    """What a window tells of a key: how many resources, their amounts' sum, or whether there was none before."""

    COUNT = "count"
    SUM = "sum"
    FIRST_SEEN = "first_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowEntry:
    """One resource in a window: under which key, since when, and with how much of the currency's smallest unit.

    `window` is the digest of the window's definition. There is one entry for a resource: that of the event that came
    in last, by `event_seq`. Without a sum the amount is 0 and the currency empty.
    """

    window: str
    workspace: str
    key: str
    at: datetime
    event_seq: int
    resource_type: str
    resource_id: str
    amount: int = 0
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpan:
    """A question about a window: its entries for a key behind `after`, up to and with `until`, but one resource's.

    A sum is of one currency. `measure` says what of the Figures is looked at, so that no more has to be read.
    """

    window: str
    measure: Measure
    workspace: str
    key: str
    after: datetime
    until: datetime
    resource_type: str
    resource_id: str
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What there is in a span. For `first_seen`, `count` is 1 for any number; only for `sum` there is an `amount`."""

    count: int = 0
    amount: int = 0
