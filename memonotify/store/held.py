"""Reading what waits: the held deliveries that are due, the gatherings and who is in them.

Called by the timekeeper through `Store`; `holds` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, literal_column, select

from memonotify.holding import Ending, Hold, Policy, StateChange
from memonotify.model import Branch, Delivery, Event, NewDelivery, Snapshot
from memonotify.store.cells import decode, micros, moment, optional_moment, storable
from memonotify.store.deliveries import as_delivery, delivery_row
from memonotify.store.events import as_event, as_snapshot
from memonotify.store.holds import Telling, hold_row
from memonotify.store.tables import deliveries, events, gatherings, holds, snapshots

_CHUNK: Final = 500
# In the statement itself, so that the partial index fits.
_IS_TOLD: Final = deliveries.c.told_in > literal_column("''")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A delivery that waits, with its hold; of its event, what is still there."""

    delivery: Delivery
    hold: Hold
    event: Event | None
    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Messages that will be told in one, so far `size` of them."""

    seq: int
    workspace: str
    rule: str
    branch: Branch
    entry: int
    channel: str
    policy: Policy
    key: str
    opened_at: datetime
    due_at: datetime
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """Why a delivery waits; `gathering` is the one that it is in, None where it waits alone."""

    hold: Hold
    gathering: Gathering | None = None


def telling(
    gathering: Gathering, new: NewDelivery | None, changes: tuple[StateChange, ...], now: datetime, count: int
) -> Telling:
    """Return the end of a gathering as `tell` takes it."""
    return Telling(
        gathering=gathering.seq,
        count=count,
        now=micros(now),
        delivery=None if new is None else delivery_row(new),
        hold=None if new is None or new.hold is None else hold_row(new, new.hold),
        changes=changes,
    )


def next_moment(connection: Connection) -> datetime | None:
    """Return when the first hold or gathering is due, None where nothing waits."""
    alone = connection.scalar(select(func.min(holds.c.due_at)).where(holds.c.gathering.is_(None)))
    together = connection.scalar(select(func.min(gatherings.c.due_at)))
    return min((at for at in map(optional_moment, (alone, together)) if at is not None), default=None)


def due(connection: Connection, now: datetime, limit: int) -> list[Held]:
    """Return deliveries that have waited long enough, the longest due first."""
    query = (
        select(deliveries, *_named("hold", holds))
        .join(holds, holds.c.delivery_id == deliveries.c.id)
        .where(holds.c.gathering.is_(None), holds.c.due_at <= micros(now))
        .order_by(holds.c.due_at, holds.c.delivery_id)
        .limit(limit)
    )
    return _with_events(connection, connection.execute(query).all())


def due_gatherings(connection: Connection, now: datetime, limit: int) -> list[Gathering]:
    """Return gatherings that are to be told, the longest due first."""
    query = select(gatherings).where(gatherings.c.due_at <= micros(now))
    query = query.order_by(gatherings.c.due_at, gatherings.c.seq).limit(limit)
    return [_gathering(row) for row in connection.execute(query)]


def members(connection: Connection, seq: int, limit: int) -> tuple[int, list[Held]]:
    """Return how many messages a gathering has, and the first of them in order of arrival of their events."""
    mine = holds.c.gathering == seq
    count = connection.scalar(select(func.count()).select_from(holds).where(mine)) or 0
    query = (
        select(deliveries, *_named("hold", holds))
        .join(holds, holds.c.delivery_id == deliveries.c.id)
        .outerjoin(
            events, (events.c.event_id == deliveries.c.event_id) & (events.c.workspace == deliveries.c.workspace)
        )
        .where(mine)
        .order_by(events.c.seq, deliveries.c.created_at, deliveries.c.id)
        .limit(limit)
    )
    return count, _with_events(connection, connection.execute(query).all())


def told_events(connection: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the events whose messages these messages list, by message."""
    query = select(deliveries.c.told_in, deliveries.c.event_id).where(_IS_TOLD, deliveries.c.told_in.in_(ids))
    found: dict[str, list[str]] = {}
    for told_in, event_id in connection.execute(query.order_by(deliveries.c.created_at, deliveries.c.id)):
        found.setdefault(told_in, []).append(event_id)
    return found


def of_resource(connection: Connection, workspace: str, resource_id: str) -> list[Event]:
    """Return the events about a resource, in order of arrival."""
    query = select(events).where(events.c.resource_id == resource_id, events.c.workspace == workspace)
    return [as_event(row) for row in connection.execute(query.order_by(events.c.seq))]


def hold_of(connection: Connection, delivery_id: str) -> Hold | None:
    """Return why a delivery waits, and until when; None where it does not."""
    query = (
        select(*_named("hold", holds), gatherings.c.due_at.label("ends_at"))
        .outerjoin(gatherings, gatherings.c.seq == holds.c.gathering)
        .where(holds.c.delivery_id == delivery_id)
    )
    found: Sequence[Any] = connection.execute(query).all()
    return _hold(found[0], until=found[0].ends_at) if found else None


def waits_of(connection: Connection, ids: Sequence[str]) -> dict[str, HeldBy]:
    """Return why deliveries wait, by their id; one that does not wait is missing."""
    found: dict[str, HeldBy] = {}
    for start in range(0, len(ids), _CHUNK):
        query = (
            select(*_named("hold", holds), *gatherings.columns)
            .outerjoin(gatherings, gatherings.c.seq == holds.c.gathering)
            .where(holds.c.delivery_id.in_(ids[start : start + _CHUNK]))
        )
        for row in connection.execute(query):
            together = None if row.seq is None else _gathering(row)
            hold = _hold(row, until=None if row.seq is None else row.due_at)
            found[row.hold_delivery_id] = HeldBy(hold=hold, gathering=together)
    return found


def waiting_of_rule(connection: Connection, rule: str, workspace: str | None) -> dict[Policy, tuple[int, datetime]]:
    """Return how many messages of a rule wait by policy, and when the first of them goes on."""
    ends = func.coalesce(gatherings.c.due_at, holds.c.due_at)
    query = (
        select(holds.c.policy, func.count(), func.min(ends))
        .outerjoin(gatherings, gatherings.c.seq == holds.c.gathering)
        .where(holds.c.rule == storable(rule))
        .group_by(holds.c.policy)
        .order_by(func.min(ends))
    )
    if workspace is not None:
        query = query.where(holds.c.workspace == workspace)
    return {Policy(policy): (count, moment(first)) for policy, count, first in connection.execute(query)}


def _named(prefix: str, table: Any) -> list[Any]:
    return [column.label(f"{prefix}_{column.name}") for column in table.columns]


def _with_events(connection: Connection, rows: Sequence[Row[Any]]) -> list[Held]:
    wanted = sorted({row.event_id for row in rows})
    by_name: dict[tuple[str, str], Event] = {}
    shots: dict[int, list[Snapshot]] = {}
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        found = [as_event(row) for row in connection.execute(select(events).where(events.c.event_id.in_(chunk)))]
        by_name.update(((event.workspace, event.id), event) for event in found)
        query = select(snapshots).where(snapshots.c.event_seq.in_([event.seq for event in found]))
        for row in connection.execute(query.order_by(snapshots.c.event_seq, snapshots.c.position)):
            shots.setdefault(row.event_seq, []).append(as_snapshot(row))
    held = []
    for row in rows:
        event = by_name.get((row.workspace, row.event_id))
        kept = tuple(shots.get(event.seq, ())) if event is not None else ()
        held.append(Held(delivery=as_delivery(row), hold=_hold(row), event=event, snapshots=kept))
    return held


def _hold(row: Row[Any], *, until: int | None = None) -> Hold:
    ending = None if row.hold_ending is None else decode(row.hold_ending)
    return Hold(
        policy=Policy(row.hold_policy),
        until=moment(row.hold_due_at if until is None else until),
        key=row.hold_key,
        keys=decode(row.hold_keys),
        ending=None if ending is None else Ending(**{**ending, "event_types": tuple(ending["event_types"])}),
    )


def _gathering(row: Row[Any]) -> Gathering:
    return Gathering(
        seq=row.seq,
        workspace=row.workspace,
        rule=row.rule,
        branch=Branch(row.branch),
        entry=row.entry,
        channel=row.channel,
        policy=Policy(row.policy),
        key=row.key,
        opened_at=moment(row.opened_at),
        due_at=moment(row.due_at),
        size=row.size,
    )
