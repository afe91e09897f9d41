"""The bank's quota of a workspace over all nodes: what nobody has drawn yet of the present window.

In: a node's wish for calls, with what the bank last told it. Out: a QuotaGrant. `divide` is the rule, pure; `Draw`
applies it to the row, which is locked meanwhile. Moments are microseconds since 1970 by the database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, func, select, update

from memonotify.model import QuotaGrant, QuotaTold, Role
from memonotify.store.cells import micros, moment
from memonotify.store.conflicts import insert_new
from memonotify.store.tables import nodes, quotas

SAME_US: Final = 2_000_000
"""The bank tells the reset in whole seconds, so the same one comes out a little differently each time."""

QUIET_US: Final = 250_000
"""Before a window ends nobody has calls for so long: all have arrived when the first of the next one goes out."""

TRIAL_US: Final = 2_000_000
"""How long the others wait for the one that finds out about a window, before another one tries."""

LOOK_AGAIN_US: Final = 50_000
"""How soon they ask whether it has."""

UNTOLD_US: Final = 5_000_000
UNTOLD_CALLS: Final = 1_000
"""Where a trial brought nothing (the bank is away, or does not tell), each goes by what it knows itself for a while."""


@dataclass(frozen=True, slots=True)
class Left:
    """A row: the calls that nobody has drawn, until the window ends; and until when a trial is under way."""

    left_over: int = 0
    until: int = 0
    trial_until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A node wants up to `want` calls. `told` is what it last heard; `untold`: its trial brought nothing."""

    want: int
    told: QuotaTold | None = None
    untold: bool = False


def divide(left: Left, wish: Wish, *, nodes: int, now: int) -> tuple[Left, QuotaGrant]:
    """Return the row after a wish, and what the node gets: at most its half share of what is left.

    A window that is over says nothing about the next one: one call finds out, and the others wait for its answer.
    """
    left = left if wish.told is None else _heard(left, wish.told, now)
    if now >= left.until and wish.untold:
        left = Left(UNTOLD_CALLS, now + UNTOLD_US)
    if now >= left.until:
        return _on_trial(left, wish, now)
    share = max(1, left.left_over // (2 * max(nodes, 1)))
    calls = min(wish.want, share, left.left_over) if now < left.until - QUIET_US else 0
    ends = left.until - QUIET_US if calls else left.until
    return replace(left, left_over=left.left_over - calls), QuotaGrant(calls=calls, until=moment(ends))


def _heard(left: Left, told: QuotaTold, now: int) -> Left:
    """Take in what the bank told a node.

    A window counts as new only where the call that it was told to went out after the old one was over: by then every
    portion of the old one is void, and what was called with it is counted in what was told.
    """
    resets = micros(told.resets_at)
    if resets <= now or resets < left.until - SAME_US:
        return left
    # Nobody has asked since QUIET_US before the end: half of that is room for clocks that differ.
    if micros(told.asked_at) >= left.until - QUIET_US // 2:
        return Left(told.left, resets)
    until = max(left.until, resets) if resets <= left.until + SAME_US else left.until
    return replace(left, left_over=min(left.left_over, told.left), until=until)


def _on_trial(left: Left, wish: Wish, now: int) -> tuple[Left, QuotaGrant]:
    if now < left.trial_until:
        return left, QuotaGrant(calls=0, until=moment(min(left.trial_until, now + LOOK_AGAIN_US)))
    if not wish.want:
        return left, QuotaGrant(calls=0, until=moment(now))
    left = replace(left, trial_until=now + TRIAL_US)
    return left, QuotaGrant(calls=1, until=moment(left.trial_until), is_trial=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A node's wish concerning a workspace, at the moment `now`."""

    workspace: str
    wish: Wish
    now: int

    @property
    def row(self) -> tuple[str, str]:
        """What it is taken from."""
        return "quotas", self.workspace

    def take(self, connection: Connection) -> QuotaGrant:
        """Answer the wish."""
        is_ours = quotas.c.workspace == self.workspace
        connection.execute(_NEW, {"workspace": self.workspace})
        found = connection.execute(_FIND.where(is_ours)).one()
        living = connection.scalar(_LIVING.where(nodes.c.lease_until > self.now)) or 0
        before = Left(found.left_over, found.until, found.trial_until)
        left, grant = divide(before, self.wish, nodes=living, now=self.now)
        if left != before:
            values = {"left_over": left.left_over, "until": left.until, "trial_until": left.trial_until}
            connection.execute(update(quotas).where(is_ours).values(values))
        return grant


_NEW: Final = insert_new(quotas).values(left_over=0, until=0, trial_until=0)
_FIND: Final = select(quotas.c.left_over, quotas.c.until, quotas.c.trial_until).with_for_update()
_LIVING: Final = select(func.count()).select_from(nodes).where(nodes.c.role != Role.INTAKE.value)
