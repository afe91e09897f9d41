"""The statements about rules' windows: what each counts, and which of them the stored past was read for.

`add` is called inside other lanes' transactions; `fill`, `drop` and `purge` are lanes of their own; the others read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, func, not_, select, tuple_

from memonotify.store.cells import micros, storable
from memonotify.store.conflicts import insert_into, put
from memonotify.store.tables import window_entries, window_fills
from memonotify.windowing import Figures, Measure, WindowEntry, WindowSpan

_entries = window_entries.c
_KEYS: Final = tuple(column.name for column in window_entries.primary_key)
_insert = insert_into(window_entries)
# What came in last wins, in whatever order it is written: the filling goes on beside the deciding.
_PUT: Final = _insert.on_conflict_do_update(
    index_elements=list(_KEYS),
    set_={name: _insert.excluded[name] for name in ("key", "at", "event_seq", "amount", "currency")},
    where=_insert.excluded.event_seq >= window_entries.c.event_seq,
)
_PUT_FILL: Final = put(window_fills)
_IN_SPAN: Final = and_(
    _entries.window_id == bindparam("window"),
    _entries.workspace == bindparam("workspace"),
    _entries.key == bindparam("key"),
    _entries.at > bindparam("after"),
    _entries.at <= bindparam("until"),
    not_(and_(_entries.resource_id == bindparam("id"), _entries.resource_type == bindparam("type"))),
)
_COUNT: Final = select(func.count()).select_from(window_entries).where(_IN_SPAN)
_ANY: Final = select(_entries.at).where(_IN_SPAN).limit(1)
_SUM: Final = select(func.count(), func.coalesce(func.sum(_entries.amount, type_=BigInteger), 0)).where(
    _IN_SPAN, _entries.currency == bindparam("currency")
)


@dataclass(frozen=True, slots=True)
class Filling:
    """Entries from the stored past, and the windows that are filled with them, at a moment."""

    entries: list[dict[str, Any]]
    filled: tuple[str, ...] = ()
    at: int = 0


def entry_row(entry: WindowEntry) -> dict[str, Any]:
    """Return an entry as `add` takes it."""
    return {
        "window_id": entry.window,
        "workspace": entry.workspace,
        "resource_type": storable(entry.resource_type),
        "resource_id": storable(entry.resource_id),
        "key": storable(entry.key),
        "at": micros(entry.at),
        "event_seq": entry.event_seq,
        "amount": entry.amount,
        "currency": storable(entry.currency),
    }


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write entries, each in place of that of an earlier event about the same resource."""
    if rows:
        connection.execute(_PUT, list(rows))


def figures(connection: Connection, span: WindowSpan) -> Figures:
    """Return what there is in a span; the index finds it, however much there is beside it."""
    values: dict[str, Any] = {
        "window": span.window,
        "workspace": span.workspace,
        "key": storable(span.key),
        "after": micros(span.after),
        "until": micros(span.until),
        "type": storable(span.resource_type),
        "id": storable(span.resource_id),
    }
    if span.measure is Measure.FIRST_SEEN:
        return Figures(count=int(connection.execute(_ANY, values).first() is not None))
    if span.measure is Measure.COUNT:
        return Figures(count=connection.execute(_COUNT, values).scalar_one())
    count, amount = connection.execute(_SUM, {**values, "currency": storable(span.currency)}).one()
    return Figures(count=count, amount=int(amount))


def fills(connection: Connection) -> frozenset[str]:
    """Return the windows that are filled."""
    return frozenset(connection.scalars(select(window_fills.c.window_id)))


def fill(connection: Connection, fillings: Sequence[Filling]) -> list[None]:
    """Write entries of the past, and note which windows are filled by now."""
    for filling in fillings:
        add(connection, filling.entries)
        if filling.filled:
            rows = [{"window_id": window, "filled_at": filling.at} for window in filling.filled]
            connection.execute(_PUT_FILL, rows)
    return [None] * len(fillings)


def drop(connection: Connection, wishes: Sequence[tuple[str, ...]]) -> list[None]:
    """Note that nobody counts in these windows any more: they are filled anew when somebody does again.

    Their entries stay until they are old: they are as right as they were.
    """
    gone = sorted({window for wish in wishes for window in wish})
    connection.execute(delete(window_fills).where(window_fills.c.window_id.in_(gone)))
    return [None] * len(wishes)


def purge(connection: Connection, wishes: Sequence[tuple[int, int]]) -> list[int]:
    """Remove entries from before a moment; takes (moment, at most how many); returns how many."""
    return [_purge(connection, before, limit) for before, limit in wishes]


def _purge(connection: Connection, before: int, limit: int) -> int:
    columns = [window_entries.c[name] for name in _KEYS]
    rows = connection.execute(select(*columns).where(_entries.at < before).order_by(_entries.at).limit(limit)).all()
    if not rows:
        return 0
    chosen = tuple_(*columns).in_([tuple(row) for row in rows])
    # Once more by the moment: a later event about the resource may have come meanwhile.
    return connection.execute(delete(window_entries).where(chosen, _entries.at < before)).rowcount
