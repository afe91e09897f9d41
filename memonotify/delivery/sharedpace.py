"""How fast a channel may be fed where several nodes feed it: the face of `Pace`, over moments reserved in the store.

In: the configured Rate, monotonic seconds, portions of moments from the store. Out: how many sends may begin now, for
how many claims there are moments, when to look again. One per lane; only `book` waits for the store.

A send may begin from its moment until a while later. The moments of all nodes lie so far apart that any `count + 1` of
them reach over `per` and that while. So no window of `per`, wherever it begins, holds more than `count` sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Protocol

from memonotify.config.values import Rate
from memonotify.delivery.surroundings import STORE_WAIT_S
from memonotify.errors import StoreError
from memonotify.store.paces import Portion

PORTION_S: Final = 0.5
"""A portion covers no more than this, unless a single moment does."""

EARLY_S: Final = 0.5
"""A portion is asked for at most this long before its first moment: a claim made for it does not wait for longer."""

LEAST_LATE_S: Final = 0.05
MOST_LATE: Final = 0.1
"""How late after its moment a send may begin: this share of the time between two moments, and at least that long."""

_DRIFT: Final = 0.1
_DRIFT_S: Final = 0.001
"""What is cut off that while at its end and at its beginning, as the database's clock and ours do not run alike."""

_HORIZON_S: Final = 1.0


class Reserve(Protocol):
    """Asks the store for moments of this channel; may raise StoreError."""

    def __call__(self, *, slots: int, interval_s: float, early_s: float, horizon_s: float) -> Awaitable[Portion]: ...


@dataclass(frozen=True, slots=True)
class _Slot:
    opens_s: float
    closes_s: float


class SharedPace:
    """The moments of this node: those that are over unused are lost, for no other node has them.

    So it asks for one at first, for more as long as all are used, and for fewer where some were lost.
    """

    def __init__(self, rate: Rate, reserve: Reserve, now_s: Callable[[], float]) -> None:
        late_s = max(LEAST_LATE_S, MOST_LATE * rate.per_s / rate.count)
        self.interval_s = (rate.per_s + late_s) / rate.count
        self._late_s = late_s * (1 - _DRIFT)
        self._most = min(rate.count, max(1, int(PORTION_S / self.interval_s)))
        self._horizon_s = EARLY_S + 2 * self._most * self.interval_s + _HORIZON_S
        self._reserve = reserve
        self._now_s = now_s
        self._slots: deque[_Slot] = deque()
        self._size = 0
        self._has_lost = False
        self._ask_at = 0.0
        self._quiet_until = 0.0

    def admits(self, now_s: float) -> int:
        """Return how many sends may begin now: the moments that have come and are not over."""
        if now_s < self._quiet_until:
            return 0
        self._drop(now_s)
        return sum(1 for _ in takewhile(lambda slot: slot.opens_s <= now_s, self._slots))

    def offers(self, now_s: float, held: int) -> int:
        """Return how many more claims than are held there are moments for; negative where there are too few."""
        if now_s < self._quiet_until:
            return -held
        self._drop(now_s)
        return len(self._slots) - held

    def serves(self, now_s: float) -> bool:
        """Return whether to hold claims: there is a moment for one, or may be at once."""
        return self.offers(now_s, 0) > 0 or self.may_book(now_s)

    def may_book(self, now_s: float) -> bool:
        """Return whether `book` may bring more."""
        return now_s >= self.opens_way_at()

    def opens_way_at(self) -> float:
        """Return the monotonic second from which `book` may bring more; it may lie in the past."""
        return max(self._quiet_until, self._ask_at)

    def changes_at(self, now_s: float) -> float:
        """Return the monotonic second at which the next moment comes or, where it has come, is over."""
        self._drop(now_s)
        if not self._slots:
            return float("inf")
        first = self._slots[0]
        return first.opens_s if first.opens_s > now_s else first.closes_s

    def begin(self, now_s: float) -> None:
        """Note that a send begins, as `admits` allows."""
        self._drop(now_s)
        self._slots.popleft()

    def quiet(self, until_s: float) -> None:
        """Let no send of this node begin before `until_s`; the others hear the same wish themselves."""
        self._quiet_until = max(self._quiet_until, until_s)

    async def book(self) -> None:
        """Ask the store for the next portion.

        Raises:
            StoreError: it cannot be asked now.
        """
        self._drop(self._now_s())
        slots = self._size // 2 if self._has_lost else min(self._size * 2, self._most)
        slots = max(slots, 1)
        try:
            portion = await self._reserve(
                slots=slots, interval_s=self.interval_s, early_s=EARLY_S, horizon_s=self._horizon_s
            )
        except StoreError:
            self._ask_at = self._now_s() + STORE_WAIT_S
            raise
        if not portion.slots:
            self._ask_at = portion.at_s
            return
        self._ask_at = portion.at_s + slots * self.interval_s - EARLY_S
        self._size, self._has_lost = slots, False
        answered_s = self._now_s()
        for number in range(slots):
            moment_s = portion.at_s + number * self.interval_s
            # One that was over before the answer came says nothing about how many can be used.
            if moment_s + self._late_s > answered_s:
                self._slots.append(_Slot(moment_s + _DRIFT_S, moment_s + self._late_s))

    def _drop(self, now_s: float) -> None:
        while self._slots and self._slots[0].closes_s <= now_s:
            self._slots.popleft()
            self._has_lost = True
