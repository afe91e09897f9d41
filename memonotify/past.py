"""The nouns of looking back, as frozen values: which stored events, what is kept of one, what a replay says.

The store reads and writes them, the engine decides over them, the API and the commands hand them on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from memonotify.model import Decision, Delivery, Event, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which stored events: those of `event_ids`, else all; narrowed by workspace and by when they were taken in.

    `since` is included, `until` is not.
    """

    event_ids: tuple[str, ...] | None = None
    workspace: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many events a selection has, and the numbers of the first and the last of them; 0 where it has none."""

    count: int = 0
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the store keeps of one event: what the bank gave for it, and the messages its rules made, oldest first.

    Of a message whose recipients were refused in part, only the whole is here. `decisions` are what was concluded then,
    where that was asked for.
    """

    event: Event
    snapshots: tuple[Snapshot, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """What to evaluate again.

    `rule` narrows to one rule. `resend` makes what was sent already go once more, once for each `label`. `stored` goes
    by the stored snapshots in place of the bank. Nothing is written without `send`; with `only`, no other deliveries
    than these. Events are taken in order of arrival from behind number `after`, at most `limit`.
    """

    selection: Selection
    rule: str | None = None
    resend: bool = False
    label: str = ""
    stored: bool = False
    send: bool = False
    only: frozenset[str] | None = None
    after: int = 0
    limit: int = 100


class Standing(StrEnum):
    """Where a message of a replay stands.

    new: it was never made. resend: it was sent, and goes once more. Those two go out; the others stay: sent already,
    waiting to be sent, dead (`retry` revives it), discarded by a person, suppressed by a policy; undecided, where what
    the rule needs cannot be had, and failed, where the rule's condition fails.
    """

    NEW = "new"
    RESEND = "resend"
    SENT = "sent"
    WAITING = "waiting"
    DEAD = "dead"
    DISCARDED = "discarded"
    SUPPRESSED = "suppressed"
    UNDECIDED = "undecided"
    FAILED = "failed"


GOES_OUT = frozenset({Standing.NEW, Standing.RESEND})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedMessage:
    """One message of a replay, or that a rule could not be decided (then without channel and delivery).

    `delivery_id` is the delivery that is written, or the one that is there already. `headline` is the subject or the
    first line, `detail` says why it stays. `written`: the delivery is on stable storage by this replay.
    """

    event_id: str
    workspace: str
    event_type: str
    rule: str
    standing: Standing
    channel: str = ""
    delivery_id: str = ""
    headline: str = ""
    detail: str = ""
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPage:
    """What a replay says of a page of events.

    `total` is how many the selection has, `event_ids` which ones this page looked at. `unevaluated` are those of them
    that still wait for their first evaluation and are left to it. `after` is the number to go on behind; None: the end.
    """

    messages: tuple[ReplayedMessage, ...]
    event_ids: tuple[str, ...]
    unevaluated: tuple[str, ...]
    total: int
    after: int | None
