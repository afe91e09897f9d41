"""The statements about events: taking them in, what an evaluation leaves behind, and the lists.

The functions that take a sequence are lanes of the writer: one call for all operations of that kind that wait, inside
the writer's transaction. The others read. Rows are prepared on the caller's side, so that a commit stays short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, not_, null, select, update

from memonotify.errors import Reason
from memonotify.holding import Overtaken, Resolved, StateChange
from memonotify.model import Evaluation, Event, EventState, Outcome, Recorded, Snapshot, Wait
from memonotify.store import documents as document_rows
from memonotify.store import failures as failure_rows
from memonotify.store import holds as hold_rows
from memonotify.store import memory
from memonotify.store import traces as trace_rows
from memonotify.store import windows as window_rows
from memonotify.store.cells import decode, detail, encode, micros, moment, optional_moment, storable
from memonotify.store.conflicts import insert_new, put
from memonotify.store.deliveries import delivery_row
from memonotify.store.tables import decisions, deliveries, events, snapshots


@dataclass(frozen=True, slots=True)
class EvaluationRows:
    """What an evaluation writes, as rows."""

    event_seq: int
    evaluated_at: int
    changes: tuple[StateChange, ...]
    entries: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    traces: list[dict[str, Any]]
    snapshots: list[dict[str, Any]]
    documents: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    holds: list[hold_rows.HoldRow]
    overtaken: list[tuple[Overtaken, int]]
    resolved: list[tuple[Resolved, int]]
    failures: list[dict[str, Any]]


def evaluation_rows(evaluation: Evaluation) -> EvaluationRows:
    """Return the evaluation as `record` takes it."""
    seq = evaluation.event.seq
    made = [new for decision in evaluation.decisions for new in decision.deliveries]
    at = micros(evaluation.evaluated_at)
    return EvaluationRows(
        event_seq=seq,
        evaluated_at=at,
        changes=tuple(change for decision in evaluation.decisions for change in decision.changes),
        entries=[window_rows.entry_row(entry) for decision in evaluation.decisions for entry in decision.entries],
        decisions=[
            {
                "event_seq": seq,
                "position": position,
                "rule": storable(decision.rule),
                "outcome": decision.outcome.value,
                "detail": detail(decision.detail),
            }
            for position, decision in enumerate(evaluation.decisions)
            if decision.outcome is not Outcome.NOT_MATCHED
        ],
        traces=[trace_rows.trace_row(seq, evaluation.decisions)] if evaluation.decisions else [],
        snapshots=[_snapshot_row(seq, position, shot) for position, shot in enumerate(evaluation.snapshots)],
        documents=[document_rows.document_row(seq, document) for document in evaluation.documents],
        deliveries=[delivery_row(new) for new in made],
        holds=[hold_rows.hold_row(new, new.hold) for new in made if new.hold is not None],
        overtaken=[(each.overtaken, at) for each in evaluation.decisions if each.overtaken is not None],
        resolved=[(each.resolved, at) for each in evaluation.decisions if each.resolved is not None],
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


# Locked where others may write: who has the lease now has it until the end of the transaction.
_FOUND: Final = (
    select(events.c.seq, events.c.evaluated_at, events.c.lease)
    .where(events.c.seq.in_(bindparam("seqs", expanding=True)))
    .order_by(events.c.seq)
    .with_for_update()
)
_EVALUATED: Final = (
    update(events).where(events.c.seq == bindparam("event_seq")).values(due_at=null(), evaluated_at=bindparam("at"))
)
_PUT_SNAPSHOT: Final = put(snapshots)
_NEW_DELIVERY: Final = insert_new(deliveries)
_NEW_DECISION: Final = insert(decisions)


def record(connection: Connection, evaluations: Sequence[tuple[EvaluationRows, str]]) -> list[Recorded]:
    """Write evaluations, each whole or not at all; takes each with the lease that its event must have.

    An event that is already evaluated has left its marks: nothing is written again.
    """
    seqs = {rows.event_seq for rows, _ in evaluations}
    found = {row.seq: row for row in connection.execute(_FOUND, {"seqs": sorted(seqs)})}
    written: dict[int, EvaluationRows] = {}
    results: list[Recorded] = []
    for rows, lease in evaluations:
        row = found.get(rows.event_seq)
        if row is None or row.evaluated_at is not None or rows.event_seq in written:
            results.append(Recorded.WRITTEN)
        elif row.lease != lease:
            results.append(Recorded.LOST)
        elif memory.change_all(connection, rows.changes, rows.evaluated_at):
            written[rows.event_seq] = rows
            results.append(Recorded.WRITTEN)
        else:
            results.append(Recorded.CHANGED)
    if written:
        _write(connection, list(written.values()))
    return results


def _write(connection: Connection, written: Sequence[EvaluationRows]) -> None:
    connection.execute(_EVALUATED, [{"event_seq": rows.event_seq, "at": rows.evaluated_at} for rows in written])
    for statement, found in (
        (_NEW_DECISION, [row for rows in written for row in rows.decisions]),
        (trace_rows.PUT, [row for rows in written for row in rows.traces]),
        (_PUT_SNAPSHOT, [row for rows in written for row in rows.snapshots]),
        (document_rows.PUT, [row for rows in written for row in rows.documents]),
        (_NEW_DELIVERY, [row for rows in written for row in rows.deliveries]),
    ):
        if found:
            connection.execute(statement, found)
    window_rows.add(connection, [row for rows in written for row in rows.entries])
    hold_rows.add(connection, [row for rows in written for row in rows.holds])
    hold_rows.overtake(connection, [each for rows in written for each in rows.overtaken])
    hold_rows.resolve(connection, [each for rows in written for each in rows.resolved])
    failure_rows.add(connection, [row for rows in written for row in rows.failures])


_POSTPONE: Final = (
    update(events)
    .where(
        events.c.seq == bindparam("event_seq"), events.c.evaluated_at.is_(None), events.c.lease == bindparam("of_lease")
    )
    .values(due_at=bindparam("due"), attempts=events.c.attempts + bindparam("tries"))
)


def postpone(connection: Connection, postponed: Sequence[tuple[int, int, int, str]]) -> list[None]:
    """Put off evaluations that could not be finished; takes (number, moment, 1 where it was a try or 0, lease)."""
    connection.execute(
        _POSTPONE,
        [
            {"event_seq": seq, "due": due_at, "tries": tries, "of_lease": lease}
            for seq, due_at, tries, lease in sorted(postponed)
        ],
    )
    return [None] * len(postponed)


def resume(connection: Connection, wishes: Sequence[tuple[int, bool]]) -> list[int]:
    """Make due now what was put off; takes (moment, only those in order); returns how many events."""
    return [_resume(connection, now, only_in_order) for now, only_in_order in wishes]


def _resume(connection: Connection, now: int, only_in_order: bool) -> int:
    put_off = update(events).where(events.c.evaluated_at.is_(None), events.c.due_at > now).values(due_at=now)
    if only_in_order:
        put_off = put_off.where(events.c.in_order)
    return connection.execute(put_off).rowcount


def unevaluated(connection: Connection, *, lease: str, now: datetime, after_seq: int, limit: int) -> list[Event]:
    """Return events of a lease that are due to be evaluated, in order of arrival."""
    found = connection.execute(
        select(events)
        .where(
            events.c.evaluated_at.is_(None),
            events.c.lease == lease,
            events.c.seq > after_seq,
            events.c.due_at <= micros(now),
        )
        .order_by(events.c.seq)
        .limit(limit)
    )
    return [as_event(row) for row in found]


def next_due(connection: Connection, lease: str) -> datetime | None:
    """Return when the first unevaluated event of a lease is due."""
    waiting = select(func.min(events.c.due_at)).where(events.c.evaluated_at.is_(None), events.c.lease == lease)
    return optional_moment(connection.scalar(waiting))


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
    if rule is None and state is EventState.RECEIVED:
        # Sorted: in the order of the number itself a database would go through all events, not through the open ones.
        query = query.order_by((events.c.seq + 0).desc())
    elif rule is None:
        query = query.order_by(events.c.received_at.desc(), events.c.seq.desc())
    else:
        query = query.join(decisions, decisions.c.event_seq == events.c.seq)
        query = query.where(decisions.c.rule == rule)
        query = query.order_by(decisions.c.event_seq.desc())
    return [as_event(row) for row in connection.execute(query.limit(limit))]


def found(connection: Connection, workspace: str | None, event_id: str) -> Event | None:
    """Return the event of that id; where several workspaces have one and none is named, the newest."""
    query: Select[Any] = select(events).where(events.c.event_id == event_id)
    if workspace is not None:
        query = query.where(events.c.workspace == workspace)
    row = connection.execute(query.order_by(events.c.seq.desc()).limit(1)).first()
    return None if row is None else as_event(row)


def named(connection: Connection, event_id: str, *, workspace: str | None, limit: int) -> list[Event]:
    """Return the events of that id, newest first; where there is none, those whose id begins with it, by id."""
    query: Select[Any] = select(events).limit(limit)
    if workspace is not None:
        query = query.where(events.c.workspace == workspace)
    exact = query.where(events.c.event_id == event_id).order_by(events.c.seq.desc())
    rows = connection.execute(exact).all()
    if not rows:
        # Letter by letter, because LIKE does not tell cases apart in every database.
        begins = func.substr(events.c.event_id, 1, len(event_id)) == event_id
        rows = connection.execute(query.where(begins).order_by(events.c.event_id, events.c.seq)).all()
    return [as_event(row) for row in rows]


def wait_of(connection: Connection, seq: int) -> Wait | None:
    """Return what an event waits for, None where it is evaluated or gone."""
    row = connection.execute(
        select(events.c.due_at, events.c.lease, events.c.in_order).where(
            events.c.seq == seq, events.c.evaluated_at.is_(None)
        )
    ).first()
    return None if row is None else Wait(due_at=moment(row.due_at or 0), lease=row.lease, in_order=row.in_order)


def snapshots_of(connection: Connection, seq: int) -> list[Snapshot]:
    """Return what was fetched for an event, in order."""
    rows = connection.execute(
        select(snapshots).where(snapshots.c.event_seq == seq).order_by(snapshots.c.position, snapshots.c.path)
    )
    return [as_snapshot(row) for row in rows]


def as_snapshot(row: Row[Any]) -> Snapshot:
    """Return a row of the table as a value."""
    return Snapshot(
        path=row.path,
        fetched_at=moment(row.fetched_at),
        status=row.status,
        body=None if row.body is None else decode(row.body),
        reason=None if row.reason is None else Reason(row.reason),
    )


def as_event(row: Row[Any]) -> Event:
    """Return a row of the table as a value."""
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
