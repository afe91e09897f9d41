"""The events that wait for evaluation: a bounded queue for speed, the store behind it for everything else.

In: committed events from the intake, and what the store still has. Out: one event after another, in order of arrival,
none twice at a time. The engine calls; `feed` runs as a task of the engine's.

A full queue refuses nothing: what does not fit is in the store, and is read from there when the queue runs low, at the
start, and when events that were put off are due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from memonotify.errors import StoreError
from memonotify.logs import logger
from memonotify.model import Clock, Event

QUEUE_SIZE: Final = 2000
PAGE: Final = 500
"""How many events one read of the store brings; also when the queue counts as low."""

ADOPTED: Final = 100
"""How many events that no node has are taken at a time, and again when half of them are done: the others share in."""

LEAST_WAIT_S: Final = 0.1
"""Between two reads for events that are due, so that many small waits become few reads."""

BUSY_WAIT_S: Final = 1.0
"""How soon the store is asked again while events under evaluation hide when the next one is due."""

MOST_WAIT_S: Final = 30.0
"""The store is read this often in any case: no lost hint can park an event."""


class EventSource(Protocol):
    """What is used of the store."""

    async def adopt(self, limit: int) -> int: ...
    async def unevaluated(self, *, after_seq: int = 0, limit: int = 500) -> list[Event]: ...
    async def next_event_due(self) -> datetime | None: ...


class Backlog:
    """The queue, and what is needed to fill it from the store. For use on one event loop."""

    def __init__(
        self,
        source: EventSource,
        *,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
        size: int = QUEUE_SIZE,
        page: int = PAGE,
        look_s: float = MOST_WAIT_S,
    ) -> None:
        self._source = source
        self._clock = clock
        self._pause = pause
        self._page = page
        self._look_s = look_s
        self._size = size
        self._queue: asyncio.Queue[Event] = asyncio.Queue(maxsize=size)
        self._known: set[int] = set()
        self._wake = asyncio.Event()
        # Until the first read of the store is done, the store's events go first.
        self._behind = True
        # While the store is read: what came in, to follow what the read brings.
        self._arrived: list[Event] | None = None
        # While the store is read: what was done with, and may still stand in what was read.
        self._done: set[int] = set()
        self._due_at: datetime | None = None
        self._asked = False
        # Whether there may be more that no node has.
        self._more = False
        # How many of those that came in had no room and were not read from the store yet; a bound, not a count.
        self._left = 0

    def __len__(self) -> int:
        """How many events are in the queue, under evaluation, or left to the store since it was last read."""
        return len(self._known) + self._left

    @property
    def has_room(self) -> bool:
        """Whether an event that comes in now would be queued; where not, others may as well have it."""
        return not self._behind and not self._queue.full()

    def look(self) -> None:
        """Look into the store soon: there may be events that nobody has."""
        self._wake.set()
        self._asked = True

    def submit(self, event: Event) -> None:
        """Take in an event that the store has. Never blocks; where there is no room the store keeps it for later."""
        if self._arrived is not None and len(self._arrived) < self._size:
            self._arrived.append(event)
        elif self._arrived is None and not self._behind and self._put(event):
            return
        else:
            self._behind = True
        self._left += 1

    async def next(self) -> Event:
        """Wait for the next event; it counts as under evaluation until `done`."""
        event = await self._queue.get()
        if self._runs_low():
            self._wake.set()
        return event

    def done(self, event: Event, *, due_at: datetime | None = None) -> None:
        """Say that an event is recorded as evaluated, or put off until `due_at`. Saying it twice does no harm."""
        self._known.discard(event.seq)
        if self._arrived is not None:
            self._done.add(event.seq)
        if due_at is not None and self._is_sooner(due_at):
            self._due_at = due_at
            self._wake.set()

    async def feed(self) -> None:
        """Fill the queue from the store whenever that is needed; runs until it is cancelled."""
        while True:
            self._wake.clear()
            try:
                read_at = self._clock.now()
                room = max(min(ADOPTED, self._size - len(self._known)), 0)
                self._more = room > 0 and await self._source.adopt(room) == room
                await self._read_store()
                await self._learn_next_due(read_at)
            except StoreError as error:
                logger().warning("backlog_not_read", detail=str(error))
                await self._pause(1.0)
                continue
            await self._until_needed()

    async def _read_store(self) -> None:
        """Put what the store still has behind what the queue has, then what came in meanwhile."""
        self._arrived, self._done = [], set()
        complete = False
        try:
            complete = await self._read_pages()
            complete = complete and len(self._arrived) < self._size
        finally:
            arrived, self._arrived = self._arrived, None
            # An incomplete read leaves older events in the store, and nothing may overtake them.
            self._behind = not (complete and all(map(self._catch_up, arrived)))
            if not self._behind:
                self._left = 0
            self._done = set()

    async def _learn_next_due(self, read_at: datetime) -> None:
        """Ask when the next event is due. One that was put off while the store was asked has told its moment itself."""
        self._due_at = None
        due_at = await self._source.next_event_due()
        if due_at is not None and due_at <= read_at and self._known:
            # That one is in the queue or under evaluation, and hides the next.
            due_at = self._clock.now() + timedelta(seconds=BUSY_WAIT_S)
        if due_at is not None and self._is_sooner(due_at):
            self._due_at = due_at

    def _runs_low(self) -> bool:
        """Whether it is time to read on, where there is something to read."""
        waiting = self._queue.qsize()
        return (self._behind and waiting < self._page) or (self._more and waiting < ADOPTED // 2)

    def _is_sooner(self, due_at: datetime) -> bool:
        return self._due_at is None or due_at < self._due_at

    async def _read_pages(self) -> bool:
        after_seq = 0
        while True:
            events = await self._source.unevaluated(after_seq=after_seq, limit=self._page)
            for event in events:
                if not self._catch_up(event):
                    return False
            if len(events) < self._page:
                return True
            after_seq = events[-1].seq

    def _catch_up(self, event: Event) -> bool:
        """Queue an event that was left to the store until now."""
        before = len(self._known)
        queued = self._put(event)
        self._left = max(0, self._left - (len(self._known) - before))
        return queued

    def _put(self, event: Event) -> bool:
        """Queue an event unless it is there or under evaluation; False where there is no room."""
        if event.seq in self._known or event.seq in self._done:
            return True
        if self._queue.full():
            return False
        self._known.add(event.seq)
        self._queue.put_nowait(event)
        return True

    async def _until_needed(self) -> None:
        """Wait until the queue runs low, or the next event that was put off is due."""
        while not self._runs_low():
            if self._asked:
                # Not at once: what comes within a moment is taken together.
                self._asked = False
                await self._pause(LEAST_WAIT_S)
                return
            wait_s = self._wait_s()
            if wait_s <= 0:
                await self._pause(LEAST_WAIT_S)
                return
            self._wake.clear()
            if not await self._woken_within(wait_s) and wait_s == self._look_s:
                return

    def _wait_s(self) -> float:
        if self._due_at is None:
            return self._look_s
        return min(self._look_s, (self._due_at - self._clock.now()) / timedelta(seconds=1))

    async def _woken_within(self, wait_s: float) -> bool:
        waiting = asyncio.ensure_future(self._wake.wait())
        pausing = asyncio.ensure_future(self._pause(wait_s))
        try:
            await asyncio.wait({waiting, pausing}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.done()
        finally:
            waiting.cancel()
            pausing.cancel()
