"""The statements about messages that wait: why each does, the gatherings that some wait in, and how they move on.

`move`, `close`, `tell` and `send_now` are lanes of the writer; the others are called inside other lanes' transactions.
The row of a hold is the fence: whoever removes it moves the delivery, and nobody else does. `held` reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, null, or_, select, update

from memonotify.holding import Ending, Hold, Overtaken, Policy, Resolved, StateChange
from memonotify.model import Branch, Delivery, DeliveryState, NewDelivery
from memonotify.store import memory
from memonotify.store.cells import detail, encode, micros, storable
from memonotify.store.conflicts import insert_into, insert_new
from memonotify.store.tables import deliveries, gatherings, holds, silences

_HELD: Final = DeliveryState.HELD.value
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold as rows. `place` are the facts of the gathering that it joins, None where it waits alone."""

    hold: dict[str, Any]
    place: dict[str, Any] | None
    most: int | None
    slot: int


def hold_row(new: NewDelivery, hold: Hold) -> HoldRow:
    """Return why a new delivery waits, as `add` takes it."""
    return _row(
        hold,
        delivery_id=new.id,
        workspace=new.workspace,
        rule=new.rule,
        branch=new.branch,
        entry=new.entry,
        channel=new.notification.channel,
        at=new.created_at,
    )


def hold_again(old: Delivery, hold: Hold, at: datetime) -> HoldRow:
    """Return why a delivery that waited goes on waiting."""
    return _row(
        hold,
        delivery_id=old.id,
        workspace=old.workspace,
        rule=old.rule,
        branch=old.branch,
        entry=old.entry,
        channel=old.channel,
        at=at,
    )


def _row(
    hold: Hold, *, delivery_id: str, workspace: str, rule: str, branch: Branch, entry: int, channel: str, at: datetime
) -> HoldRow:
    until = micros(hold.until)
    place, most, slot = None, None, 0
    if hold.gather is not None:
        most, slot = hold.gather.most, 0 if hold.gather.slot is None else micros(hold.gather.slot)
        place = {
            "open_key": _digest(workspace, rule, branch, str(entry), channel, hold.policy, hold.gather.key, str(slot)),
            "workspace": workspace,
            "rule": storable(rule),
            "branch": branch.value,
            "entry": entry,
            "channel": channel,
            "policy": hold.policy.value,
            "key": storable(hold.gather.key),
            "opened_at": micros(at),
            "due_at": until,
            "size": 1,
        }
    ending = hold.ending
    return HoldRow(
        hold={
            "delivery_id": delivery_id,
            "workspace": workspace,
            "rule": storable(rule),
            "policy": hold.policy.value,
            "key": storable(hold.key),
            "keys": encode({name: storable(key) for name, key in hold.keys.items()}),
            "ending": None if ending is None else encode(_ending_data(ending)),
            "gathering": None,
            "due_at": until,
        },
        place=place,
        most=most,
        slot=slot,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _ending_data(ending: Ending) -> dict[str, Any]:
    return {
        "event_types": list(ending.event_types),
        "same": ending.same,
        "value": ending.value,
        "expect_key": ending.expect_key,
    }


_INSERT_GATHERING: Final = insert_into(gatherings)
_JOIN: Final = _INSERT_GATHERING.on_conflict_do_update(
    index_elements=["open_key"], set_={"size": gatherings.c.size + 1}
).returning(gatherings.c.seq, gatherings.c.size)
_END_EARLY: Final = (
    update(gatherings)
    .where(gatherings.c.seq == bindparam("of_seq"), gatherings.c.due_at > bindparam("at_once"))
    .values(due_at=bindparam("at_once"))
)
_CLOSE: Final = update(gatherings).where(gatherings.c.seq == bindparam("of_seq")).values(open_key=null())
_NEW_HOLD: Final = insert_new(holds)


def add(connection: Connection, rows: Iterable[HoldRow]) -> None:
    """Write why deliveries wait, and let those that gather join their gathering."""
    # Sorted, so that two nodes' transactions lock the same gatherings in the same order.
    for row in sorted(rows, key=lambda row: (row.place or {}).get("open_key") or ""):
        seq = None if row.place is None else _join(connection, row, row.place)
        connection.execute(_NEW_HOLD, {**row.hold, "gathering": seq, "due_at": _due_at(connection, row.hold)})


_ENDS_AT: Final = select(silences.c.ends_at).where(silences.c.id == bindparam("of_id"))


def _due_at(connection: Connection, hold: Mapping[str, Any]) -> int:
    """Return until when to wait: no longer than the silence that it was held for, if somebody has ended that early."""
    due_at = int(hold["due_at"])
    if hold["policy"] != Policy.SILENCE.value:
        return due_at
    ends_at: int | None = connection.scalar(_ENDS_AT, {"of_id": hold["key"]})
    return due_at if ends_at is None else min(due_at, ends_at)


def _join(connection: Connection, row: HoldRow, place: Mapping[str, Any]) -> int:
    seq, size = connection.execute(_JOIN, place).one()
    if row.most is not None and size >= row.most:
        # Full: the next one begins another. Those that may not be told yet wait for their moment all the same.
        connection.execute(_CLOSE, {"of_seq": seq})
        connection.execute(_END_EARLY, {"of_seq": seq, "at_once": max(row.slot, place["opened_at"])})
    return int(seq)


_ONE_TOLD: Final = (
    update(deliveries)
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)), deliveries.c.state == _HELD)
    .values(
        state=DeliveryState.TOLD.value,
        settled_at=bindparam("now"),
        told_in=bindparam("in_id"),
        detail=bindparam("why"),
    )
)


def overtake(connection: Connection, overtaken: Sequence[tuple[Overtaken, int]]) -> None:
    """Note that what `once` held for a key is told in another message; takes each with the moment."""
    for each, now in overtaken:
        ids = _let_go(connection, Policy.ONCE, each)
        # Their escalations as well: the better event has one of its own.
        ids += [name for chunk in _chunks(ids) for name in connection.scalars(_ESCALATIONS, {"ids": chunk})]
        _told(connection, ids, each.told_in, now, "a better event came: it is told by that one's message")


def resolve(connection: Connection, resolved: Sequence[tuple[Resolved, int]]) -> None:
    """Suppress the escalations of what is over; takes each with the moment."""
    for each, now in resolved:
        for name in _let_go(connection, Policy.ESCALATE, each):
            connection.execute(_SUPPRESS, {"of_id": name, "now": now, "why": "escalate: it is resolved"})


def _let_go(connection: Connection, policy: Policy, of: Overtaken | Resolved) -> list[str]:
    """Remove the holds of a policy for a key; return the deliveries that waited."""
    chosen = (
        holds.c.policy == policy.value,
        holds.c.key == storable(of.key),
        holds.c.rule == storable(of.rule),
        holds.c.workspace == of.workspace,
    )
    return list(connection.scalars(delete(holds).where(*chosen).returning(holds.c.delivery_id)))


_first: Final = deliveries.alias("first")
_ESCALATIONS: Final = (
    delete(holds)
    .where(
        holds.c.policy == Policy.ESCALATE.value,
        holds.c.delivery_id.in_(
            select(deliveries.c.id)
            .join(
                _first,
                (_first.c.event_id == deliveries.c.event_id)
                & (_first.c.workspace == deliveries.c.workspace)
                & (_first.c.rule == deliveries.c.rule),
            )
            .where(_first.c.id.in_(bindparam("ids", expanding=True)))
        ),
    )
    .returning(holds.c.delivery_id)
)


def _chunks(ids: Sequence[str]) -> list[list[str]]:
    return [list(ids[start : start + _CHUNK]) for start in range(0, len(ids), _CHUNK)]


def _told(connection: Connection, ids: Sequence[str], told_in: str, now: int, why: str) -> None:
    for chunk in _chunks(ids):
        connection.execute(_ONE_TOLD, {"ids": chunk, "now": now, "in_id": told_in, "why": why})


# Moving on


@dataclass(frozen=True, slots=True)
class Move:
    """Where one held delivery goes: into a state, or on to the next hold. `from_due` is the fence's moment.

    `gathering` is set where it is the only one of a gathering, which ends with it.
    """

    delivery_id: str
    from_due: int
    now: int
    state: DeliveryState
    detail: str
    silence: str
    hold: HoldRow | None
    changes: tuple[StateChange, ...]
    gathering: int | None = None


_LET_GO: Final = (
    delete(holds)
    .where(
        holds.c.delivery_id == bindparam("of_id"),
        holds.c.due_at == bindparam("from_due"),
        or_(holds.c.gathering.is_(None), holds.c.gathering == bindparam("of_gathering")),
    )
    .execution_options(preserve_rowcount=True)
)
_END: Final = (
    delete(gatherings).where(gatherings.c.seq == bindparam("of_seq")).execution_options(preserve_rowcount=True)
)
_SEND: Final = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("of_id"), deliveries.c.state == _HELD)
    # The time until giving up counts from now: it was not the receiver that kept the message waiting.
    .values(
        state=DeliveryState.PENDING.value, created_at=bindparam("now"), due_at=bindparam("now"), detail=bindparam("why")
    )
)
_SUPPRESS: Final = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("of_id"), deliveries.c.state == _HELD)
    .values(state=DeliveryState.SUPPRESSED.value, settled_at=bindparam("now"), detail=bindparam("why"))
)
_SILENCED: Final = update(deliveries).where(deliveries.c.id == bindparam("of_id")).values(silence=bindparam("by"))
_HOLD_ON: Final = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("of_id"), deliveries.c.state == _HELD)
    .values(due_at=bindparam("due"), detail=bindparam("why"))
)


def move(connection: Connection, moves: Sequence[Move]) -> list[bool]:
    """Move deliveries on; False, and nothing written, for one that somebody else has moved, or whose memory changed."""
    return [_move(connection, each) for each in moves]


def _move(connection: Connection, each: Move) -> bool:
    with connection.begin_nested() as savepoint:
        fence = {"of_id": each.delivery_id, "from_due": each.from_due, "of_gathering": each.gathering}
        moved = connection.execute(_LET_GO, fence).rowcount == 1
        if moved and each.gathering is not None:
            moved = connection.execute(_END, {"of_seq": each.gathering}).rowcount == 1
        moved = moved and memory.change_all(connection, each.changes, each.now)
        if not moved:
            savepoint.rollback()
            return False
    why = detail(each.detail)
    if each.silence:
        connection.execute(_SILENCED, {"of_id": each.delivery_id, "by": each.silence})
    if each.state is DeliveryState.PENDING:
        connection.execute(_SEND, {"of_id": each.delivery_id, "now": each.now, "why": why})
    elif each.state is DeliveryState.SUPPRESSED:
        connection.execute(_SUPPRESS, {"of_id": each.delivery_id, "now": each.now, "why": why})
    elif each.hold is not None:
        connection.execute(_HOLD_ON, {"of_id": each.delivery_id, "due": each.hold.hold["due_at"], "why": why})
        add(connection, [each.hold])
    return True


_POSTPONE: Final = (
    update(gatherings)
    .where(gatherings.c.seq == bindparam("of_seq"), gatherings.c.due_at == bindparam("from_due"))
    .values(due_at=bindparam("until"))
)


def postpone(connection: Connection, wishes: Sequence[tuple[int, int, int]]) -> list[None]:
    """Let gatherings end later; takes (number, the moment that it must still have, the new one)."""
    for seq, from_due, until in wishes:
        connection.execute(_POSTPONE, {"of_seq": seq, "from_due": from_due, "until": until})
    return [None] * len(wishes)


def close(connection: Connection, seqs: Sequence[Sequence[int]]) -> list[None]:
    """Let nobody join these gatherings any more."""
    for group in seqs:
        for seq in group:
            connection.execute(_CLOSE, {"of_seq": seq})
    return [None] * len(seqs)


@dataclass(frozen=True, slots=True)
class Telling:
    """The message that tells a gathering's `count` members, as rows; None where nobody is left in it."""

    gathering: int
    count: int
    now: int
    delivery: dict[str, Any] | None
    hold: HoldRow | None
    changes: tuple[StateChange, ...]


_NEW_DELIVERY: Final = insert_new(deliveries)
_MEMBERS: Final = delete(holds).where(holds.c.gathering == bindparam("of_seq")).returning(holds.c.delivery_id)


def tell(connection: Connection, tellings: Sequence[Telling]) -> list[bool]:
    """Write the messages that tell gatherings, and end these; False for one that somebody else has ended."""
    return [_tell(connection, each) for each in tellings]


def _tell(connection: Connection, each: Telling) -> bool:
    with connection.begin_nested() as savepoint:
        ended = connection.execute(_END, {"of_seq": each.gathering}).rowcount == 1
        # A person may have given one up since the message was written.
        ids = list(connection.scalars(_MEMBERS, {"of_seq": each.gathering})) if ended else []
        if not ended or len(ids) != each.count or not memory.change_all(connection, each.changes, each.now):
            savepoint.rollback()
            return False
    if each.delivery is not None:
        connection.execute(_NEW_DELIVERY, each.delivery)
        if each.hold is not None:
            add(connection, [each.hold])
        _told(connection, ids, each.delivery["id"], each.now, f"told in {each.delivery['id']}")
    return True


def drop(connection: Connection, ids: Sequence[str]) -> None:
    """Take away the holds of deliveries that a person gave up; called inside that order's transaction."""
    for chunk in _chunks(ids):
        connection.execute(delete(holds).where(holds.c.delivery_id.in_(chunk)))


@dataclass(frozen=True, slots=True)
class Release:
    """A person's order to send what waits now. `changes` are written as far as what they go by is still so."""

    ids: tuple[str, ...]
    now: int
    changes: tuple[StateChange, ...]


_LEFT: Final = update(gatherings).where(gatherings.c.seq == bindparam("of_seq")).values(size=gatherings.c.size - 1)


def send_now(connection: Connection, orders: Sequence[Release]) -> list[list[str]]:
    """Send held deliveries, whatever is still ahead of them; those that gather leave the others. Returns their ids."""
    return [_send_now(connection, order) for order in orders]


def _send_now(connection: Connection, order: Release) -> list[str]:
    done: set[str] = set()
    for start in range(0, len(order.ids), _CHUNK):
        chosen = holds.c.delivery_id.in_(order.ids[start : start + _CHUNK])
        rows = connection.execute(delete(holds).where(chosen).returning(holds.c.delivery_id, holds.c.gathering)).all()
        for row in rows:
            connection.execute(_SEND, {"of_id": row.delivery_id, "now": order.now, "why": "sent by hand"})
            if row.gathering is not None:
                connection.execute(_LEFT, {"of_seq": row.gathering})
        done.update(row.delivery_id for row in rows)
    for change in order.changes:
        memory.change_all(connection, [change], order.now)
    return [name for name in dict.fromkeys(order.ids) if name in done]


def hasten(connection: Connection, policy: Policy, key: str, now: int) -> list[str]:
    """Make due now what a policy holds under a key; return the deliveries. Called inside another lane's transaction."""
    waiting = update(holds).where(
        holds.c.policy == policy.value, holds.c.key == storable(key), holds.c.gathering.is_(None), holds.c.due_at > now
    )
    return list(connection.scalars(waiting.values(due_at=now).returning(holds.c.delivery_id)))
