"""How much there is: what `status`, the metrics and the console show of the store. Reads only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from memonotify.errors import Reason
from memonotify.model import DeliveryState, Outcome
from memonotify.store.cells import micros, optional_moment
from memonotify.store.tables import decisions, deliveries, events, failures, holds, in_state, schedules


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNumbers:
    """One channel's deliveries by state, when it last delivered, and why it last did not."""

    by_state: Mapping[DeliveryState, int]
    last_sent_at: datetime | None = None
    last_reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """`backlog`: events not yet evaluated. `deliveries`: by channel and state, absent where there are none.

    `untold`: failures nobody was told of yet.
    """

    backlog: int
    deliveries: Mapping[str, Mapping[DeliveryState, int]]
    untold: int = 0
    last_event_at: datetime | None = None

    def in_state(self, state: DeliveryState) -> int:
        """Return how many deliveries of all channels are in a state."""
        return sum(by_state.get(state, 0) for by_state in self.deliveries.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is not done with: events not yet evaluated, deliveries that policies hold, and each channel's deliveries
    that are to be sent."""

    backlog: int
    held: int
    deliveries: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Bytes: what the database takes with its log, and what the disk has left for us."""

    path: Path
    size_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came and what it led to: (event type, resource type, count), rules that spoke, channels that delivered."""

    event_types: Sequence[tuple[str, str, int]]
    rules: frozenset[str]
    channels: frozenset[str]


_OPEN_EVENTS: Final = select(func.count()).select_from(events).where(events.c.evaluated_at.is_(None))
# By the indexes of those that wait alone and of those in gatherings, each in its whole range: rows are not read.
_HELD: Final = (
    select(func.count()).select_from(holds).where(holds.c.gathering.is_(None), holds.c.due_at >= 0),
    select(func.count()).select_from(holds).where(holds.c.gathering >= 0),
)
_UNSETTLED: Final = tuple(
    select(func.count()).select_from(deliveries).where(deliveries.c.channel == bindparam("of_channel"), in_state(state))
    for state in (DeliveryState.PENDING, DeliveryState.SENDING)
)


def waiting(connection: Connection, channels: Sequence[str]) -> Waiting:
    """Return what waits; reads only index entries of what does, so a long history costs nothing."""
    return Waiting(
        backlog=connection.scalar(_OPEN_EVENTS) or 0,
        held=sum(connection.scalar(each) or 0 for each in _HELD),
        deliveries={
            name: sum(connection.scalar(statement, {"of_channel": name}) or 0 for statement in _UNSETTLED)
            for name in channels
        },
    )


def counts(connection: Connection) -> Counts:
    """Return the numbers of everything."""
    untold = select(func.count()).select_from(failures).where(failures.c.told_at.is_(None))
    return Counts(
        backlog=connection.scalar(_OPEN_EVENTS) or 0,
        deliveries=_by_channel(connection),
        untold=connection.scalar(untold) or 0,
        last_event_at=optional_moment(connection.scalar(select(func.max(events.c.received_at)))),
    )


def _by_channel(connection: Connection) -> dict[str, dict[DeliveryState, int]]:
    rows = connection.execute(
        select(deliveries.c.channel, deliveries.c.state, func.count()).group_by(
            deliveries.c.channel, deliveries.c.state
        )
    )
    found: dict[str, dict[DeliveryState, int]] = {}
    for channel, state, number in rows:
        found.setdefault(channel, {})[DeliveryState(state)] = number
    return found


def channels(connection: Connection) -> dict[str, ChannelNumbers]:
    """Return each channel's numbers, of all channels that ever had a delivery."""
    return {
        name: ChannelNumbers(
            by_state=by_state,
            last_sent_at=_last_sent_at(connection, name),
            last_reason=_last_reason(connection, name),
        )
        for name, by_state in _by_channel(connection).items()
    }


def _last_sent_at(connection: Connection, channel: str) -> datetime | None:
    sent = (deliveries.c.channel == channel, in_state(DeliveryState.SENT))
    return optional_moment(connection.scalar(select(func.max(deliveries.c.settled_at)).where(*sent)))


def _last_reason(connection: Connection, channel: str) -> Reason | None:
    # What waits for another try failed more recently than what was given up.
    for state, newest in (
        (DeliveryState.PENDING, deliveries.c.due_at),
        (DeliveryState.DEAD, deliveries.c.settled_at),
    ):
        reason = connection.scalar(
            select(deliveries.c.reason)
            .where(deliveries.c.channel == channel, in_state(state), deliveries.c.reason.is_not(None))
            .order_by(newest.desc())
            .limit(1)
        )
        if reason is not None:
            return Reason(reason)
    return None


def seen(connection: Connection, since: datetime | None) -> Seen:
    """Return what was seen since then, or ever. Reads all of that time: for a person who asks, not for a timer."""
    types = select(events.c.event_type, func.max(events.c.resource_type), func.count()).group_by(events.c.event_type)
    spoke = select(decisions.c.rule).where(decisions.c.outcome == Outcome.MATCHED.value).distinct()
    reported = select(schedules.c.rule).where(schedules.c.last_at.is_not(None))
    delivered = select(deliveries.c.channel).where(in_state(DeliveryState.SENT)).distinct()
    if since is not None:
        types = types.where(events.c.received_at >= micros(since))
        first = select(func.min(events.c.seq)).where(events.c.received_at >= micros(since)).scalar_subquery()
        reported = reported.where(schedules.c.last_at >= micros(since))
        spoke = spoke.where(decisions.c.event_seq >= first)
        delivered = delivered.where(deliveries.c.settled_at >= micros(since))
    return Seen(
        event_types=[(row[0], row[1], row[2]) for row in connection.execute(types)],
        rules=frozenset(connection.scalars(spoke)) | frozenset(connection.scalars(reported)),
        channels=frozenset(connection.scalars(delivered)),
    )


def space(path: Path) -> Space:
    """Return what the store takes on disk and what is left there."""
    size = 0
    for suffix in ("", "-wal"):
        try:
            size += path.with_name(path.name + suffix).stat().st_size
        except FileNotFoundError:
            continue
    disk = os.statvfs(path.parent)
    return Space(path=path, size_bytes=size, free_bytes=disk.f_bavail * disk.f_frsize)
