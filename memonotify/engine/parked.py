"""Events of one line that are put off and keep their places: who stands first before another?

In: events by number and key. Out: the first that stands before a number, with the same key or while a key is unknown.
`order` calls. However many thousands wait for a bank that is away, an answer costs no more than for a few: the first
of each kind stands on top of a heap, and what was taken out is dropped when it comes up.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Parked(Generic[Item]):
    """Items by number; each has a key, or None while it is unknown."""

    def __init__(self) -> None:
        self._items: dict[int, tuple[str | None, Item]] = {}
        self._all: list[int] = []
        self._by_key: dict[str | None, list[int]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def put(self, seq: int, key: str | None, item: Item) -> None:
        """Add an item, or put it in the place of the one of that number."""
        self._items[seq] = (key, item)
        heapq.heappush(self._all, seq)
        heapq.heappush(self._by_key.setdefault(key, []), seq)

    def take(self, seq: int) -> None:
        """Remove the item of that number, where there is one."""
        self._items.pop(seq, None)

    def first(self, seq: int, key: str | None) -> Item | None:
        """Return the first item before `seq` that has this key or none; any, where `key` is None."""
        if not self._items:
            return None
        numbers = [self._top(self._all)] if key is None else [self._top_of(key), self._top_of(None)]
        before = [number for number in numbers if number is not None and number < seq]
        return self._items[min(before)][1] if before else None

    def _top_of(self, key: str | None) -> int | None:
        heap = self._by_key.get(key)
        if heap is None:
            return None
        while heap and self._items.get(heap[0], (_GONE,))[0] != key:
            heapq.heappop(heap)
        if not heap:
            del self._by_key[key]
            return None
        return heap[0]

    def _top(self, heap: list[int]) -> int | None:
        while heap and heap[0] not in self._items:
            heapq.heappop(heap)
        return heap[0] if heap else None


_GONE = object()
