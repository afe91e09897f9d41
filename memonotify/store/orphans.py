"""Deliveries that wait for a channel which is no longer configured: nobody would ever send them, or say so.

`bury` is a lane of the writer, called once at the daemon's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, null, or_, select, update

from memonotify.errors import Reason
from memonotify.model import Branch, DeliveryState, FailureKind
from memonotify.store import failures as failure_rows
from memonotify.store.tables import deliveries, in_state

_UNTOLD: Final = (Branch.FAILURE.value, Branch.TEST.value)

_NEXT_CHANNEL: Final = select(func.min(deliveries.c.channel)).where(deliveries.c.channel > bindparam("after"))
_BURY: Final = (
    update(deliveries)
    .where(
        deliveries.c.channel == bindparam("of_channel"),
        or_(in_state(DeliveryState.PENDING), in_state(DeliveryState.SENDING)),
    )
    .values(
        state=DeliveryState.DEAD.value,
        settled_at=bindparam("now"),
        lease="",
        lease_until=null(),
        reason=Reason.CONFIGURATION.value,
        detail=bindparam("why"),
    )
    .returning(*(deliveries.c[name] for name in ("id", "workspace", "event_id", "rule", "channel", "branch")))
)


@dataclass(frozen=True, slots=True)
class Burial:
    """The channels that there are, and now."""

    configured: frozenset[str]
    now: int


def bury(connection: Connection, burials: Sequence[Burial]) -> list[int]:
    """Make dead letters of what waits for other channels, with the failures that tell of them; return how many."""
    return [_bury(connection, burial) for burial in burials]


def _bury(connection: Connection, burial: Burial) -> int:
    buried: list[Row[Any]] = []
    for channel in channels(connection):
        if channel not in burial.configured:
            values = {"of_channel": channel, "now": burial.now, "why": _why(channel)}
            buried.extend(connection.execute(_BURY, values))
    failure_rows.add(connection, [_failure(row, burial.now) for row in buried if row.branch not in _UNTOLD])
    return len(buried)


def channels(connection: Connection) -> list[str]:
    """Return the channels that ever had a delivery: a step through the index for each, however many rows it has."""
    found: list[str] = []
    while (name := connection.scalar(_NEXT_CHANNEL, {"after": found[-1] if found else ""})) is not None:
        found.append(name)
    return found


def _why(channel: str) -> str:
    return f"the configuration has no channel {channel} any more"


def _failure(row: Row[Any], now: int) -> dict[str, Any]:
    return {
        "kind": FailureKind.DEAD_LETTER.value,
        "workspace": row.workspace,
        "event_id": row.event_id,
        "rule": row.rule,
        "channel": row.channel,
        "reason": Reason.CONFIGURATION.value,
        "detail": _why(row.channel),
        "at": now,
        "delivery_id": row.id,
    }
