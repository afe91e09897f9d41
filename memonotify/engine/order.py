"""Who decides next where a rule has a memory: the unfinished events, in order of arrival.

In: turns, taken as events come out of the queue. Out: waiting, until it is one's turn. `evaluate` calls.

A rule's memory is kept per key, and the key is often known only from what the bank answers. So each (workspace, rule)
has a line of its own. An event starts its look-ups once all before it in the line have started theirs, so that a
later event never decides on an older answer of the bank; it decides once all before it are done or have another key.
Events with different keys go side by side.

An event that is put off, because the bank is away, is parked: it keeps its place, and what stands behind it with the
same key, or before either key is known, is `Behind` and is put off as well. `parked` holds these.

Turns of one event in several lines are taken together, without a suspension in between, so no two events wait for
each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum

from memonotify.engine.parked import Parked
from memonotify.errors import Reason


class Stage(IntEnum):
    """How far an event under evaluation has come in a line; it only grows."""

    WAITING = 0
    LOOKING = 1
    DECIDING = 2


class Behind(Exception):  # noqa: N818 - a state, not a mistake
    """An earlier event of the line is put off until `until`, for `reason`: so is this one."""

    def __init__(self, until: datetime, reason: Reason) -> None:
        super().__init__(f"an earlier event waits until {until.isoformat(timespec='seconds')}")
        self.until = until
        self.reason = reason


class Turn:
    """One event's place in one line, by its number. Leave it or park it in any case, or the line stands still.

    `key` is None until it is known.
    """

    __slots__ = ("_line", "key", "reason", "seq", "stage", "until")

    def __init__(self, line: Line, seq: int, key: str | None) -> None:
        self._line = line
        self.seq = seq
        self.key = key
        self.stage = Stage.WAITING
        self.until: datetime | None = None
        self.reason = Reason.INTERNAL

    def check(self) -> None:
        """Raise Behind where an earlier event that is parked stands in the way."""
        self._line.check(self)

    async def look(self) -> None:
        """Wait until every earlier event has started its look-ups.

        Raises:
            Behind: one of them is put off, or was while this one waited.
        """
        if self.stage is Stage.WAITING:
            await self._line.until(
                self, lambda: all(turn.stage > Stage.WAITING or self.is_apart(turn) for turn in self._line.before(self))
            )
            self.stage = Stage.LOOKING
            self._line.changed()

    async def decide(self, key: str) -> None:
        """Name the key, and wait until every earlier event is done or has another one.

        Raises:
            Behind: one of them is put off, or was while this one waited.
        """
        self.key = key
        self.stage = Stage.DECIDING
        self._line.changed()
        await self._line.until(self, lambda: all(self.is_apart(turn) for turn in self._line.before(self)))

    def is_apart(self, other: Turn) -> bool:
        """Return whether both keys are known and differ."""
        return self.key is not None and other.key is not None and self.key != other.key

    def leave(self) -> None:
        """Give the place up. Leaving twice does nothing, and neither does leaving what is parked."""
        self._line.remove(self)

    def park(self, until: datetime, reason: Reason) -> None:
        """Keep the place while the event is put off."""
        self.until = until
        self.reason = reason
        self._line.park(self)


class Line:
    """The unfinished events for one (workspace, rule): those under evaluation, and those that are put off."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._parked: Parked[Turn] = Parked()
        self._waiters: list[tuple[Turn, Callable[[], bool], asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self._turns) + len(self._parked)

    def join(self, seq: int, key: str | None) -> Turn:
        """Take an event's place."""
        turn = Turn(self, seq, key)
        self._turns.append(turn)
        return turn

    def before(self, turn: Turn) -> list[Turn]:
        """Return the turns under evaluation ahead of one."""
        return [other for other in self._turns if other.seq < turn.seq]

    def check(self, turn: Turn) -> None:
        """Raise Behind where a parked event stands before a turn and is not known to have another key."""
        first = self._parked.first(turn.seq, turn.key)
        if first is not None and first.until is not None:
            raise Behind(first.until, first.reason)

    def remove(self, turn: Turn) -> None:
        """Take a turn out and let those behind look again."""
        if turn in self._turns:
            self._turns.remove(turn)
            self.changed()

    def park(self, turn: Turn) -> None:
        """Take a turn out of those under evaluation, its place kept."""
        if turn in self._turns:
            self._turns.remove(turn)
            self._parked.put(turn.seq, turn.key, turn)
            self.changed()

    def resume(self, seq: int) -> None:
        """Take a parked event's turn out."""
        self._parked.take(seq)
        self.changed()

    def clear(self) -> None:
        """Forget what is parked."""
        self._parked = Parked()
        self.changed()

    def changed(self) -> None:
        """Wake those that may go on, or have to be put off."""
        still = []
        for turn, ready, waiter in self._waiters:
            if waiter.done():
                continue
            if ready() or self._parked.first(turn.seq, turn.key) is not None:
                waiter.set_result(None)
            else:
                still.append((turn, ready, waiter))
        self._waiters = still

    async def until(self, turn: Turn, ready: Callable[[], bool]) -> None:
        """Wait until `ready` holds; raises Behind where a parked event comes to stand before the turn."""
        while True:
            self.check(turn)
            if ready():
                return
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((turn, ready, waiter))
            await waiter


class Order:
    """All lines; a line exists only while somebody stands in it."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], Line] = {}
        self._parked_in: dict[int, list[tuple[str, str]]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def join(self, workspace: str, rule: str, seq: int, key: str | None = None) -> Turn:
        """Take an event's place in the line of a rule of a workspace; `key` where it is known already."""
        return self._lines.setdefault((workspace, rule), Line()).join(seq, key)

    def leave(self, workspace: str, rule: str, turn: Turn) -> None:
        """Give a place up, and the line where it was the last one's."""
        turn.leave()
        self._tidy(workspace, rule)

    def park(self, workspace: str, rule: str, turn: Turn, until: datetime, reason: Reason) -> None:
        """Keep a place while its event is put off until `until`."""
        turn.park(until, reason)
        self._parked_in.setdefault(turn.seq, []).append((workspace, rule))

    def resume(self, seq: int) -> None:
        """Take all places of an event that was parked: it is under evaluation again, and joins where its rules say."""
        for name in self._parked_in.pop(seq, ()):
            self._lines[name].resume(seq)
            self._tidy(*name)

    def clear(self) -> None:
        """Forget every event that is parked: somebody else evaluates them."""
        self._parked_in.clear()
        for name, line in list(self._lines.items()):
            line.clear()
            self._tidy(*name)

    def _tidy(self, workspace: str, rule: str) -> None:
        line = self._lines.get((workspace, rule))
        if line is not None and not len(line):
            del self._lines[workspace, rule]
