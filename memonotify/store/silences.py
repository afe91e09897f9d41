"""The statements about silences: adding one, ending one early, the lists, and how much each has held back.

`add` and `expire` are lanes of the writer; the rest reads. What the engine asks for every message is answered from
memory by `standing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, literal_column, select, update

from memonotify.holding import Policy
from memonotify.model import DeliveryState, Fate, HeldBack, Matchers, Silence
from memonotify.store import holds
from memonotify.store.cells import decode, encode, micros, moment, storable
from memonotify.store.conflicts import insert_new
from memonotify.store.tables import deliveries, in_state, silences

_CHUNK: Final = 500
_ADD: Final = insert_new(silences).execution_options(preserve_rowcount=True)
_EXPIRE: Final = (
    update(silences)
    .where(silences.c.id == bindparam("of_id"), silences.c.ends_at > bindparam("at"))
    .values(ends_at=bindparam("at"))
    .returning(*silences.c)
)
# In the statement itself, so that the partial index fits.
_HAS_SILENCE: Final = deliveries.c.silence > literal_column("''")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A silence that was ended early, as it is now, and how many messages that made due."""

    silence: Silence
    released: int


def silence_row(silence: Silence) -> dict[str, Any]:
    """Return a silence as `add` takes it."""
    matchers = silence.matchers
    return {
        "id": silence.id,
        "matchers": encode(
            {
                "rule": matchers.rule,
                "channel": matchers.channel,
                "workspace": matchers.workspace,
                "event_type": matchers.event_type,
                "fields": matchers.fields,
            }
        ),
        "starts_at": micros(silence.starts_at),
        "ends_at": micros(silence.ends_at),
        "fate": silence.then.value,
        "reason": storable(silence.reason),
        "author": storable(silence.author),
        "created_at": micros(silence.created_at),
    }


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[bool]:
    """Write silences; False, and nothing written, for one whose id is taken."""
    return [connection.execute(_ADD, row).rowcount == 1 for row in rows]


def expire(connection: Connection, orders: Sequence[tuple[str, int]]) -> list[Expired | None]:
    """End silences that have not ended yet, and make due what they hold; takes (id, moment)."""
    return [_expire(connection, silence_id, at) for silence_id, at in orders]


def _expire(connection: Connection, silence_id: str, at: int) -> Expired | None:
    row = connection.execute(_EXPIRE, {"of_id": silence_id, "at": at}).first()
    if row is None:
        return None
    return Expired(silence=_silence(row), released=release(connection, silence_id, at))


def release(connection: Connection, silence_id: str, now: int) -> int:
    """Make due now what a silence holds, within the transaction that ends it; returns how many messages.

    What has gone on from it, and waits for another policy, stays where it is.
    """
    ids = holds.hasten(connection, Policy.SILENCE, silence_id, now)
    for start in range(0, len(ids), _CHUNK):
        chosen = deliveries.c.id.in_(ids[start : start + _CHUNK])
        connection.execute(update(deliveries).where(chosen, in_state(DeliveryState.HELD)).values(due_at=now))
    return len(ids)


def purge(connection: Connection, before: int, limit: int) -> None:
    """Remove silences that ended before a moment; called inside retention's lane."""
    old = select(silences.c.id).where(silences.c.ends_at < before).order_by(silences.c.ends_at).limit(limit)
    connection.execute(delete(silences).where(silences.c.id.in_(old.scalar_subquery())))


def listed(connection: Connection, *, active_at: datetime | None, limit: int) -> list[Silence]:
    """Return silences, those that end last first; with a moment only those in force then."""
    query = select(silences)
    if active_at is not None:
        at = micros(active_at)
        query = query.where(silences.c.ends_at > at, silences.c.starts_at <= at)
    query = query.order_by(silences.c.ends_at.desc(), silences.c.id).limit(limit)
    return [_silence(row) for row in connection.execute(query)]


def not_over(connection: Connection, at: datetime) -> tuple[Silence, ...]:
    """Return the silences that end after a moment, the first to end first, also those that begin after it."""
    query = select(silences).where(silences.c.ends_at > micros(at)).order_by(silences.c.ends_at)
    return tuple(_silence(row) for row in connection.execute(query))


def found(connection: Connection, silence_id: str) -> Silence | None:
    """Return the silence of that id."""
    row = connection.execute(select(silences).where(silences.c.id == silence_id)).first()
    return None if row is None else _silence(row)


def held_back(connection: Connection, ids: Sequence[str]) -> dict[str, HeldBack]:
    """Return what each of these silences has held back so far; one that met no message is missing."""
    counts: dict[str, dict[str, int]] = {}
    for start in range(0, len(ids), _CHUNK):
        query = (
            select(deliveries.c.silence, deliveries.c.state, func.count())
            .where(_HAS_SILENCE, deliveries.c.silence.in_(ids[start : start + _CHUNK]))
            .group_by(deliveries.c.silence, deliveries.c.state)
        )
        for silence_id, state, count in connection.execute(query):
            counts.setdefault(silence_id, {})[state] = count
    return {silence_id: _held_back(by_state) for silence_id, by_state in counts.items()}


def _held_back(by_state: dict[str, int]) -> HeldBack:
    held = by_state.get(DeliveryState.HELD.value, 0)
    suppressed = by_state.get(DeliveryState.SUPPRESSED.value, 0)
    return HeldBack(held=held, suppressed=suppressed, released=sum(by_state.values()) - held - suppressed)


def _silence(row: Row[Any]) -> Silence:
    matchers = decode(row.matchers)
    return Silence(
        id=row.id,
        matchers=Matchers(
            rule=tuple(matchers["rule"]),
            channel=tuple(matchers["channel"]),
            workspace=tuple(matchers["workspace"]),
            event_type=tuple(matchers["event_type"]),
            fields=tuple((path, wanted) for path, wanted in matchers["fields"]),
        ),
        starts_at=moment(row.starts_at),
        ends_at=moment(row.ends_at),
        then=Fate(row.fate),
        reason=row.reason,
        author=row.author,
        created_at=moment(row.created_at),
    )
