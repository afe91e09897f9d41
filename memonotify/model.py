"""The nouns of memonotify as frozen values: what the store keeps, the engine decides and the courier sends.

Moments are aware UTC datetimes and end in `_at`; durations are seconds and end in `_s`. This module imports only
`errors` and `holding`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from memonotify.errors import Reason
from memonotify.holding import Hold, Overtaken, Policy, Resolved, StateChange
from memonotify.windowing import WindowEntry


class Clock(Protocol):
    """Time, handed in. `now()` is aware UTC; `monotonic()` counts seconds and never goes back."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


def said_at(date: str) -> datetime | None:
    """Return the moment of an event's `date`, aware, in every form that the webhook takes: ISO 8601 with a zone, its
    letters in either case, decimals behind a point or a comma. None where it is none."""
    try:
        found = datetime.fromisoformat(date.upper().replace(",", "."))
    except ValueError:
        return None
    return None if found.tzinfo is None else found


class EventState(StrEnum):
    """received: on stable storage, not yet evaluated. evaluated: its deliveries are written."""

    RECEIVED = "received"
    EVALUATED = "evaluated"


class DeliveryState(StrEnum):
    """pending → sending → sent, or dead; held by a policy until a moment, and told where another message lists it;
    suppressed by a policy; discarded by a person."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    HELD = "held"
    TOLD = "told"
    SUPPRESSED = "suppressed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the bank said. `body` is as posted, additional fields included; the ids are opaque tokens.

    `seq` is the store's number, in order of arrival; 0 until the store has it. `attempts` counts evaluations that the
    bank's API kept from finishing. `text` is the body as it came in by the webhook, checked already, so that it is kept
    without being written out again; empty for an event from elsewhere.
    """

    workspace: str
    id: str
    date: str
    event_type: str
    resource_type: str
    resource_id: str
    body: Mapping[str, Any]
    received_at: datetime
    client: str = ""
    seq: int = 0
    attempts: int = 0
    state: EventState = EventState.RECEIVED
    evaluated_at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What an event that is not evaluated waits for: its moment, and the node that has it (empty: none of several, or
    the only one that there is). `in_order`: only the node that leads may evaluate it."""

    due_at: datetime
    lease: str = ""
    in_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one fetch brought: the resource, or one look-up of a rule. `body` is None where there was nothing (404)
    or where the bank stayed away (`reason` says why)."""

    path: str
    fetched_at: datetime
    status: int | None
    body: Any
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that the bank gave at `path`, such as the proof of a transfer."""

    path: str
    fetched_at: datetime
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A rendered message for one channel, unsent. `payload` is JSON data in the shape of the channel's message.

    A mail that carries files names them under `attach`: the bytes are kept once, as a Document of the event.
    """

    channel: str
    payload: Mapping[str, Any]
    render_error: str = ""


class Branch(StrEnum):
    """Which list of a rule a message comes from, or that it is not a rule's message at all."""

    NOTIFY = "notify"
    RESOLVED = "resolved"
    ESCALATE = "escalate"
    FAILURE = "failure"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery to write. Its id is derived from where it comes from, so deciding twice makes the same one.

    `identity` is empty where it is the id itself; the part of a message that goes on for a refused recipient alone
    keeps the identity of the whole. `replay` says that a replay made it, and how; empty for all others. `silence` is
    the id of the silence that holds it back or drops it. One that waits for a policy is HELD, and has a `hold`.
    """

    id: str
    workspace: str
    event_id: str
    rule: str
    branch: Branch
    entry: int
    notification: Notification
    created_at: datetime
    due_at: datetime
    identity: str = ""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    reason: Reason | None = None
    detail: str = ""
    replay: str = ""
    silence: str = ""
    hold: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery's life as the store knows it. `identity` is what the receiver sees as the message's id.

    `replay` is empty where the event's own evaluation made it; `added`, where a replay did; `resent`, where one that
    sends once more what was sent, with a colon and its label if it has one. `silence` is the id of the silence that
    held it back, also once it went on; empty where none did. `told_in` is the id of the message that lists this one.
    """

    id: str
    identity: str
    workspace: str
    event_id: str
    rule: str
    channel: str
    branch: Branch
    entry: int
    payload: Mapping[str, Any]
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime
    settled_at: datetime | None = None
    lease: str = ""
    lease_until: datetime | None = None
    reason: Reason | None = None
    detail: str = ""
    replay: str = ""
    told_in: str = ""
    silence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send. `number` counts from 1 over the delivery's life."""

    delivery_id: str
    number: int
    started_at: datetime
    ended_at: datetime
    ok: bool
    reason: Reason | None = None
    status: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One of several recipients was refused; `reason` says whether it is worth another try for this one alone."""

    recipient: str
    reason: Reason
    status: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The receiver took the message. `refusals` names recipients that were refused while others got it."""

    status: int | None = None
    detail: str = ""
    refusals: tuple[Refusal, ...] = ()


class Outcome(StrEnum):
    """What the engine concluded for one rule."""

    MATCHED = "matched"
    NOT_MATCHED = "not_matched"
    UNCHANGED = "unchanged"
    EXPECTED = "expected"
    SUPPRESSED = "suppressed"
    FAILED = "failed"


class Mode(StrEnum):
    """live: speaks. shadow: decides and counts, and sends nothing. off: is passed over."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"


class Severity(StrEnum):
    """How much a rule's messages matter: what their receivers show, and what quiet hours let pass."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Fate(StrEnum):
    """What becomes of the messages that a silence meets.

    drop: they are suppressed. hold: they go on when it ends.
    """

    DROP = "drop"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matchers:
    """Which messages a silence is for. Each name is a value or a glob, one of several must fit; empty fits all.

    `fields` are dotted paths that begin with `event` or `resource`, each with the text that must stand there, all of
    them.
    """

    rule: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    workspace: tuple[str, ...] = ()
    event_type: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Somebody's word that what fits shall not be sent from `starts_at` until `ends_at`, and why."""

    id: str
    matchers: Matchers
    starts_at: datetime
    ends_at: datetime
    then: Fate
    reason: str
    author: str
    created_at: datetime

    def is_active(self, at: datetime) -> bool:
        """Tell whether it is in force at a moment; at that of its end it is not any more."""
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """How many messages a silence has met: those that wait until it ends, those it dropped, those that went on."""

    held: int = 0
    suppressed: int = 0
    released: int = 0


class Role(StrEnum):
    """What a daemon does on a store that several share: all, only take events in, or only evaluate and send."""

    ALL = "all"
    INTAKE = "intake"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One daemon on a store that several share. `rules` is its ruleset's digest, `events` how many it holds."""

    lease: str
    name: str
    version: str
    role: str
    rules: str
    started_at: datetime
    seen_at: datetime
    lease_until: datetime
    leads: bool
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaTold:
    """What the bank told a node of its quota: `left` calls may still be made before `resets_at`, those kept back and
    those under way taken off; in the answer to a call that went out at `asked_at`."""

    left: int
    resets_at: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaGrant:
    """Calls of the bank's quota that are this node's alone until `until`. Without any, that is when to ask again.

    `is_trial`: nobody knows what is left; this one call finds out, and the others wait for what it was told.
    """

    calls: int
    until: datetime
    is_trial: bool = False


class Recorded(StrEnum):
    """What became of an evaluation that was to be written.

    written: it is on stable storage, or was already. changed: a remembered answer is not the one it went by, so nothing
    was written: evaluate again. lost: another node has the event, so nothing was written: leave it.
    """

    WRITTEN = "written"
    CHANGED = "changed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Falsehood:
    """Why a condition does not hold: its first part that is false, and what stood on its sides, each with its value."""

    condition: str
    values: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        told = ", ".join(f"{source} is {value}" for source, value in self.values)
        return f"{self.condition} is false" + (f": {told}" if told else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A text of a rule that failed for an event, and why.

    `path` leads to it within the rule. `line` (from 1) is within the text, or within the template `file`; `word` is
    what of it the fault is about, where that is known.
    """

    path: tuple[str | int, ...]
    reason: str
    line: int = 1
    file: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the engine concluded for one rule whose match fits, and the messages it made.

    `detail` says in a sentence why it is silent or failed; `falsehood` is the same in parts where a condition is false.
    `key` is the one it remembers by, where it has a memory and came so far; `policy` is what silenced it, if one did.
    `faults` are the texts that failed on the way; they are not stored, for `detail` and the messages say it too.
    `entries` are what its windows count of the event.
    """

    rule: str
    outcome: Outcome
    detail: str = ""
    falsehood: Falsehood | None = None
    key: str = ""
    deliveries: tuple[NewDelivery, ...] = ()
    policy: Policy | None = None
    changes: tuple[StateChange, ...] = ()
    overtaken: Overtaken | None = None
    resolved: Resolved | None = None
    faults: tuple[Fault, ...] = ()
    entries: tuple[WindowEntry, ...] = ()


class FailureKind(StrEnum):
    """What `on_failure` is told of."""

    DEAD_LETTER = "dead_letter"
    DECISION_FAILED = "decision_failed"
    FILE_REFUSED = "file_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something somebody must hear of. `channel` is empty where none is to blame; `seq` is the store's number.

    A refused file has a `file`, and neither event nor rule.
    """

    kind: FailureKind
    workspace: str
    event_id: str
    rule: str
    channel: str
    reason: Reason
    detail: str
    at: datetime
    seq: int = 0
    delivery_id: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """The last good version of a rule file as the store keeps it: its text, and those of its templates by name.

    `path` is absolute. `breakage` is a digest of what is wrong with the file on disk, as far as somebody was told of
    it; empty where nothing is.
    """

    path: str
    text: str
    templates: Mapping[str, str]
    breakage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that one evaluated event leaves behind; the store writes it in one transaction.

    `documents` are the files that its messages carry. `failures` are told to `on_failure`; the store keeps a failed
    decision of one rule at most once an hour.
    """

    event: Event
    evaluated_at: datetime
    decisions: tuple[Decision, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    documents: tuple[Document, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How one attempt ended; written in one transaction, and only while the delivery's lease is still the same.

    `state` is SENT, DEAD, or PENDING with a new `due_at`. `parts` are the refused recipients, each a delivery of its
    own.
    """

    delivery: Delivery
    attempt: Attempt
    state: DeliveryState
    due_at: datetime | None = None
    parts: tuple[NewDelivery, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What a list shows of one channel."""

    name: str
    type: str
    breaker: str
    pending: int
    sent: int
    dead: int
    last_sent_at: datetime | None = None
    last_reason: Reason | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def delivery_id(workspace: str, event_id: str, rule: str, branch: Branch, entry: int, salt: str = "") -> str:
    """Return the id of the message that this place decides on: the same place, the same id."""
    text = "\0".join((workspace, event_id, rule, branch, str(entry), salt))
    return "dlv_" + base64.b32encode(hashlib.sha256(text.encode()).digest()[:15]).decode().lower()
