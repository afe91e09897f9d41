"""The channels: can each receiver be reached as configured. Connects and logs in, and sends nothing."""

from __future__ import annotations

from memonotify.channels.base import Channel
from memonotify.doctor.findings import Finding, Health, todo_for
from memonotify.errors import SendError

_SEEN = {
    "email": "connected, encrypted and logged in as configured",
    "slack": "reached; only a message shows whether the webhook still exists: memonotify channel test NAME",
    "http": "reached; only a message shows whether it is taken: memonotify channel test NAME",
}


async def examine(channel: Channel) -> Finding:
    """Return whether a channel's receiver is there."""
    what = f"channel {channel.name}"
    try:
        await channel.probe()
    except SendError as error:
        return Finding(what=what, health=Health.ILL, seen=str(error), todo=todo_for(error.reason))
    return Finding(what=what, health=Health.OK, seen=_SEEN[channel.type].replace("NAME", channel.name))
