"""The statements about what somebody must hear of: dead letters, failed decisions, files that are refused.

`add` is called inside other lanes' transactions; `told` is a lane of its own; the rest reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, insert, literal_column, select, update

from memonotify.errors import Reason
from memonotify.model import Failure, FailureKind
from memonotify.store.cells import detail, micros, moment, optional_moment, storable
from memonotify.store.conflicts import insert_new
from memonotify.store.tables import deliveries, failures

_HOUR_US: Final = 3_600_000_000
_CHUNK: Final = 500

_RECENT: Final = (
    select(failures.c.seq)
    .where(
        # In the statement itself, so that the partial index fits.
        failures.c.kind == literal_column(f"'{FailureKind.DECISION_FAILED.value}'"),
        failures.c.rule == bindparam("rule"),
        failures.c.at > bindparam("since"),
        # A clock that was set back has left failures behind that lie in the future: they say nothing about this hour.
        failures.c.at < bindparam("until"),
    )
    .limit(1)
)
_ADD: Final = insert(failures)
_NEW_DELIVERY: Final = insert_new(deliveries)


def failure_row(failure: Failure) -> dict[str, Any]:
    """Return the failure as `add` takes it."""
    return {
        "kind": failure.kind.value,
        "workspace": failure.workspace,
        "event_id": failure.event_id,
        "rule": storable(failure.rule),
        "channel": failure.channel,
        "reason": failure.reason.value,
        "detail": detail(failure.detail),
        "at": micros(failure.at),
        "delivery_id": failure.delivery_id,
        "file": storable(failure.file),
    }


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write failures; a failed decision only where its rule had none within the hour before."""
    for row in rows:
        if row["kind"] == FailureKind.DECISION_FAILED.value:
            within = {"since": row["at"] - _HOUR_US, "until": row["at"] + _HOUR_US}
            recent = connection.scalar(_RECENT, {"rule": row["rule"], **within})
            if recent is not None:
                continue
        connection.execute(_ADD, row)


def untold(connection: Connection, limit: int) -> list[Failure]:
    """Return failures that nobody was told of yet, oldest first."""
    rows = connection.execute(
        select(failures).where(failures.c.told_at.is_(None)).order_by(failures.c.seq).limit(limit)
    )
    return [
        Failure(
            kind=FailureKind(row.kind),
            workspace=row.workspace,
            event_id=row.event_id,
            rule=row.rule,
            channel=row.channel,
            reason=Reason(row.reason),
            detail=row.detail,
            at=moment(row.at),
            seq=row.seq,
            delivery_id=row.delivery_id,
            file=row.file,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Notice:
    """Which failures were told, when, and the rows of the deliveries that tell them."""

    seqs: Sequence[int]
    at: int
    deliveries: Sequence[dict[str, Any]]


def tell(connection: Connection, notices: Sequence[Notice]) -> list[None]:
    """Note that failures were told and write the deliveries that tell them."""
    for notice in notices:
        for start in range(0, len(notice.seqs), _CHUNK):
            chunk = notice.seqs[start : start + _CHUNK]
            connection.execute(update(failures).where(failures.c.seq.in_(chunk)).values(told_at=notice.at))
        if notice.deliveries:
            connection.execute(_NEW_DELIVERY, list(notice.deliveries))
    return [None] * len(notices)


def last_told_at(connection: Connection) -> datetime | None:
    """Return when somebody was last told of anything."""
    return optional_moment(connection.scalar(select(func.max(failures.c.told_at))))
