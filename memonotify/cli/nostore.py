"""The store where there is none yet: empty. The lists of a fresh configuration are asked of it."""

from __future__ import annotations

from typing import Any

from memonotify.errors import StoreUnusable
from memonotify.past import Extent
from memonotify.store.numbers import Counts, Seen


class NoStore:
    """Answers like a store that holds nothing, and makes none."""

    async def events(self, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def events_named(self, _event_id: str, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def wait(self, _event: Any) -> None:
        """Return nothing."""
        return

    async def snapshots(self, _event: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def decisions(self, _event: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def decisions_of_rule(self, _rule: str, _since: Any, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def policy_states(self, _workspace: str, _rule: str, _policy: Any, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def schedules(self) -> list[Any]:
        """Return nothing."""
        return []

    async def events_with_messages(self, _rule: str, _since: Any) -> set[str]:
        """Return nothing."""
        return set()

    async def tries(self, _event: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def deliveries(self, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def deliveries_named(self, _ids: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def waits_of(self, _ids: Any) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def told_events(self, _ids: Any) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def waiting_of_rule(self, _rule: str, **_filters: Any) -> dict[Any, Any]:
        """Return nothing."""
        return {}

    async def told_of_rule(self, _rule: str, _since: Any, **_filters: Any) -> tuple[int, int]:
        """Return that there is nothing."""
        return 0, 0

    async def silence(self, _silence_id: str) -> None:
        """Return nothing."""
        return

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

    async def send_held(self, _ids: Any, _changes: Any = ()) -> list[str]:
        """Change nothing."""
        return []

    async def policy_state(self, _workspace: str, _rule: str, _policy: Any, _key: str) -> None:
        """Return nothing."""
        return

    async def next_moment(self) -> None:
        """Return None: nothing waits."""
        return

    async def silences(self, **_filters: Any) -> list[Any]:
        """Return nothing."""
        return []

    async def held_back(self, _ids: Any) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def add_silence(self, _silence: Any) -> bool:
        """Refuse: what is not kept is not silenced."""
        raise StoreUnusable("there is no store yet")

    async def expire_silence(self, _silence_id: str, _at: Any) -> None:
        """Change nothing."""
        return

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

    async def seen(self, _since: Any) -> Seen:
        """Return that nothing was seen."""
        return Seen(event_types=(), rules=frozenset(), channels=frozenset())

    def space(self) -> None:
        """Return None: it takes none."""
        return

    async def nodes(self) -> list[Any]:
        """Return nothing."""
        return []

    async def check_writable(self) -> None:
        """Refuse: nothing is made for the sake of a question."""
        raise StoreUnusable("there is no store yet")
