"""What one attempt leaves behind: the Settlement the store writes. Pure: values in, a value out.

In: the claimed delivery and the channel's receipt or error. Out: a Settlement with the attempt, the next state, a part
for each refused recipient, and a Failure for each dead letter. Called by the lane after each send.

A refused recipient goes on alone: a delivery of its own with the identity of the whole, the payload with `recipients`
naming nobody else, and the clock of the whole, so `give_up_after` is not granted twice.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from memonotify.config.values import Retry
from memonotify.delivery.waits import decide_after_failure
from memonotify.errors import CallError, SendError
from memonotify.model import (
    Attempt,
    Branch,
    Delivery,
    DeliveryState,
    Failure,
    FailureKind,
    NewDelivery,
    Notification,
    Receipt,
    Refusal,
    Settlement,
    delivery_id,
)

_UNTOLD: Final = frozenset({Branch.FAILURE, Branch.TEST})
"""A notice about failures and a test message raise no failure of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One attempt as the lane saw it: what came back, and when it began and ended."""

    result: Receipt | CallError
    started_at: datetime
    ended_at: datetime


def settlement(delivery: Delivery, ended: Ended, retry: Retry, randomness: random.Random) -> Settlement:
    """Return what to write for an attempt that ended."""
    if isinstance(ended.result, Receipt):
        return _taken(delivery, ended.result, ended, retry, randomness)
    return _failed(delivery, ended.result, ended, retry, randomness)


def _failed(delivery: Delivery, error: CallError, ended: Ended, retry: Retry, randomness: random.Random) -> Settlement:
    state, due_at = decide_after_failure(delivery, error, ended.ended_at, retry, randomness)
    failures = _failures(delivery, delivery.id, error, ended.ended_at) if state is DeliveryState.DEAD else ()
    attempt = Attempt(
        delivery_id=delivery.id,
        number=delivery.attempts,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        ok=False,
        reason=error.reason,
        status=error.status,
        detail=error.detail,
    )
    return Settlement(delivery=delivery, attempt=attempt, state=state, due_at=due_at, failures=failures)


def _taken(delivery: Delivery, receipt: Receipt, ended: Ended, retry: Retry, randomness: random.Random) -> Settlement:
    attempt = Attempt(
        delivery_id=delivery.id,
        number=delivery.attempts,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        ok=True,
        status=receipt.status,
        detail=receipt.detail,
    )
    parts: list[NewDelivery] = []
    failures: list[Failure] = []
    for refusal in receipt.refusals:
        error = SendError(refusal.reason, _refused(refusal), status=refusal.status)
        state, due_at = decide_after_failure(delivery, error, ended.ended_at, retry, randomness)
        part = _part(delivery, refusal, error, state, due_at or ended.ended_at)
        parts.append(part)
        if state is DeliveryState.DEAD:
            failures.extend(_failures(delivery, part.id, error, ended.ended_at))
    return Settlement(
        delivery=delivery, attempt=attempt, state=DeliveryState.SENT, parts=tuple(parts), failures=tuple(failures)
    )


def _refused(refusal: Refusal) -> str:
    answer = f": {refusal.detail}" if refusal.detail else ""
    return f"the recipient {refusal.recipient} was refused{answer}"


def _part(
    delivery: Delivery, refusal: Refusal, error: CallError, state: DeliveryState, due_at: datetime
) -> NewDelivery:
    salt = f"{delivery.id}\0{refusal.recipient}"
    return NewDelivery(
        id=delivery_id(
            delivery.workspace, delivery.event_id, delivery.rule, delivery.branch, delivery.entry, salt=salt
        ),
        workspace=delivery.workspace,
        event_id=delivery.event_id,
        rule=delivery.rule,
        branch=delivery.branch,
        entry=delivery.entry,
        notification=Notification(
            channel=delivery.channel, payload={**delivery.payload, "recipients": [refusal.recipient]}
        ),
        created_at=delivery.created_at,
        due_at=due_at,
        identity=delivery.identity,
        state=state,
        attempts=delivery.attempts,
        reason=error.reason,
        detail=error.detail,
        replay=delivery.replay,
    )


def _failures(delivery: Delivery, dead_id: str, error: CallError, at: datetime) -> tuple[Failure, ...]:
    if delivery.branch in _UNTOLD:
        return ()
    return (
        Failure(
            kind=FailureKind.DEAD_LETTER,
            workspace=delivery.workspace,
            event_id=delivery.event_id,
            rule=delivery.rule,
            channel=delivery.channel,
            reason=error.reason,
            detail=error.detail,
            at=at,
            delivery_id=dead_id,
        ),
    )
