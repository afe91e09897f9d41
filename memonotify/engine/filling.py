"""Fills new windows from the stored past, so that a rule that is added or edited sees what came before it.

In: the rules in force, and the store's events with what the bank gave for them. Out: entries in the store, and whether
a window is filled. Until it is, events for its rule wait: a wrong "never paid before" would cost more than a moment.
The app starts and stops it; the engine asks `is_filled`.

Only the node that leads fills, for only it decides rules with windows. The past is read in pages with pauses between
them. What the bank gave was kept for as long as the events are; an event of which it was not kept counts for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from memonotify.engine.asks import Given, Lookup
from memonotify.engine.backtest import PAGE
from memonotify.engine.decide import counting
from memonotify.engine.recall import Recall
from memonotify.errors import StoreError
from memonotify.logs import logger
from memonotify.model import Clock, EventState
from memonotify.past import Extent, Past, Selection
from memonotify.rules.values import Rule, Ruleset
from memonotify.rules.windows import Window
from memonotify.windowing import WindowEntry

LOOK_S: Final = 0.5
PAUSE_S: Final = 0.02
"""Between two pages, for the intake and the deciding: a page takes about as long."""

LATE: Final = timedelta(days=7)
"""How much further back than `within` is read and kept: an event that comes late looks back from its own date."""

Wanted = Mapping[str, tuple[Rule, Window]]


class FillStore(Protocol):
    """What is used of the store."""

    async def window_fills(self) -> frozenset[str]: ...
    async def drop_windows(self, gone: list[str]) -> None: ...
    async def fill_windows(self, entries: list[WindowEntry], *, filled: list[str]) -> None: ...
    async def extent(self, selection: Selection) -> Extent: ...
    async def past(
        self, selection: Selection, *, after: int, last: int, limit: int, with_decisions: bool = False
    ) -> list[Past]: ...


@dataclass(slots=True)
class _Pass:
    """One reading of the past: how many events were read and counted, and the first that was not evaluated yet."""

    events: int = 0
    entries: int = 0
    open_seq: int | None = None


class Filler:
    """Keeps the windows of the rules in force filled. For use on one event loop.

    `in_hand` gives the numbers of the events under evaluation; `pause` waits for seconds.
    """

    def __init__(
        self,
        *,
        store: FillStore,
        ruleset: Callable[[], Ruleset],
        in_hand: Callable[[], frozenset[int]],
        resource_types: Mapping[str, str],
        with_api: frozenset[str],
        clock: Clock,
        leads: Callable[[], bool] = lambda: True,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._ruleset = ruleset
        self._in_hand = in_hand
        self._resource_types = resource_types
        self._with_api = with_api
        self._clock = clock
        self._leads = leads
        self._pause = pause
        self._filled: frozenset[str] = frozenset()
        self._seen: Ruleset | None = None
        self._task: asyncio.Task[None] | None = None

    def is_filled(self, window: str) -> bool:
        """Whether events may be decided by a window."""
        return window in self._filled

    async def start(self) -> None:
        """Begin. What no rule counts in any more is forgotten first: events from now on are not counted there.

        Raises:
            StoreError: the store cannot be used.
        """
        if self._leads():
            await self._align(self._ruleset().windows())
        self._task = asyncio.create_task(self._run(), name="filler")

    async def stop(self, _drain_s: float) -> None:
        """End at once; what is half filled is filled again at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except StoreError as error:
                logger().warning("filler_waits", error=str(error))
            except Exception:  # noqa: BLE001 - logged with its traceback; the daemon goes on
                logger().exception("filler_failed")
            await self._pause(LOOK_S)

    async def look(self) -> None:
        """Fill what the rules in force count in and what is not filled yet.

        Raises:
            StoreError: the store cannot be used now.
        """
        if not self._leads():
            # Another node has what is filled in hand by now.
            self._seen, self._filled = None, frozenset()
            return
        ruleset = self._ruleset()
        if ruleset is self._seen:
            return
        before = self._in_hand()
        wanted = ruleset.windows()
        await self._align(wanted)
        missing = {digest: found for digest, found in wanted.items() if digest not in self._filled}
        if missing:
            await self._fill(missing, before)
        self._seen = ruleset

    async def _align(self, wanted: Wanted) -> None:
        kept = await self._store.window_fills()
        gone = sorted(kept - wanted.keys())
        self._filled = kept & wanted.keys()
        if gone:
            await self._store.drop_windows(gone)

    async def _fill(self, missing: Wanted, before: frozenset[int]) -> None:
        longest = timedelta(seconds=max(window.within_s for _, window in missing.values()))
        selection = Selection(since=self._clock.now() - longest - LATE)
        extent = await self._store.extent(selection)
        done = await self._read(missing, selection, after=extent.first - 1, last=extent.last)
        # What was under evaluation by the rules of before is not counted by it: it is read once more when it is over.
        while before & self._in_hand():
            await self._pause(PAUSE_S)
        if done.open_seq is not None:
            again = await self._read(missing, selection, after=done.open_seq - 1, last=extent.last)
            done.entries += again.entries
        await self._store.fill_windows([], filled=sorted(missing))
        self._filled |= missing.keys()
        logger().info("windows_filled", windows=len(missing), events=done.events, entries=done.entries)

    async def _read(self, missing: Wanted, selection: Selection, *, after: int, last: int) -> _Pass:
        done = _Pass()
        while after < last:
            page = await self._store.past(selection, after=after, last=last, limit=PAGE)
            if not page:
                break
            entries: list[WindowEntry] = []
            for past in page:
                if past.event.state is EventState.EVALUATED:
                    entries += self._counted(past, missing)
                elif done.open_seq is None:
                    done.open_seq = past.event.seq
            if entries:
                await self._store.fill_windows(entries, filled=[])
            done.events += len(page)
            done.entries += len(entries)
            after = page[-1].event.seq
            await self._pause(PAUSE_S)
        return done

    def _counted(self, past: Past, missing: Wanted) -> list[WindowEntry]:
        """Return what the windows count of an event, with what was kept in the bank's place."""
        event = past.event
        recall = Recall(past, resource_types=self._resource_types, with_api=self._with_api)
        found = []
        for rule, window in missing.values():
            if window.match.fits(event.event_type, event.resource_type, event.workspace):
                entry = _counted(rule, window, past, recall)
                if entry is not None:
                    found.append(entry)
        return found


def _counted(rule: Rule, window: Window, past: Past, recall: Recall) -> WindowEntry | None:
    resource = Given(value=None)
    if any("resource" in part.names for part in window.parts):
        kept = recall.resource()
        if kept is None:
            return None
        resource = kept
    asking = counting(rule, window, event=past.event, resource=resource)
    answer: Given | None = None
    while True:
        try:
            ask = asking.send(answer)
        except StopIteration as stop:
            entry: WindowEntry | None = stop.value
            return entry
        answer = recall.look_up(ask) if isinstance(ask, Lookup) else None
        if answer is None:
            asking.close()
            return None
