"""How many events of one workspace are evaluated at a time, and who of it waits.

In: events that wait for the bank or for each other. Out: whether one may be evaluated now, and who is next. The engine
calls. A workspace has a few places of its own, so a bank that hangs fills those and keeps no other workspace's events,
and none that need no bank, from being evaluated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from memonotify.model import Event

PLACES: Final = 12
"""Events of one workspace under evaluation at once; the bank's client calls for eight of them."""

MAX_WAITING: Final = 2000
"""Events held in memory because their workspace has no place; beyond it nothing more is read."""


class Places:
    """The places of all workspaces and the lines before them, in order of arrival. For use on one event loop."""

    def __init__(self, each: int = PLACES, most_waiting: int = MAX_WAITING) -> None:
        self._each = each
        self._most_waiting = most_waiting
        self._taken: dict[str, int] = {}
        self._lines: dict[str, deque[Event]] = {}
        self._waiting = 0
        self._room = asyncio.Event()
        self._room.set()

    def take(self, event: Event) -> bool:
        """Take a place of the event's workspace; False where none is free: the event is in its line then."""
        workspace = event.workspace
        taken = self._taken.get(workspace, 0)
        if taken < self._each:
            self._taken[workspace] = taken + 1
            return True
        self._lines.setdefault(workspace, deque()).append(event)
        self._waiting += 1
        if self._waiting >= self._most_waiting:
            self._room.clear()
        return False

    async def room(self) -> None:
        """Wait until the lines are short enough to read on."""
        await self._room.wait()

    def hand_on(self, workspace: str) -> Event | None:
        """Give a place to the first in the workspace's line and return that one; without a line the place is free."""
        line = self._lines.get(workspace)
        if not line:
            self._lines.pop(workspace, None)
            self._taken[workspace] -= 1
            if not self._taken[workspace]:
                del self._taken[workspace]
            return None
        self._waiting -= 1
        self._room.set()
        return line.popleft()
