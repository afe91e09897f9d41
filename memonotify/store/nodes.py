"""The daemons on one store: their leases, what they hold, and who leads.

A node has a lease that it renews. Events stand in its name while it evaluates them; once the lease is over, or the node
has left, they are free for the others. One node at a time leads: it does what only one may do. The functions that take
a sequence are lanes of the writer; the others read. On SQLite there is one node, and nothing of this is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, exists, func, literal_column, or_, select, update

from memonotify.model import Node
from memonotify.store.cells import moment
from memonotify.store.conflicts import insert_into
from memonotify.store.tables import events, leaders, nodes

_LEADER: Final = "leader"
_FORGET_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Beat:
    """A node renews its lease until `until`; `may_lead` where it can do a leader's work."""

    lease: str
    name: str
    version: str
    role: str
    rules: str
    started_at: int
    now: int
    until: int
    may_lead: bool


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a beat learned: whether the node leads, and how many nodes there are."""

    leads: bool
    nodes: int


_insert_node = insert_into(nodes)
_BEAT: Final = _insert_node.on_conflict_do_update(
    index_elements=["lease"],
    set_={name: _insert_node.excluded[name] for name in ("rules", "seen_at", "lease_until")},
)
_insert_leader = insert_into(leaders)
_LEAD: Final = _insert_leader.on_conflict_do_update(
    index_elements=["task"],
    set_={name: _insert_leader.excluded[name] for name in ("lease", "lease_until")},
    where=or_(leaders.c.lease == _insert_leader.excluded.lease, leaders.c.lease_until <= bindparam("now")),
).execution_options(preserve_rowcount=True)
_LIVING: Final = select(nodes.c.lease).where(nodes.c.lease_until > bindparam("now"))
# Whatever no living node has, also where a node died that never beat, or took an event in after it left.
_FREE: Final = (
    update(events)
    .where(
        events.c.evaluated_at.is_(None),
        events.c.lease > literal_column("''"),
        events.c.lease.not_in(_LIVING.scalar_subquery()),
    )
    .values(lease="")
)
_GIVE_BACK: Final = (
    update(events).where(events.c.evaluated_at.is_(None), events.c.lease == bindparam("of_lease")).values(lease="")
)
_ADOPT_FROM: Final = (
    select(events.c.seq)
    .where(
        events.c.evaluated_at.is_(None),
        events.c.lease == literal_column("''"),
        events.c.due_at <= bindparam("now"),
    )
    .order_by(events.c.seq)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)


def beat(connection: Connection, beats: Sequence[Beat]) -> list[Pulse]:
    """Renew nodes' leases, free what belongs to nodes whose lease is over, and take or keep the lead."""
    return [_beat(connection, one) for one in beats]


def _beat(connection: Connection, one: Beat) -> Pulse:
    connection.execute(
        _BEAT,
        {
            "lease": one.lease,
            "name": one.name,
            "version": one.version,
            "role": one.role,
            "rules": one.rules,
            "started_at": one.started_at,
            "seen_at": one.now,
            "lease_until": one.until,
        },
    )
    connection.execute(_FREE, {"now": one.now})
    connection.execute(delete(nodes).where(nodes.c.lease_until <= one.now - _FORGET_US))
    leads = False
    if one.may_lead:
        values = {"task": _LEADER, "lease": one.lease, "lease_until": one.until, "now": one.now}
        leads = connection.execute(_LEAD, values).rowcount == 1
    living = select(func.count()).select_from(nodes).where(nodes.c.lease_until > one.now)
    return Pulse(leads=leads, nodes=connection.scalar(living) or 0)


def leave(connection: Connection, leases: Sequence[str]) -> list[None]:
    """Give back all that a node holds, and its lease."""
    for lease in leases:
        connection.execute(_GIVE_BACK, {"of_lease": lease})
        connection.execute(delete(leaders).where(leaders.c.lease == lease))
        connection.execute(delete(nodes).where(nodes.c.lease == lease))
    return [None] * len(leases)


@dataclass(frozen=True, slots=True)
class Adoption:
    """A node wants up to `limit` free events that are due; those in order only where it leads."""

    lease: str
    limit: int
    now: int
    leads: bool


def adopt(connection: Connection, wishes: Sequence[Adoption]) -> list[int]:
    """Put free events in a node's name, in order of arrival; returns how many."""
    return [_adopt(connection, wish) for wish in wishes]


def _adopt(connection: Connection, wish: Adoption) -> int:
    # A table expression, as where deliveries are claimed: read once, so that the limit holds.
    free = (_ADOPT_FROM if wish.leads else _ADOPT_FROM.where(~events.c.in_order)).cte("free")
    taken = update(events).where(events.c.seq.in_(select(free.c.seq))).values(lease=wish.lease)
    return connection.execute(taken, {"now": wish.now, "at_most": wish.limit}).rowcount


def hand_over(connection: Connection, handed: Sequence[tuple[int, str]]) -> list[None]:
    """Give events to the leader, who evaluates them in order; takes (number, lease that they must have)."""
    for seq, lease in sorted(handed):
        connection.execute(
            update(events)
            .where(events.c.seq == seq, events.c.lease == lease, events.c.evaluated_at.is_(None))
            .values(lease="", in_order=True)
        )
    return [None] * len(handed)


def listed(connection: Connection) -> list[Node]:
    """Return all nodes of the last day, the living first, then by name."""
    leads = exists(select(leaders.c.task).where(leaders.c.lease == nodes.c.lease)).label("leads")
    held = (
        select(func.count())
        .select_from(events)
        .where(events.c.evaluated_at.is_(None), events.c.lease == nodes.c.lease)
        .scalar_subquery()
        .label("held")
    )
    rows = connection.execute(
        select(nodes, leads, held).order_by(nodes.c.lease_until.desc(), nodes.c.name, nodes.c.lease)
    )
    return [
        Node(
            lease=row.lease,
            name=row.name,
            version=row.version,
            role=row.role,
            rules=row.rules,
            started_at=moment(row.started_at),
            seen_at=moment(row.seen_at),
            lease_until=moment(row.lease_until),
            leads=row.leads,
            events=row.held,
        )
        for row in rows
    ]
