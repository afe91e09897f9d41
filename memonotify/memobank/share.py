"""This node's portion of a workspace's quota, where several nodes call the bank with the same one.

In: how to draw from what the nodes share, and what the bank tells this one. Out: leave to call, or how long to wait. A
call takes from the portion without asking anybody; a new one is drawn when it is spent or its window is over. Where
what is shared cannot be asked, calls go by what this node knows itself. The client asks before each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Final, Protocol

from memonotify.errors import StoreError
from memonotify.model import Clock, QuotaGrant, QuotaTold

ASK_S: Final = 3.0
"""Nobody waits longer to draw: the bank is asked all the same."""

AWAY_S: Final = 1.0
"""What could not be asked is left alone for so long."""

MOST: Final = 64
"""A portion is one call at first, twice as many where the last one was spent within its window, and never more."""

_LEAST_WAIT_S: Final = 0.001


class Draw(Protocol):
    """Draws up to so many calls from what the nodes share, and tells there what the bank told; may raise StoreError."""

    async def __call__(self, want: int, told: QuotaTold | None, *, untold: bool) -> QuotaGrant: ...


class Leave(Enum):
    """Whether a call may go. TRIAL: it may, and the other nodes wait for what it is told; `Share.tell` passes it on."""

    NONE = 0
    CALL = 1
    TRIAL = 2


class Share:
    """What this node has drawn of one workspace's quota. For one event loop."""

    def __init__(
        self,
        draw: Draw,
        clock: Clock,
        *,
        bound: Callable[[float], AbstractAsyncContextManager[object]] = asyncio.timeout,
    ) -> None:
        self._draw = draw
        self._clock = clock
        self._bound = bound
        self._turn = asyncio.Lock()
        self._leave = Leave.CALL
        self._calls = 0
        self._ends_at = clock.now()
        self._again_at = self._ends_at
        self._size = 0
        self._told: QuotaTold | None = None
        self._is_untold = False
        self._away_until_s = 0.0

    def take(self) -> Leave:
        """Take one call from the portion; NONE where there is none and `draw` must be asked."""
        if self._clock.monotonic() < self._away_until_s:
            return Leave.CALL
        if not self._has_calls():
            return Leave.NONE
        self._calls -= 1
        return self._leave

    async def draw(self) -> float:
        """Draw a new portion; returns the seconds to wait before that has a point, 0.0 where `take` may be called."""
        async with self._turn:
            if self._has_calls() or self._clock.monotonic() < self._away_until_s:
                # Somebody else who waited here has drawn.
                return 0.0
            if self._clock.now() >= self._again_at:
                await self._draw_now()
            if self._has_calls() or self._clock.monotonic() < self._away_until_s:
                return 0.0
            return max((self._again_at - self._clock.now()).total_seconds(), _LEAST_WAIT_S)

    def hear(self, told: QuotaTold) -> None:
        """Learn what the bank told this node; it is passed on with the next draw."""
        self._is_untold = False
        if self._told is None or told.asked_at >= self._told.asked_at:
            self._told = told

    async def tell(self) -> None:
        """Pass on what a call on trial was told, or that it was told nothing, so that the others need not wait."""
        async with self._turn:
            if await self._ask(0, untold=self._is_untold) is not None:
                self._again_at = self._clock.now()

    async def _draw_now(self) -> None:
        want = 1 if self._calls else min(max(2 * self._size, 1), MOST)
        grant = await self._ask(want, untold=False)
        if grant is None:
            return
        if not grant.calls:
            self._again_at = grant.until
            return
        self._size = want
        self._calls, self._ends_at = grant.calls, grant.until
        self._leave = Leave.TRIAL if grant.is_trial else Leave.CALL
        self._is_untold = grant.is_trial

    def _has_calls(self) -> bool:
        return self._calls > 0 and self._clock.now() < self._ends_at

    async def _ask(self, want: int, *, untold: bool) -> QuotaGrant | None:
        try:
            async with self._bound(ASK_S):
                return await self._draw(want, self._told, untold=untold)
        except (StoreError, TimeoutError):
            self._away_until_s = self._clock.monotonic() + AWAY_S
            return None
