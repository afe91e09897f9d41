"""The statements about what policies remember: a text by workspace, rule, policy and key.

`change_all` is called inside other lanes' transactions, `forget` is a lane of its own, `state` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from memonotify.holding import Policy, StateChange
from memonotify.store.cells import optional_micros, storable
from memonotify.store.conflicts import insert_new
from memonotify.store.tables import policy_states

_KEYS: Final = ("workspace", "rule", "policy", "key")
_IS_IT: Final = tuple(policy_states.c[name] == bindparam(f"of_{name}") for name in _KEYS)
_STATE: Final = select(policy_states.c.value).where(*_IS_IT)
_NEW: Final = insert_new(policy_states).execution_options(preserve_rowcount=True)
_KEEP: Final = (
    update(policy_states)
    .where(*_IS_IT, policy_states.c.value == bindparam("old"))
    .values(value=bindparam("new"), changed_at=bindparam("at"))
)
_CHANGE: Final = _KEEP.values(expires_at=bindparam("until"))


def change_all(connection: Connection, changes: Sequence[StateChange], at: int) -> bool:
    """Write all changes, or none where one of them goes by what is not remembered any more."""
    if len(changes) < 2:
        return all(_change(connection, change, at) for change in changes)
    with connection.begin_nested() as savepoint:
        holds = all(_change(connection, change, at) for change in changes)
        if not holds:
            savepoint.rollback()
    return holds


def _change(connection: Connection, change: StateChange, at: int) -> bool:
    names = _names(change.workspace, change.rule, change.policy, change.key)
    new, until = storable(change.new), optional_micros(change.expires_at)
    if change.old is None:
        values = {**names, "value": new, "changed_at": at, "expires_at": until}
        return connection.execute(_NEW, values).rowcount == 1
    values = {**_of(names), "old": storable(change.old), "new": new, "at": at}
    if not change.keeps_expiry:
        values["until"] = until
    return connection.execute(_KEEP if change.keeps_expiry else _CHANGE, values).rowcount == 1


def state(connection: Connection, workspace: str, rule: str, policy: Policy, key: str) -> str | None:
    """Return what a policy remembers for a key, None where that is nothing."""
    answer: str | None = connection.execute(_STATE, _of(_names(workspace, rule, policy, key))).scalar()
    return answer


def states(connection: Connection, workspace: str, rule: str, policy: Policy, limit: int) -> list[tuple[str, str]]:
    """Return the last keys of a policy in their order, each with what is remembered for it."""
    columns = policy_states.c
    wanted = (columns.workspace == workspace, columns.rule == storable(rule), columns.policy == policy.value)
    query = select(columns.key, columns.value).where(*wanted).order_by(columns.key.desc()).limit(limit)
    return [(row.key, row.value) for row in connection.execute(query)]


def _names(workspace: str, rule: str, policy: Policy, key: str) -> dict[str, str]:
    return {"workspace": workspace, "rule": storable(rule), "policy": policy.value, "key": storable(key)}


def _of(names: dict[str, Any]) -> dict[str, Any]:
    return {f"of_{name}": value for name, value in names.items()}


def forget(connection: Connection, wishes: Sequence[tuple[int, int]]) -> list[int]:
    """Remove what expired before a moment; takes (moment, at most how many); returns how many."""
    return [_forget(connection, before, limit) for before, limit in wishes]


def _forget(connection: Connection, before: int, limit: int) -> int:
    columns = [policy_states.c[name] for name in _KEYS]
    expired = select(*columns).where(policy_states.c.expires_at < before).limit(limit)
    rows = [tuple(row) for row in connection.execute(expired)]
    if not rows:
        return 0
    # Once more by the moment: another node may have written it anew meanwhile.
    chosen = tuple_(*columns).in_(rows)
    return connection.execute(delete(policy_states).where(chosen, policy_states.c.expires_at < before)).rowcount
