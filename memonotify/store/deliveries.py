"""The statements about deliveries: claiming with a lease, settling behind its fence, a person's orders, the lists.

The functions that take a sequence are lanes of the writer: one call for all operations of that kind that wait, inside
the writer's transaction. The others read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Update, bindparam, func, insert, literal_column, null, select, update

from memonotify.errors import Reason
from memonotify.model import Attempt, Branch, Delivery, DeliveryState, NewDelivery, Settlement
from memonotify.store import failures as failure_rows
from memonotify.store import holds
from memonotify.store.cells import decode, detail, encode, micros, moment, optional_moment, storable
from memonotify.store.conflicts import insert_new
from memonotify.store.tables import attempts, deliveries, in_state

_PENDING: Final = DeliveryState.PENDING.value
_SENDING: Final = DeliveryState.SENDING.value
_OPEN: Final = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD)
_CHUNK: Final = 500


def delivery_row(new: NewDelivery) -> dict[str, Any]:
    """Return a new delivery as the inserts take it. One that is born settled, such as a dead part, is so at once."""
    return {
        "id": new.id,
        "identity": new.identity or new.id,
        "workspace": new.workspace,
        "event_id": new.event_id,
        "rule": storable(new.rule),
        "channel": new.notification.channel,
        "branch": new.branch.value,
        "entry": new.entry,
        "payload": encode(new.notification.payload),
        "state": new.state.value,
        "attempts": new.attempts,
        "created_at": micros(new.created_at),
        "due_at": micros(new.due_at),
        "settled_at": None if new.state in _OPEN else micros(new.created_at),
        "reason": None if new.reason is None else new.reason.value,
        "detail": detail(new.detail or new.notification.render_error),
        "replay": new.replay,
        "silence": new.silence,
    }


_NEW: Final = insert_new(deliveries)


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[None]:
    """Write new deliveries; one whose id is already there is left as it is."""
    connection.execute(_NEW, list(rows))
    return [None] * len(rows)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims how much: the lease is void from `until` on."""

    channel: str
    limit: int
    now: int
    until: int
    lease: str


_EXPIRE: Final = (
    update(deliveries)
    .where(
        in_state(DeliveryState.SENDING),
        deliveries.c.channel == bindparam("of_channel"),
        deliveries.c.lease_until <= bindparam("now"),
    )
    .values(state=_PENDING, lease="", lease_until=null())
)
# A table expression is read once. A subquery PostgreSQL may read anew for each row of a join, and each time it skips
# what it has taken already: more than the limit would be claimed.
_DUE: Final = (
    select(deliveries.c.id)
    .where(
        in_state(DeliveryState.PENDING),
        deliveries.c.channel == bindparam("of_channel"),
        deliveries.c.due_at <= bindparam("now"),
    )
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM: Final = (
    update(deliveries)
    .where(deliveries.c.id.in_(select(_DUE.c.id)))
    .values(
        state=_SENDING,
        attempts=deliveries.c.attempts + 1,
        lease=bindparam("new_lease"),
        lease_until=bindparam("until"),
    )
    .returning(*deliveries.c)
)


def claim(connection: Connection, claims: Sequence[Claim]) -> list[list[Row[Any]]]:
    """Take due deliveries for sending; what an earlier claim left behind when its lease ran out is due again.

    The attempt is counted here, before anything is sent: one that kills the process has been counted.
    """
    taken = []
    for wish in claims:
        connection.execute(_EXPIRE, {"of_channel": wish.channel, "now": wish.now})
        rows = connection.execute(
            _CLAIM,
            {
                "of_channel": wish.channel,
                "now": wish.now,
                "at_most": wish.limit,
                "new_lease": wish.lease,
                "until": wish.until,
            },
        )
        taken.append(sorted(rows, key=lambda row: (row.due_at, row.id)))
    return taken


@dataclass(frozen=True, slots=True)
class SettlementRows:
    """What a settlement writes, as rows."""

    delivery: dict[str, Any]
    attempt: dict[str, Any]
    parts: list[dict[str, Any]]
    failures: list[dict[str, Any]]


def settlement_rows(settlement: Settlement) -> SettlementRows:
    """Return the settlement as `settle` takes it."""
    delivery, attempt = settlement.delivery, settlement.attempt
    waits = settlement.state is DeliveryState.PENDING
    reason = None if attempt.reason is None else attempt.reason.value
    said = detail(attempt.detail)
    return SettlementRows(
        delivery={
            "of_id": delivery.id,
            "of_lease": delivery.lease,
            "new_state": settlement.state.value,
            "due": micros(settlement.due_at or delivery.due_at),
            "settled": None if waits else micros(attempt.ended_at),
            "new_reason": reason,
            "new_detail": said,
        },
        attempt={
            "delivery_id": delivery.id,
            "number": attempt.number,
            "started_at": micros(attempt.started_at),
            "ended_at": micros(attempt.ended_at),
            "ok": attempt.ok,
            "reason": reason,
            "status": attempt.status,
            "detail": said,
        },
        parts=[delivery_row(part) for part in settlement.parts],
        failures=[failure_rows.failure_row(failure) for failure in settlement.failures],
    )


_SETTLE: Final = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("of_id"),
        deliveries.c.lease == bindparam("of_lease"),
        in_state(DeliveryState.SENDING),
    )
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("due"),
        settled_at=bindparam("settled"),
        reason=bindparam("new_reason"),
        detail=bindparam("new_detail"),
        lease="",
        lease_until=null(),
    )
)
_NEW_ATTEMPT: Final = insert(attempts)


def settle(connection: Connection, settlements: Sequence[SettlementRows]) -> list[bool]:
    """Write how attempts ended; False, and nothing written, for one whose lease is not its own any more."""
    results = [connection.execute(_SETTLE, rows.delivery).rowcount == 1 for rows in settlements]
    written = [rows for rows, holds in zip(settlements, results, strict=True) if holds]
    if written:
        connection.execute(_NEW_ATTEMPT, [rows.attempt for rows in written])
    parts = [part for rows in written for part in rows.parts]
    if parts:
        connection.execute(_NEW, parts)
    failure_rows.add(connection, [failure for rows in written for failure in rows.failures])
    return results


_RENEW: Final = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("of_id"),
        deliveries.c.lease == bindparam("of_lease"),
        in_state(DeliveryState.SENDING),
    )
    .values(lease_until=bindparam("until"))
)


def renew(connection: Connection, claimed: Sequence[tuple[str, str, int]]) -> list[bool]:
    """Make leases last until a later moment; takes (id, lease, until)."""
    return [
        connection.execute(_RENEW, {"of_id": name, "of_lease": lease, "until": until}).rowcount == 1
        for name, lease, until in claimed
    ]


_RELEASE: Final = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("of_id"),
        deliveries.c.lease == bindparam("of_lease"),
        in_state(DeliveryState.SENDING),
    )
    .values(state=_PENDING, attempts=deliveries.c.attempts - 1, lease="", lease_until=null())
)


def release(connection: Connection, claimed: Sequence[tuple[str, str]]) -> list[bool]:
    """Give claims back unused, uncounted; takes (id, lease)."""
    return [connection.execute(_RELEASE, {"of_id": name, "of_lease": lease}).rowcount == 1 for name, lease in claimed]


def void_claims(connection: Connection, moments: Sequence[int]) -> list[int]:
    """Make every claimed delivery due at once; returns how many. For the start, when no claim can be anybody's."""
    return [
        connection.execute(
            update(deliveries)
            .where(in_state(DeliveryState.SENDING))
            .values(state=_PENDING, due_at=now, lease="", lease_until=null())
        ).rowcount
        for now in moments
    ]


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants done with which deliveries; `ids` None means all that the filters let through."""

    ids: tuple[str, ...] | None
    rule: str | None
    channel: str | None
    now: int


def retry(connection: Connection, orders: Sequence[Order]) -> list[list[str]]:
    """Make dead letters due now; returns their ids. The clock of giving up starts anew, so `created_at` is now."""
    return [
        _obey(
            connection,
            order,
            update(deliveries)
            .where(in_state(DeliveryState.DEAD))
            .values(state=_PENDING, created_at=order.now, due_at=order.now, settled_at=null()),
        )
        for order in orders
    ]


def discard(connection: Connection, orders: Sequence[Order]) -> list[list[str]]:
    """Give deliveries up that wait or are dead; returns their ids. One that is being sent is left alone."""
    given_up = (_PENDING, DeliveryState.HELD.value, DeliveryState.DEAD.value)
    done = []
    for order in orders:
        statement = update(deliveries).where(deliveries.c.state.in_(given_up))
        found = _obey(connection, order, statement.values(state=DeliveryState.DISCARDED.value, settled_at=order.now))
        holds.drop(connection, found)
        done.append(found)
    return done


def _obey(connection: Connection, order: Order, statement: Update) -> list[str]:
    if order.rule is not None:
        statement = statement.where(deliveries.c.rule == order.rule)
    if order.channel is not None:
        statement = statement.where(deliveries.c.channel == order.channel)
    if order.ids is None:
        return list(connection.scalars(statement.returning(deliveries.c.id)))
    done: set[str] = set()
    for start in range(0, len(order.ids), _CHUNK):
        chunk = order.ids[start : start + _CHUNK]
        done.update(connection.scalars(statement.where(deliveries.c.id.in_(chunk)).returning(deliveries.c.id)))
    return [name for name in dict.fromkeys(order.ids) if name in done]


def next_due(connection: Connection, channel: str) -> datetime | None:
    """Return when the channel's first waiting delivery is due."""
    return optional_moment(
        connection.scalar(
            select(func.min(deliveries.c.due_at)).where(
                in_state(DeliveryState.PENDING), deliveries.c.channel == channel
            )
        )
    )


def next_claim(connection: Connection, channel: str) -> datetime | None:
    """Return when the channel's first delivery may be claimed: when it is due, or a lease over that nobody renewed."""
    ends = connection.scalar(
        select(func.min(deliveries.c.lease_until)).where(
            in_state(DeliveryState.SENDING), deliveries.c.channel == channel
        )
    )
    moments = (next_due(connection, channel), optional_moment(ends))
    return min((at for at in moments if at is not None), default=None)


def listed(
    connection: Connection,
    *,
    state: DeliveryState | None,
    since: datetime | None,
    limit: int,
    equal: Mapping[str, str | None],
) -> list[Delivery]:
    """Return deliveries, newest first; `equal` holds columns and the values they must have, None: any."""
    query = select(deliveries)
    for column, value in equal.items():
        if value is not None:
            query = query.where(deliveries.c[column] == value)
    if equal.get("silence") is not None:
        # In the statement itself, so that the partial index fits.
        query = query.where(deliveries.c.silence > literal_column("''"))
    if state is not None:
        query = query.where(in_state(state))
    if since is not None:
        query = query.where(deliveries.c.created_at >= micros(since))
    query = query.order_by(deliveries.c.created_at.desc(), deliveries.c.id.desc()).limit(limit)
    return [as_delivery(row) for row in connection.execute(query)]


def found(connection: Connection, name: str) -> Delivery | None:
    """Return the delivery of that id."""
    row = connection.execute(select(deliveries).where(deliveries.c.id == name)).first()
    return None if row is None else as_delivery(row)


def named(connection: Connection, names: Sequence[str]) -> list[Delivery]:
    """Return the deliveries of these ids, as far as there are any."""
    rows: list[Row[Any]] = []
    for start in range(0, len(names), _CHUNK):
        rows += connection.execute(select(deliveries).where(deliveries.c.id.in_(names[start : start + _CHUNK])))
    return [as_delivery(row) for row in rows]


def told_of_rule(connection: Connection, rule: str, since: datetime, workspace: str | None) -> tuple[int, int]:
    """Return how many messages of a rule, made since then, were told in others, and in how many."""
    query = select(func.count(), func.count(deliveries.c.told_in.distinct())).where(
        deliveries.c.rule == rule, deliveries.c.created_at >= micros(since), in_state(DeliveryState.TOLD)
    )
    if workspace is not None:
        query = query.where(deliveries.c.workspace == workspace)
    told, messages = connection.execute(query).one()
    return told, messages


def attempts_of(connection: Connection, name: str) -> list[Attempt]:
    """Return the tries of a delivery, first to last; one lost in a crash is missing here but counted there."""
    rows = connection.execute(select(attempts).where(attempts.c.delivery_id == name).order_by(attempts.c.number))
    return [_attempt(row) for row in rows]


def tries_of(connection: Connection, workspace: str, event_id: str) -> list[Attempt]:
    """Return the tries of all deliveries of an event, each delivery's first to last."""
    rows = connection.execute(
        select(attempts)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(deliveries.c.event_id == event_id, deliveries.c.workspace == workspace)
        .order_by(attempts.c.delivery_id, attempts.c.number)
    )
    return [_attempt(row) for row in rows]


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        delivery_id=row.delivery_id,
        number=row.number,
        started_at=moment(row.started_at),
        ended_at=moment(row.ended_at),
        ok=row.ok,
        reason=None if row.reason is None else Reason(row.reason),
        status=row.status,
        detail=row.detail,
    )


def events_with_messages(connection: Connection, rule: str, since: datetime) -> set[str]:
    """Return the ids of the events for which a rule has made a message since then."""
    query = select(deliveries.c.event_id).where(deliveries.c.rule == rule, deliveries.c.created_at >= micros(since))
    return set(connection.scalars(query.distinct()))


def as_delivery(row: Row[Any]) -> Delivery:
    """Return a row of the table as a value."""
    return Delivery(
        id=row.id,
        identity=row.identity,
        workspace=row.workspace,
        event_id=row.event_id,
        rule=row.rule,
        channel=row.channel,
        branch=Branch(row.branch),
        entry=row.entry,
        payload=decode(row.payload),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=moment(row.created_at),
        due_at=moment(row.due_at),
        settled_at=optional_moment(row.settled_at),
        lease=row.lease,
        lease_until=optional_moment(row.lease_until),
        reason=None if row.reason is None else Reason(row.reason),
        detail=row.detail,
        replay=row.replay,
        told_in=row.told_in,
        silence=row.silence,
    )
