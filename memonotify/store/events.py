"""The statements about events: taking them in, what an evaluation leaves behind, and the lists.

The functions that take a sequence are lanes of the writer: one call for all operations of that kind that wait, inside
the writer's transaction. The others read. Rows are prepared on the caller's side, so that a commit stays short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, not_, null, select, update

from memonotify.errors import Reason
from memonotify.model import Decision, Evaluation, Event, EventState, Outcome, Snapshot, StateChange
from memonotify.store import documents as document_rows
from memonotify.store import failures as failure_rows
from memonotify.store.cells import decode, detail, encode, micros, moment, optional_moment, storable
from memonotify.store.conflicts import insert_new, put
from memonotify.store.deliveries import delivery_row
from memonotify.store.tables import decisions, deliveries, events, policy_states, snapshots

EventRow = tuple[str, str, str, str, str, str, str, str, int, int]

# The two statements of the hot path go to the driver as they are: SQLAlchemy would cost as much again as SQLite does.
# Each is one statement for a whole batch, because the driver gives up the interpreter's lock at every step, and gets it
# back from a busy event loop only after a while: a step per row made a commit ten times as long.
_COLUMNS: Final = "workspace, event_id, date, event_type, resource_type, resource_id, body, client, received_at, due_at"
_ONE_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MARK: Final = (
    "UPDATE events SET due_at = NULL, evaluated_at = ? "
    "WHERE evaluated_at IS NULL AND seq IN (SELECT value FROM json_each(?))"
)
_MARK_EACH: Final = (
    "UPDATE events SET due_at = NULL, evaluated_at = marked.value FROM json_each(?) marked "
    "WHERE evaluated_at IS NULL AND seq = CAST(marked.key AS INTEGER)"
)


@cache
def _receive_statement(rows: int) -> str:
    return f"INSERT INTO events ({_COLUMNS}) VALUES {', '.join([_ONE_ROW] * rows)} ON CONFLICT DO NOTHING"  # noqa: S608 - constants


def event_row(event: Event) -> EventRow:
    """Return the event as `receive` takes it."""
    received_at = micros(event.received_at)
    return (
        event.workspace,
        event.id,
        event.date,
        event.event_type,
        event.resource_type,
        event.resource_id,
        event.text or encode(event.body),
        event.client,
        received_at,
        received_at,
    )


def receive(connection: Connection, rows: Sequence[EventRow]) -> list[int | None]:
    """Write new events; return each one's number, None for one that was already there."""
    driver = connection.connection.cursor()
    try:
        driver.execute(_receive_statement(len(rows)), [value for row in rows for value in row])
        made = driver.rowcount
        if made == len(rows):
            # Nobody else writes, so the numbers of one statement follow each other.
            return list(range(driver.lastrowid - made + 1, driver.lastrowid + 1))
        return _sort_out(driver, rows, made) if made else [None] * len(rows)
    finally:
        driver.close()


def _sort_out(driver: Any, rows: Sequence[EventRow], made: int) -> list[int | None]:
    # Numbers only grow, so the new ones are the highest; not without gaps: a row that is not written spends one too.
    driver.execute("SELECT workspace, event_id, seq FROM events ORDER BY seq DESC LIMIT ?", (made,))
    new = {(workspace, event_id): seq for workspace, event_id, seq in driver}
    # Popped: of two equal ones in one batch the second was already there.
    return [new.pop((row[0], row[1]), None) for row in rows]


@dataclass(frozen=True, slots=True)
class EvaluationRows:
    """What an evaluation writes, as rows."""

    event_seq: int
    evaluated_at: int
    changes: tuple[StateChange, ...]
    decisions: list[dict[str, Any]]
    snapshots: list[dict[str, Any]]
    documents: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    failures: list[dict[str, Any]]


def evaluation_rows(evaluation: Evaluation) -> EvaluationRows:
    """Return the evaluation as `record` takes it."""
    seq = evaluation.event.seq
    return EvaluationRows(
        event_seq=seq,
        evaluated_at=micros(evaluation.evaluated_at),
        changes=tuple(decision.change for decision in evaluation.decisions if decision.change is not None),
        decisions=[
            {
                "event_seq": seq,
                "position": position,
                "rule": storable(decision.rule),
                "outcome": decision.outcome.value,
                "detail": detail(decision.detail),
            }
            for position, decision in enumerate(evaluation.decisions)
        ],
        snapshots=[_snapshot_row(seq, position, shot) for position, shot in enumerate(evaluation.snapshots)],
        documents=[document_rows.document_row(seq, document) for document in evaluation.documents],
        deliveries=[delivery_row(new) for decision in evaluation.decisions for new in decision.deliveries],
        failures=[failure_rows.failure_row(failure) for failure in evaluation.failures],
    )


def _snapshot_row(seq: int, position: int, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "event_seq": seq,
        "path": storable(snapshot.path),
        "position": position,
        "fetched_at": micros(snapshot.fetched_at),
        "status": snapshot.status,
        "body": None if snapshot.body is None else encode(snapshot.body),
        "reason": None if snapshot.reason is None else snapshot.reason.value,
    }


def mark(connection: Connection, evaluated: Sequence[tuple[int, int]]) -> list[bool]:
    """Note that events led to nothing; takes (moment, event's number)."""
    moments = {seq: at for at, seq in evaluated}
    one = set(moments.values())
    driver = connection.connection.cursor()
    try:
        if len(one) == 1:
            driver.execute(_MARK, (*one, json.dumps(list(moments))))
        else:
            driver.execute(_MARK_EACH, (json.dumps(moments),))
    finally:
        driver.close()
    return [True] * len(evaluated)


def mark_all(connection: Connection, groups: Sequence[Sequence[tuple[int, int]]]) -> list[None]:
    """Note that groups of events led to nothing; each as `mark` takes it."""
    mark(connection, [row for group in groups for row in group])
    return [None] * len(groups)


_OPEN: Final = select(events.c.seq).where(
    events.c.seq.in_(bindparam("seqs", expanding=True)), events.c.evaluated_at.is_(None)
)
_EVALUATED: Final = (
    update(events).where(events.c.seq == bindparam("event_seq")).values(due_at=null(), evaluated_at=bindparam("at"))
)
_POLICY: Final = select(policy_states.c.value).where(
    policy_states.c.workspace == bindparam("workspace"),
    policy_states.c.rule == bindparam("rule"),
    policy_states.c.key == bindparam("key"),
)
_PUT_POLICY: Final = put(policy_states)
_PUT_SNAPSHOT: Final = put(snapshots)
_NEW_DELIVERY: Final = insert_new(deliveries)
_NEW_DECISION: Final = insert(decisions)


def record(connection: Connection, evaluations: Sequence[EvaluationRows]) -> list[bool]:
    """Write evaluations, each whole or not at all; False where a remembered answer is not the one it went by.

    An event that is already evaluated has left its marks: nothing is written again.
    """
    still_open = set(connection.scalars(_OPEN, {"seqs": [rows.event_seq for rows in evaluations]}))
    written: list[EvaluationRows] = []
    results: list[bool] = []
    for rows in evaluations:
        if rows.event_seq not in still_open:
            results.append(True)
            continue
        holds = all(policy_state(connection, c.workspace, c.rule, c.key) is c.old for c in rows.changes)
        results.append(holds)
        if holds:
            still_open.remove(rows.event_seq)
            written.append(rows)
            _change(connection, rows)
    if written:
        _write(connection, written)
    return results


def _change(connection: Connection, rows: EvaluationRows) -> None:
    # At once, not with the rest of the batch: the next evaluation in it may go by the same key.
    for change in rows.changes:
        values = {"workspace": change.workspace, "rule": storable(change.rule), "key": storable(change.key)}
        connection.execute(_PUT_POLICY, {**values, "value": change.new, "changed_at": rows.evaluated_at})


def _write(connection: Connection, written: Sequence[EvaluationRows]) -> None:
    connection.execute(_EVALUATED, [{"event_seq": rows.event_seq, "at": rows.evaluated_at} for rows in written])
    for statement, found in (
        (_NEW_DECISION, [row for rows in written for row in rows.decisions]),
        (_PUT_SNAPSHOT, [row for rows in written for row in rows.snapshots]),
        (document_rows.PUT, [row for rows in written for row in rows.documents]),
        (_NEW_DELIVERY, [row for rows in written for row in rows.deliveries]),
    ):
        if found:
            connection.execute(statement, found)
    failure_rows.add(connection, [row for rows in written for row in rows.failures])


def policy_state(connection: Connection, workspace: str, rule: str, key: str) -> bool | None:
    """Return a policy's remembered answer for a key, None where there is none."""
    values = {"workspace": workspace, "rule": storable(rule), "key": storable(key)}
    answer: bool | None = connection.execute(_POLICY, values).scalar()
    return answer


_POSTPONE: Final = (
    update(events)
    .where(events.c.seq == bindparam("event_seq"), events.c.evaluated_at.is_(None))
    .values(due_at=bindparam("due"), attempts=events.c.attempts + bindparam("tries"))
)


def postpone(connection: Connection, postponed: Sequence[tuple[int, int, int]]) -> list[None]:
    """Put off evaluations that could not be finished; takes (event's number, moment, 1 where it was a try or 0)."""
    connection.execute(
        _POSTPONE, [{"event_seq": seq, "due": due_at, "tries": tries} for seq, due_at, tries in postponed]
    )
    return [None] * len(postponed)


def resume(connection: Connection, moments: Sequence[int]) -> list[int]:
    """Make due now what was put off; returns how many events."""
    return [
        connection.execute(
            update(events).where(events.c.evaluated_at.is_(None), events.c.due_at > now).values(due_at=now)
        ).rowcount
        for now in moments
    ]


def unevaluated(connection: Connection, *, now: datetime, after_seq: int, limit: int) -> list[Event]:
    """Return events that are due to be evaluated, in order of arrival."""
    found = connection.execute(
        select(events)
        .where(events.c.evaluated_at.is_(None), events.c.seq > after_seq, events.c.due_at <= micros(now))
        .order_by(events.c.seq)
        .limit(limit)
    )
    return [_event(row) for row in found]


def next_due(connection: Connection) -> datetime | None:
    """Return when the first unevaluated event is due."""
    return optional_moment(connection.scalar(select(func.min(events.c.due_at)).where(events.c.evaluated_at.is_(None))))


def listed(
    connection: Connection,
    *,
    state: EventState | None,
    rule: str | None,
    workspace: str | None,
    since: datetime | None,
    limit: int,
) -> list[Event]:
    """Return events, newest first. With `rule`: those for which the rule concluded something but "no match"."""
    query = select(events)
    if state is not None:
        is_open = events.c.evaluated_at.is_(None)
        query = query.where(is_open if state is EventState.RECEIVED else not_(is_open))
    if workspace is not None:
        query = query.where(events.c.workspace == workspace)
    if since is not None:
        query = query.where(events.c.received_at >= micros(since))
    # In the order of an index that holds what is asked for, so that the few that match are found without reading all.
    if rule is None:
        newest = () if state is EventState.RECEIVED else (events.c.received_at.desc(),)
        query = query.order_by(*newest, events.c.seq.desc())
    else:
        query = query.join(decisions, decisions.c.event_seq == events.c.seq)
        query = query.where(decisions.c.rule == rule, decisions.c.outcome != Outcome.NOT_MATCHED.value)
        query = query.order_by(decisions.c.event_seq.desc())
    return [_event(row) for row in connection.execute(query.limit(limit))]


def found(connection: Connection, workspace: str | None, event_id: str) -> Event | None:
    """Return the event of that id; where several workspaces have one and none is named, the newest."""
    query: Select[Any] = select(events).where(events.c.event_id == event_id)
    if workspace is not None:
        query = query.where(events.c.workspace == workspace)
    row = connection.execute(query.order_by(events.c.seq.desc()).limit(1)).first()
    return None if row is None else _event(row)


def snapshots_of(connection: Connection, seq: int) -> list[Snapshot]:
    """Return what was fetched for an event, in order."""
    rows = connection.execute(
        select(snapshots).where(snapshots.c.event_seq == seq).order_by(snapshots.c.position, snapshots.c.path)
    )
    return [
        Snapshot(
            path=row.path,
            fetched_at=moment(row.fetched_at),
            status=row.status,
            body=None if row.body is None else decode(row.body),
            reason=None if row.reason is None else Reason(row.reason),
        )
        for row in rows
    ]


def decisions_of(connection: Connection, seq: int) -> list[Decision]:
    """Return what was concluded for an event, in order; without the messages, which `deliveries` has."""
    rows = connection.execute(select(decisions).where(decisions.c.event_seq == seq).order_by(decisions.c.position))
    return [Decision(rule=row.rule, outcome=Outcome(row.outcome), detail=row.detail) for row in rows]


def _event(row: Row[Any]) -> Event:
    body: Mapping[str, Any] = decode(row.body)
    return Event(
        workspace=row.workspace,
        id=row.event_id,
        date=row.date,
        event_type=row.event_type,
        resource_type=row.resource_type,
        resource_id=row.resource_id,
        body=body,
        received_at=moment(row.received_at),
        client=row.client,
        seq=row.seq,
        attempts=row.attempts,
        state=EventState.RECEIVED if row.evaluated_at is None else EventState.EVALUATED,
        evaluated_at=optional_moment(row.evaluated_at),
    )
