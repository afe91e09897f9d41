"""The statements about schedules: bringing them in step with the rules, putting one off, writing what one led to.

`realign`, `put_off` and `complete` are lanes of the writer; `listed` reads. Each change names the moment that the row
must still have: of two nodes that ran the same job one writes, and the other learns that it has nothing to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from memonotify.holding import StateChange
from memonotify.schedules import Realignment, Schedule
from memonotify.store import failures, holds, memory
from memonotify.store.cells import micros, moment, optional_micros, optional_moment
from memonotify.store.conflicts import insert_new
from memonotify.store.holds import HoldRow
from memonotify.store.tables import deliveries, schedules

_ADD: Final = insert_new(schedules)
_NEW_DELIVERY: Final = insert_new(deliveries)
_SAME: Final = (
    schedules.c.workspace == bindparam("of_workspace"),
    schedules.c.rule == bindparam("of_rule"),
    schedules.c.digest == bindparam("of_digest"),
    schedules.c.due_at == bindparam("was_due_at"),
    schedules.c.attempts == bindparam("had_attempts"),
)
_CHANGE: Final = (
    update(schedules)
    .where(*_SAME)
    .values(
        digest=bindparam("new_digest"),
        due_at=bindparam("new_due_at"),
        try_at=bindparam("new_try_at"),
        attempts=bindparam("new_attempts"),
        last_at=bindparam("new_last_at"),
        begun_at=bindparam("new_begun_at"),
    )
)
_REMOVE: Final = delete(schedules).where(*_SAME)


@dataclass(frozen=True, slots=True)
class Completion:
    """A job that ran on `before`: what the row is from now on (None: never due again), and what was made."""

    before: Schedule
    after: Schedule | None
    deliveries: Sequence[dict[str, Any]]
    failures: Sequence[dict[str, Any]]
    holds: Sequence[HoldRow] = ()
    changes: Sequence[StateChange] = ()
    at: int = 0


def listed(connection: Connection) -> list[Schedule]:
    """Return every row, the earliest try first."""
    rows = connection.execute(select(schedules).order_by(schedules.c.try_at, schedules.c.workspace, schedules.c.rule))
    return [
        Schedule(
            workspace=row.workspace,
            rule=row.rule,
            digest=row.digest,
            due_at=moment(row.due_at),
            try_at=moment(row.try_at),
            attempts=row.attempts,
            last_at=optional_moment(row.last_at),
            begun_at=optional_moment(row.begun_at),
        )
        for row in rows
    ]


def realign(connection: Connection, wishes: Sequence[Realignment]) -> list[None]:
    """Add, change and remove rows as the rules have it."""
    for wish in wishes:
        if wish.added:
            connection.execute(_ADD, [_row(schedule) for schedule in wish.added])
        for before, after in wish.changed:
            connection.execute(_CHANGE, _fence(before) | _values(after))
        for schedule in wish.removed:
            connection.execute(_REMOVE, _fence(schedule))
    return [None] * len(wishes)


def put_off(connection: Connection, changes: Sequence[tuple[Schedule, Schedule]]) -> list[bool]:
    """Note when a job is tried again; takes the row before and after. False where it is not as it was any more."""
    return [connection.execute(_CHANGE, _fence(before) | _values(after)).rowcount == 1 for before, after in changes]


def complete(connection: Connection, completions: Sequence[Completion]) -> list[bool]:
    """Write what jobs led to and when they are due next; False, and nothing written, where a row is not as it was."""
    return [_complete(connection, completion) for completion in completions]


def _complete(connection: Connection, completion: Completion) -> bool:
    with connection.begin_nested() as savepoint:
        is_ours = _is_moved(connection, completion) and memory.change_all(connection, completion.changes, completion.at)
        if not is_ours:
            savepoint.rollback()
            return False
    if completion.deliveries:
        connection.execute(_NEW_DELIVERY, list(completion.deliveries))
        holds.add(connection, completion.holds)
    failures.add(connection, completion.failures)
    return True


def _is_moved(connection: Connection, completion: Completion) -> bool:
    before, after = completion.before, completion.after
    if after is None:
        return connection.execute(_REMOVE, _fence(before)).rowcount == 1
    return connection.execute(_CHANGE, _fence(before) | _values(after)).rowcount == 1


def _row(schedule: Schedule) -> dict[str, Any]:
    return {
        "workspace": schedule.workspace,
        "rule": schedule.rule,
        "digest": schedule.digest,
        "due_at": micros(schedule.due_at),
        "try_at": micros(schedule.try_at),
        "attempts": schedule.attempts,
        "last_at": optional_micros(schedule.last_at),
        "begun_at": optional_micros(schedule.begun_at),
    }


def _values(schedule: Schedule) -> dict[str, Any]:
    changing = ("digest", "due_at", "try_at", "attempts", "last_at", "begun_at")
    return {f"new_{name}": value for name, value in _row(schedule).items() if name in changing}


def _fence(schedule: Schedule) -> dict[str, Any]:
    return {
        "of_workspace": schedule.workspace,
        "of_rule": schedule.rule,
        "of_digest": schedule.digest,
        "was_due_at": micros(schedule.due_at),
        "had_attempts": schedule.attempts,
    }
