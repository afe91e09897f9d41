"""Who decides next where a rule has a memory: the events in flight, in order of arrival.

In: turns, taken as events come out of the queue. Out: waiting, until it is one's turn. `evaluate` calls.

A rule's memory is kept per key, and the key is often known only from what the bank answers. So each (workspace, rule)
has a line of its own. An event starts its look-ups once all before it in the line have started theirs, so that a
later event never decides on an older answer of the bank; it decides once all before it have named another key or are
done. Events with different keys go side by side.

A line holds only events in evaluation. One that is put off because the bank is away leaves and comes back later,
behind others: the bank always answers with the present state, so its own answer will be the younger one then.

Turns of one event in several lines are taken together, without a suspension in between, so no two events wait for
each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum


class Stage(IntEnum):
    """How far an event in a line has come; it only grows."""

    WAITING = 0
    LOOKING = 1
    DECIDING = 2


class Turn:
    """One event's place in one line. Leave it in any case, or the line stands still."""

    __slots__ = ("_line", "key", "place", "stage")

    def __init__(self, line: Line, place: int) -> None:
        self._line = line
        self.place = place
        self.stage = Stage.WAITING
        self.key = ""

    async def look(self) -> None:
        """Wait until every earlier event has started its look-ups."""
        if self.stage is Stage.WAITING:
            await self._line.until(lambda: all(turn.stage > Stage.WAITING for turn in self._line.before(self)))
            self._reach(Stage.LOOKING)

    async def decide(self, key: str) -> None:
        """Name the key, and wait until every earlier event is done or has named another one."""
        self.key = key
        self._reach(Stage.DECIDING)
        await self._line.until(
            lambda: all(turn.stage is Stage.DECIDING and turn.key != key for turn in self._line.before(self))
        )

    def leave(self) -> None:
        """Give the place up. Leaving twice does nothing."""
        self._line.remove(self)

    def _reach(self, stage: Stage) -> None:
        self.stage = max(self.stage, stage)
        self._line.changed()


class Line:
    """The events in flight for one (workspace, rule), in order of arrival; bounded by the number of evaluators."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._last = 0

    def __len__(self) -> int:
        return len(self._turns)

    def join(self) -> Turn:
        """Take the last place."""
        self._last += 1
        turn = Turn(self, self._last)
        self._turns.append(turn)
        return turn

    def before(self, turn: Turn) -> list[Turn]:
        """Return the turns ahead of one that may have left already."""
        return [other for other in self._turns if other.place < turn.place]

    def remove(self, turn: Turn) -> None:
        """Take a turn out and let those behind look again."""
        if turn in self._turns:
            self._turns.remove(turn)
            self.changed()

    def changed(self) -> None:
        """Wake those whose condition has come true."""
        still = []
        for ready, waiter in self._waiters:
            if waiter.done():
                continue
            if ready():
                waiter.set_result(None)
            else:
                still.append((ready, waiter))
        self._waiters = still

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` holds."""
        if ready():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((ready, waiter))
        await waiter


class Order:
    """All lines; a line exists only while somebody stands in it."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def join(self, workspace: str, rule: str) -> Turn:
        """Take the last place in the line of a rule of a workspace."""
        return self._lines.setdefault((workspace, rule), Line()).join()

    def leave(self, workspace: str, rule: str, turn: Turn) -> None:
        """Give a place up, and the line where it was the last one's."""
        turn.leave()
        line = self._lines.get((workspace, rule))
        if line is not None and not len(line):
            del self._lines[workspace, rule]
