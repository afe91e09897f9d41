"""What was concluded for an event, of all its rules in one row: the trace that `why` reads, kept and pruned with it.

`trace_row` packs decisions for `record`; `unpack` and the reading functions bring them back. One row of packed JSON,
because an event that five hundred rules look at is concluded five hundred times, nearly always with the same few words.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from memonotify.holding import Policy
from memonotify.model import Decision, Falsehood, Outcome
from memonotify.store.cells import detail, micros, moment, storable
from memonotify.store.conflicts import put
from memonotify.store.tables import events, traces

PUT: Final = put(traces)
_PAGE: Final = 500


def trace_row(seq: int, decisions: Sequence[Decision]) -> dict[str, Any]:
    """Return the trace of an event as `PUT` takes it."""
    return {"event_seq": seq, "body": pack(decisions)}


def pack(decisions: Sequence[Decision]) -> bytes:
    """Return decisions, without their messages, as few bytes."""
    entries = [_entry(decision) for decision in decisions]
    return zlib.compress(json.dumps(entries, separators=(",", ":")).encode(), 3)


def _entry(decision: Decision) -> list[Any]:
    policy = None if decision.policy is None else decision.policy.value
    entry: list[Any] = [storable(decision.rule), decision.outcome.value, detail(decision.detail), decision.key, policy]
    if decision.falsehood is not None:
        entry += [decision.falsehood.condition, [list(pair) for pair in decision.falsehood.values]]
    return entry


def unpack(body: bytes) -> list[Decision]:
    """Return the decisions of a trace, in the order of the rules."""
    return [_decision(entry) for entry in json.loads(zlib.decompress(body))]


def _decision(entry: Sequence[Any]) -> Decision:
    rule, outcome, why, key, policy, *falsehood = entry
    return Decision(
        rule=rule,
        outcome=Outcome(outcome),
        detail=why,
        key=key,
        policy=None if policy is None else Policy(policy),
        falsehood=Falsehood(condition=falsehood[0], values=tuple((name, value) for name, value in falsehood[1]))
        if falsehood
        else None,
    )


def decisions_of(connection: Connection, seq: int) -> list[Decision]:
    """Return what was concluded for an event, in order; the messages are in `deliveries`."""
    body = connection.scalar(select(traces.c.body).where(traces.c.event_seq == seq))
    return [] if body is None else unpack(body)


def of_rule(
    connection: Connection, rule: str, since: datetime, *, workspace: str | None = None
) -> Iterator[tuple[str, datetime, Decision]]:
    """Yield (event id, when it came, decision) for each time a rule was decided since then, newest first."""
    before = None
    named = json.dumps(storable(rule)).encode()
    while True:
        query = (
            select(events.c.seq, events.c.event_id, events.c.received_at, traces.c.body)
            .join(traces, traces.c.event_seq == events.c.seq)
            .where(events.c.received_at >= micros(since))
            .order_by(events.c.received_at.desc(), events.c.seq.desc())
            .limit(_PAGE)
        )
        if workspace is not None:
            query = query.where(events.c.workspace == workspace)
        if before is not None:
            at, seq = before
            query = query.where(
                (events.c.received_at < at) | ((events.c.received_at == at) & (events.c.seq < seq)),
                events.c.received_at <= at,
            )
        rows = connection.execute(query).all()
        for row in rows:
            text = zlib.decompress(row.body)
            # Most traces do not speak of the rule, and reading their JSON is most of the work.
            for entry in json.loads(text) if named in text else ():
                if entry[0] == rule:
                    yield row.event_id, moment(row.received_at), _decision(entry)
        if len(rows) < _PAGE:
            return
        before = (rows[-1].received_at, rows[-1].seq)
