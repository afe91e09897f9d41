"""Whether a workspace's bank is worth calling now.

In: how calls ended. Out: a wait in seconds, or None for "go on". Values and a clock, no sleep. `inquiry` asks.

A bank that times out would otherwise keep every evaluator for the length of a timeout. After a few failures in a row
the workspace's events are put off without a call, and one probe at a time finds out whether it is back.
"""

from __future__ import annotations

from random import Random
from typing import Final

from memonotify.config.values import Retry
from memonotify.errors import CallError, Reason
from memonotify.model import Clock
from memonotify.policies.waits import wait_s

FAILURES_TO_HOLD: Final = 3
"""One slow resource is not a bank that is away."""

_AWAY: Final = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.TLS, Reason.SERVER_ERROR, Reason.RATE_LIMITED})


class Hold:
    """The state for one workspace. `reason` is why the last call failed."""

    def __init__(self, retry: Retry, clock: Clock, random: Random) -> None:
        self._retry = retry
        self._clock = clock
        self._random = random
        self._failures = 0
        self._rounds = 0
        self._until = 0.0
        self._probing = False
        self.reason = Reason.UNREACHABLE

    @property
    def is_held(self) -> bool:
        """Whether calls are held back, but for the probe."""
        return self._failures >= FAILURES_TO_HOLD

    def wait_s(self) -> float | None:
        """Return None where the caller may call (and reports how it ended), or for how long to put the event off."""
        if not self.is_held:
            return None
        left_s = self._until - self._clock.monotonic()
        if left_s <= 0 and not self._probing:
            self._probing = True
            return None
        return max(left_s, 0.0) + wait_s(1, self._retry, self._random)

    def answered(self) -> None:
        """The bank answered, be it with a refusal: it is there."""
        self._failures = self._rounds = 0
        self._probing = False

    def failed(self, error: CallError) -> None:
        """The bank did not answer, or asked for patience."""
        if error.reason not in _AWAY:
            self.answered()
            return
        if self.is_held and not self._probing:
            return  # a call that was under way when the hold began says nothing new
        self._probing = False
        self._failures += 1
        self.reason = error.reason
        if self.is_held:
            self._rounds += 1
            floor_s = error.retry_after_s or 0.0
            self._until = self._clock.monotonic() + wait_s(self._rounds, self._retry, self._random, floor_s=floor_s)

    def abandoned(self) -> None:
        """The call was cancelled: nothing was learned, and another may probe."""
        self._probing = False
