"""How fast a channel may be fed: at most so many sends in any window, and none while the receiver asked for quiet.

In: the configured Rate, monotonic seconds, the receiver's wish. Out: how many sends may begin now, and when the next
may. Pure but for its own memory of recent sends. One per lane.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from memonotify.config.values import Rate

UNLIMITED: Final = 1 << 30


class Pace:
    """A sliding window: no window of `rate.per_s` seconds, wherever it begins, holds more than `rate.count` sends."""

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._begun: deque[float] = deque()
        self._quiet_until = 0.0

    def admits(self, now_s: float) -> int:
        """Return how many sends may begin now."""
        if now_s < self._quiet_until:
            return 0
        if self._rate is None:
            return UNLIMITED
        while self._begun and self._begun[0] + self._rate.per_s <= now_s:
            self._begun.popleft()
        return max(0, self._rate.count - len(self._begun))

    def offers(self, now_s: float, held: int) -> int:
        """Return how many more deliveries may be claimed, where so many are held already."""
        return self.admits(now_s) - held

    def serves(self, now_s: float) -> bool:
        """Return whether to hold claims: one may be sent."""
        return self.admits(now_s) > 0

    def may_book(self, _now_s: float) -> bool:
        """Return whether `book` may bring more: it never does."""
        return False

    async def book(self) -> None:
        """Do nothing: what there is is counted here."""

    def changes_at(self, _now_s: float) -> float:
        """Return the monotonic second at which a claim that is held may be sent: never later than now."""
        return float("inf")

    def opens_way_at(self) -> float:
        """Return the monotonic second from which at least one more send may begin; it may lie in the past."""
        if self._rate is None or len(self._begun) < self._rate.count:
            return self._quiet_until
        return max(self._quiet_until, self._begun[-self._rate.count] + self._rate.per_s)

    def begin(self, now_s: float) -> None:
        """Note that a send begins."""
        if self._rate is not None:
            self._begun.append(now_s)

    def quiet(self, until_s: float) -> None:
        """Let no send begin before `until_s`; an earlier wish that reaches further stays."""
        self._quiet_until = max(self._quiet_until, until_s)
