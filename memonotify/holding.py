"""The nouns of what makes a message wait, and of what is remembered of those before it. Frozen values; imports nothing.

`model` builds on them; the pure functions in `policies/` decide with them, the store keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class Policy(StrEnum):
    """What makes a rule keep quiet, or speak later."""

    MODE = "mode"
    FIRE = "fire"
    ONCE = "once"
    ESCALATE = "escalate"
    SILENCE = "silence"
    QUIET = "quiet"
    GROUP = "group"
    LIMIT = "limit"
    EXPECT = "expect"


STAGES: Final = (Policy.SILENCE, Policy.QUIET, Policy.GROUP, Policy.LIMIT)
"""What a message passes once its rule has spoken, in this order; one held by another policy begins with the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """The gathering that a message joins: all of one entry with the same key.

    `slot` keeps those apart that may not be told before a moment of their own: it is that moment. With `most` of them
    it ends early.
    """

    key: str = ""
    slot: datetime | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What makes an escalation needless: an event of one of these types whose `same` field has this value.

    `expect_key` is that of a deadline that was missed: that what was expected has come ends it.
    """

    event_types: tuple[str, ...] = ()
    same: str = ""
    value: str = ""
    expect_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a message waits, and until when.

    `key` is that of the policy that holds it, such as a silence's id; of an escalation, that of `fire`. `keys` are
    those of the policies that it has not passed yet, by their words. In a gathering, `until` is when that ends if it
    begins with this message.
    """

    policy: Policy
    until: datetime
    key: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    gather: Gather | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """What a policy remembers for a key goes from `old` (None: nothing) to `new`, or the evaluation is void.

    From `expires_at` on it is as good as forgotten; with `keeps_expiry`, that moment stays as it was.
    """

    workspace: str
    rule: str
    policy: Policy
    key: str
    old: str | None
    new: str
    expires_at: datetime | None = None
    keeps_expiry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """Messages that `once` holds for a key in favour of a better event: it has come, and `told_in` says it instead."""

    workspace: str
    rule: str
    key: str
    told_in: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A condition that is false again for a key of `fire`: the escalations that wait for it are needless."""

    workspace: str
    rule: str
    key: str
