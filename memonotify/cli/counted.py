"""What the store's windows hold, for a rule that is tried: its counts are those of the daemon, where there is one.

In: the store's URL and the rules that look at an event. Out: a memory that knows windows and nothing else. `try` calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from memonotify.engine.preview import NoMemory
from memonotify.errors import StoreError
from memonotify.model import Clock
from memonotify.rules.values import Rule
from memonotify.store.store import Store
from memonotify.windowing import Figures, WindowSpan


class Counted(NoMemory):
    """A memory that knows no key, and what windows hold."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def window_figures(self, span: WindowSpan) -> Figures:
        """Return what the store has in a span."""
        return await self._store.window_figures(span)


@asynccontextmanager
async def counted(url: str, rules: Iterable[Rule], clock: Clock) -> AsyncIterator[NoMemory]:
    """Open the store for reading where one of the rules has a window; without windows or a store, know nothing."""
    store = Store(url, clock=clock)
    if not any(rule.windows for rule in rules) or not await _opens(store):
        yield NoMemory()
        return
    try:
        yield Counted(store)
    finally:
        await store.close()


async def _opens(store: Store) -> bool:
    try:
        await store.open(read_only=True)
    except StoreError:
        return False
    return True
