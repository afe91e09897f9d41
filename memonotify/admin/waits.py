"""Why an event is not evaluated yet, in words. Pure. `explaining` asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from memonotify.admin.known import Known
from memonotify.admin.records import moment_text
from memonotify.model import Event, Node, Wait


def wait_json(event: Event, wait: Wait, known: Known, nodes: Iterable[Node], now: datetime) -> dict[str, Any]:
    """Return until when an event is put off (None: it is due), how often it was tried, and what it waits for."""
    is_put_off = wait.due_at > now
    alive = {node.lease: node.name for node in nodes if node.lease_until > now}
    away = known.away.get(event.workspace)
    reasons = []
    if is_put_off and event.attempts:
        tries = "once" if event.attempts == 1 else f"{event.attempts} times"
        reasons.append(f"tried {tries}, and the bank did not give what a rule needs")
    elif is_put_off:
        reasons.append("an earlier event of the same key waits, and they are evaluated in order of arrival")
    if away is not None:
        reasons.append(f"the bank is away ({away})")
    if not known.runs and not alive:
        reasons.append("no daemon is running: memonotify serve evaluates it")
    elif alive:
        reasons.append(_who(wait, alive))
    return {
        "due_at": moment_text(wait.due_at) if is_put_off else None,
        "attempts": event.attempts,
        "reasons": reasons or ["it is its turn now"],
    }


def _who(wait: Wait, alive: dict[str, str]) -> str:
    if wait.lease:
        return f"node {alive[wait.lease]} has it" if wait.lease in alive else "the node that had it is gone"
    return "the node that leads takes it next" if wait.in_order else "no node has taken it yet"
