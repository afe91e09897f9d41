"""Events, deliveries and tries as plain JSON data: how lists, details and explanations show them. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from memonotify.model import Attempt, Delivery, Event

Json = dict[str, Any]


def moment_text(at: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC, with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None


def event_json(event: Event) -> Json:
    """Return an event as lists show it."""
    return {
        "id": event.id,
        "workspace": event.workspace,
        "event_type": event.event_type,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "date": event.date,
        "received_at": moment_text(event.received_at),
        "evaluated_at": moment_text(event.evaluated_at),
        "state": str(event.state),
        "client": event.client,
    }


def delivery_json(delivery: Delivery) -> Json:
    """Return a delivery as lists show it; its message is left out."""
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "workspace": delivery.workspace,
        "rule": delivery.rule,
        "branch": str(delivery.branch),
        "channel": delivery.channel,
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "created_at": moment_text(delivery.created_at),
        "due_at": moment_text(delivery.due_at),
        "settled_at": moment_text(delivery.settled_at),
        "reason": str(delivery.reason) if delivery.reason else None,
        "detail": delivery.detail,
        "identity": delivery.identity,
        "replay": delivery.replay or None,
        "silence": delivery.silence or None,
        "told_in": delivery.told_in or None,
    }


def attempt_json(attempt: Attempt) -> Json:
    """Return one try as a delivery's details show it."""
    return {
        "number": attempt.number,
        "started_at": moment_text(attempt.started_at),
        "ended_at": moment_text(attempt.ended_at),
        "ok": attempt.ok,
        "reason": str(attempt.reason) if attempt.reason else None,
        "status": attempt.status,
        "detail": attempt.detail,
    }
