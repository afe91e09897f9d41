"""What was fetched for an event, and what the bank says of it now. `explaining` asks.

In: the event's snapshots, and the bank where it is to be asked again. Out: JSON data that holds no answer of the bank,
only whether there was one, and the fields that have changed since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from memonotify.admin.drift import drift
from memonotify.admin.known import Bank, Known
from memonotify.admin.records import moment_text
from memonotify.catalogue import PROOF_PATHS, resource_path
from memonotify.errors import FetchError, Reason
from memonotify.model import Event, Snapshot

_ASK_S: Final = 20.0
"""How long the bank may take to say what it has now; shorter than what a command waits for the daemon."""

_PROOF_ENDINGS: Final = tuple({path.rpartition("}")[2] for path in PROOF_PATHS.values()})

Json = dict[str, Any]


async def fetched(event: Event, snapshots: Sequence[Snapshot], known: Known, *, fetch: bool) -> list[Json]:
    """Return what was fetched, each with what the bank says now where it is to be asked; then of an event for which
    nothing was fetched, its resource."""
    shown = [_snapshot_json(snapshot) for snapshot in snapshots]
    if not fetch:
        return shown
    bank = known.banks[event.workspace]
    if not snapshots:
        path = resource_path(event.resource_type, event.resource_id, known.resource_types)
        if path is None:
            return []
        _, now = await _ask(bank, path)
        return [{"path": path, "fetched_at": None, "status": None, "reason": None, "found": False, "now": now}]
    asked = await asyncio.gather(*(_ask_again(bank, snapshot) for snapshot in snapshots))
    return [entry | {"now": now} for entry, now in zip(shown, asked, strict=True)]


def _snapshot_json(snapshot: Snapshot) -> Json:
    return {
        "path": snapshot.path,
        "fetched_at": moment_text(snapshot.fetched_at),
        "status": snapshot.status,
        "reason": str(snapshot.reason) if snapshot.reason else None,
        "found": snapshot.body is not None,
    }


async def _ask_again(bank: Bank, snapshot: Snapshot) -> Json | None:
    """Return what the bank says now; None for a file, which is no answer with fields."""
    if snapshot.path.partition("?")[0].endswith(_PROOF_ENDINGS):
        return None
    body, now = await _ask(bank, snapshot.path)
    if body is not None and snapshot.body is not None:
        changes = drift(snapshot.body, body)
        now["changes"] = [{"field": name, "old": old, "new": new} for name, old, new in changes]
    return now


async def _ask(bank: Bank, path: str) -> tuple[Any, Json]:
    try:
        async with asyncio.timeout(_ASK_S):
            snapshot = await bank.fetch(path)
    except TimeoutError:
        error = FetchError(Reason.TIMEOUT, f"no answer within {_ASK_S:g} s")
    except FetchError as failed:
        error = failed
    else:
        return snapshot.body, {"status": snapshot.status, "reason": None, "detail": "", "found": True}
    told = {"status": error.status, "reason": str(error.reason), "detail": error.detail, "found": False}
    return None, told
