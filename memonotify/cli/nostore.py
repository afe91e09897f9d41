"""The store where there is none yet: empty. The lists of a fresh configuration are asked of it."""

from __future__ import annotations

from typing import Any

from memonotify.errors import StoreUnusable
from memonotify.past import Extent
from memonotify.store.numbers import Counts


class NoStore:
    """Answers like a store that holds nothing, and makes none."""

    async def events(self, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def deliveries(self, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def delivery(self, _delivery_id: str) -> None:
        """Return nothing."""
        return

    async def attempts(self, _delivery_id: str) -> list[Any]:
        """Return nothing."""
        return []

    async def retry(self, _ids: Any, **_filters: Any) -> list[str]:
        """Change nothing."""
        return []

    async def discard(self, _ids: Any) -> list[str]:
        """Change nothing."""
        return []

    async def extent(self, _selection: Any) -> Extent:
        """Return that there is nothing."""
        return Extent()

    async def past(self, _selection: Any, **_where: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def counts(self) -> Counts:
        """Return that there is nothing."""
        return Counts(backlog=0, deliveries={})

    async def channel_stats(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def nodes(self) -> list[Any]:
        """Return nothing."""
        return []

    async def check_writable(self) -> None:
        """Refuse: nothing is made for the sake of a question."""
        raise StoreUnusable("there is no store yet")
