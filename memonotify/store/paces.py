"""A channel's pace over all nodes: evenly spaced moments at which a send may begin, each given to one node.

In: a wish for so many moments. Out: a Portion, on the asking node's own monotonic clock. The row says where the next
portion begins, by the database's clock, so that nodes need not agree on the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, case, or_, select

from memonotify.model import Clock
from memonotify.store.cells import micros
from memonotify.store.conflicts import insert_into
from memonotify.store.tables import paces


def _moment(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger())


_insert = insert_into(paces)
_begin = case(
    (paces.c.next_at > _moment("horizon"), _moment("horizon")),
    (paces.c.next_at > _moment("now"), paces.c.next_at),
    else_=_moment("now"),
)
_RESERVE: Final = _insert.on_conflict_do_update(
    index_elements=["channel"],
    set_={"next_at": _begin + _moment("length")},
    where=or_(paces.c.next_at <= _moment("latest"), paces.c.next_at > _moment("horizon")),
).returning(paces.c.next_at)
_NEXT: Final = select(paces.c.next_at).where(paces.c.channel == bindparam("of_channel"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """So many moments, evenly spaced from the monotonic second `at_s` on, which lies at or after the first true one.

    Without any: others have what comes next, and `at_s` is when to ask again.
    """

    slots: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A wish for `slots` moments of a channel, `interval_us` apart.

    Granted where the first is at most `early_us` ahead: who would hold it longer might stop meanwhile, and nobody could
    use it. What is further ahead than `horizon_us` was written by a clock that was set back since, or at a slower pace
    than the configured one, and is not waited for.

    `moment` reads the database's clock, None where it is ours.
    """

    channel: str
    slots: int
    interval_us: int
    early_us: int
    horizon_us: int
    clock: Clock
    moment: Callable[[Connection], datetime | None]

    @property
    def row(self) -> tuple[str, str]:
        """What it is taken from."""
        return "paces", self.channel

    def take(self, connection: Connection) -> Portion:
        """Reserve the moments."""
        before_s = self.clock.monotonic()
        read = self.moment(connection)
        after_s = self.clock.monotonic()
        now = micros(read or self.clock.now())
        # The clock was read at some time between the two. By as much the moments may be used late, so the portion ends
        # by as much later: whatever the way to the database takes, the next one's moments keep their distance.
        unsure_us = math.ceil((after_s - before_s) * 1_000_000)
        length = self.slots * self.interval_us + unsure_us
        values = {
            "channel": self.channel,
            "next_at": now + length,
            "now": now,
            "latest": now + self.early_us,
            "horizon": now + self.horizon_us,
            "length": length,
        }
        end = connection.scalar(_RESERVE, values)
        if end is not None:
            return Portion(slots=self.slots, at_s=after_s + (end - length - now) / 1_000_000)
        begins = connection.scalars(_NEXT, {"of_channel": self.channel}).one()
        return Portion(slots=0, at_s=after_s + (begins - self.early_us - now) / 1_000_000)
