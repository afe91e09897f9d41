"""This machine and what stands in front of it: daemon, store, disk, proxy. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from memonotify.config.values import Network
from memonotify.doctor.findings import Finding, Health

LEAST_FREE_BYTES: Final = 1 << 30
"""Free space below this is worth a look: a day of a busy company is some ten megabytes."""


def daemon(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Say what the status says: whether a daemon runs, can write, and has dead letters or a backlog."""
    if not status["running"]:
        yield Finding(
            what="daemon",
            health=Health.ILL,
            seen="none is running",
            todo="systemctl start memonotify, or memonotify serve; its log says why it ended: journalctl -u memonotify",
        )
        return
    others = [reason for reason in status["reasons"] if not reason.startswith("the store cannot")]
    if others:
        yield Finding(
            what="daemon", health=Health.DOUBTFUL, seen="; ".join(others), todo="memonotify status shows the whole"
        )
    else:
        yield Finding(
            what="daemon", health=Health.OK, seen=f"runs since {status['started_at']}, {status['rules']} rules"
        )


def store(name: str, error: str) -> Finding:
    """Say whether the store can be written; `error` says why not."""
    if error:
        return Finding(
            what="store",
            health=Health.ILL,
            seen=error,
            todo="the bank comes again for three days: make room or repair it, and all goes on by itself",
        )
    return Finding(what="store", health=Health.OK, seen=f"{name} can be written")


def disk(free_bytes: int | None) -> Iterator[Finding]:
    """Say whether the disk of the store has room; nothing where the database is elsewhere."""
    if free_bytes is None:
        return
    free = f"{free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes < LEAST_FREE_BYTES:
        yield Finding(
            what="disk",
            health=Health.DOUBTFUL,
            seen=free,
            todo="make room: with a full disk every webhook is answered 503",
        )
    else:
        yield Finding(what="disk", health=Health.OK, seen=free)


def proxy(clients: Sequence[str], trusted: Sequence[Network]) -> Finding:
    """Say whether the proxy in front tells who calls, from the callers of the last events."""
    what = "proxy headers"
    if not clients:
        return Finding(what=what, health=Health.UNKNOWN, seen="no event has come yet")
    if not trusted:
        return Finding(what=what, health=Health.OK, seen="no proxy is trusted, and callers are taken as they come")
    hidden = [client for client in clients if _is_one_of(client, trusted)]
    if hidden:
        return Finding(
            what=what,
            health=Health.ILL,
            seen=f"{len(hidden)} of the last {len(clients)} events seem to come from the proxy itself ({hidden[0]})",
            todo="let the proxy set X-Forwarded-For or Forwarded: docs/webhook.md shows how",
        )
    return Finding(what=what, health=Health.OK, seen=f"the last {len(clients)} events came with their caller's address")


def _is_one_of(client: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in networks)
