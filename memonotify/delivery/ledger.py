"""The outcomes of one lane on their way into the store.

In: settlements, one for each attempt that ended. Out: each is written, with its neighbours where that delays nothing.
One that the store cannot take is kept and offered again until it is written or too late: it is never forgotten in
favour of a second send. The lane claims nothing meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from memonotify.delivery.record import Record
from memonotify.delivery.surroundings import STORE_WAIT_S, Surroundings
from memonotify.errors import StoreError
from memonotify.model import Settlement

WRITE_WITHIN_S: Final = 0.02
"""Outcomes are written together with the next claim, or when nothing more is in flight, or after this."""


class Ledger:
    """Writes outcomes. `open` counts those that the lane has begun to conclude, `kept` those that the store could not
    take; `ring` is called when there is a new moment, `write_by_s`, at which the lane has to call `write_now`."""

    def __init__(self, around: Surroundings, record: Record, ring: Callable[[], None]) -> None:
        self._around = around
        self._record = record
        self._ring = ring
        self._turn: asyncio.Future[None] | None = None
        self.open = 0
        self.kept = 0
        self.write_by_s = float("inf")

    async def write(self, outcome: Settlement, *, at_once: bool) -> None:
        """Write an outcome, now or with its neighbours, and tell what became of it."""
        await self._wait_for_turn(at_once=at_once)
        if not await self._settle(outcome):
            self._record.lost(outcome)
            return
        self._record.settled(outcome)
        if outcome.failures:
            self._around.dead_letter()

    def write_now(self) -> None:
        """Let the outcomes that have gathered be written."""
        if self._turn is not None:
            self._turn.set_result(None)
            self._turn, self.write_by_s = None, float("inf")

    async def _wait_for_turn(self, *, at_once: bool) -> None:
        if at_once:
            self.write_now()
            return
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
            self.write_by_s = self._around.clock.monotonic() + WRITE_WITHIN_S
            self._ring()
        await asyncio.shield(self._turn)

    async def _settle(self, outcome: Settlement) -> bool:
        is_kept = False
        try:
            while True:
                try:
                    return await self._around.store.settle(outcome)
                except StoreError as error:
                    if not is_kept:
                        is_kept = True
                        self.kept += 1
                        self._record.kept(outcome, error)
                    await self._around.pause(STORE_WAIT_S)
        finally:
            self.kept -= is_kept
