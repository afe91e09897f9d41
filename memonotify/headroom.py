"""How much work may be in flight beside the webhook, told from how late the event loop is.

Comes in: how late a timer was, fifty times a second. Goes out: how many of their places the engine and the courier may
use. Whatever is in flight becomes ready while the loop is busy and is then worked off in one turn, and the webhook
waits for that turn. So where the loop is the bottleneck fewer go side by side, which costs no throughput; where the
time goes by on the network, all of them do. The app starts and stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final

from memonotify.model import Clock

TICK_S: Final = 0.02
LATE_S: Final = 0.003
"""A timer that comes later than this means that turns are too long."""

EARLY_S: Final = 0.0015
LEAST: Final = 2
"""Places that are never taken away: one may wait for the network while another works."""

_SHRINK: Final = 0.8
_GROW: Final = 0.05


class Headroom:
    """The share of its places that may be used; all of them until `observe` is told of lateness.

    For use on one event loop. `pause` waits for seconds.
    """

    def __init__(self, clock: Clock, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._pause = pause
        self._share = 1.0
        self._listeners: list[Callable[[], None]] = []
        self._watching: asyncio.Task[None] | None = None

    def of(self, places: int) -> int:
        """Return how many of so many places may be in use now."""
        return max(min(places, LEAST), math.ceil(places * self._share))

    def on_more(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever there is more room than before."""
        self._listeners.append(listener)

    def observe(self, late_s: float) -> None:
        """Learn how late a timer was: late ones cost a fifth of the share, early ones bring back a twentieth."""
        if late_s > LATE_S:
            self._share = max(0.0, self._share * _SHRINK)
        elif late_s < EARLY_S and self._share < 1.0:
            self._share = min(1.0, self._share + _GROW)
            for listener in self._listeners:
                listener()

    async def start(self) -> None:
        """Begin to watch the loop."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self, _drain_s: float) -> None:
        """End watching."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    async def _watch(self) -> None:
        while True:
            began_s = self._clock.monotonic()
            await self._pause(TICK_S)
            self.observe(self._clock.monotonic() - began_s - TICK_S)


class Gate:
    """Lets in at once as many of `places` as the headroom allows, in order of arrival; used as `async with gate:`."""

    def __init__(self, headroom: Headroom, places: int) -> None:
        self._headroom = headroom
        self._places = places
        self._inside = 0
        self._line: deque[asyncio.Future[None]] = deque()
        headroom.on_more(self._admit)

    async def __aenter__(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._admit()
        if turn.done():
            return
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._line and self._inside < self._headroom.of(self._places):
            turn = self._line.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
