"""Bounds how long each of many may wait, for next to nothing.

Comes in: who begins and who ends to wait; goes out: a call for each that waits too long. One timer serves all: a timer
for each costs three times as much on every request, and `asyncio.timeout` fifteen times, while hardly any ever rings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)

STEPS: Final = 10
"""So many times in the bound the timer looks."""


def _on_this_loop(delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, callback)


class Waiting(Generic[Who]):
    """Who waits at present.

    Args:
        limit_s: nobody is given up before it, and everybody within a tenth of it afterwards.
        give_up: called with who has waited too long; it waits no more then.
        call_later: starts the timer, which rests where nobody waits.
    """

    __slots__ = ("_call_later", "_give_up", "_now", "_since", "_step_s", "_timer")

    def __init__(
        self,
        limit_s: float,
        give_up: Callable[[Who], None],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] = _on_this_loop,
    ) -> None:
        self._give_up = give_up
        self._call_later = call_later
        self._step_s = limit_s / STEPS
        self._now = 0
        self._since: dict[Who, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, who: Who) -> None:
        """Note that somebody begins to wait."""
        self._since[who] = self._now
        if self._timer is None:
            self._timer = self._call_later(self._step_s, self._look)

    def remove(self, who: Who) -> bool:
        """Note that somebody's wait is over; return False where it had been given up."""
        return self._since.pop(who, None) is not None

    def stop(self) -> None:
        """Give nobody up any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._now += 1
        # Whoever came just before a look has waited a step less than the looks it saw.
        last = self._now - STEPS - 1
        late = []
        for who, since in self._since.items():
            if since > last:
                break
            late.append(who)
        for who in late:
            del self._since[who]
        self._timer = self._call_later(self._step_s, self._look) if self._since else None
        for who in late:
            self._give_up(who)
