"""A breaker per channel: after several failures in a row that say the channel is down, it is left in peace.

In: how each send ended, the monotonic second, a source of randomness. Out: how many sends may begin now. Pure but for
its own few numbers. The lane asks before it claims, so while the breaker is open nothing is claimed, no attempt is used
up and nothing is written.

What counts as *down*: no answer in time, no connection, no TLS, a 5xx. An authentication that is refused does not: it
is permanent, each such message is a dead letter somebody hears of at once, and holding the rest back would hide it. Any
other answer, a refusal included, shows that somebody is there and sets the count back to zero. An error of our own
(`internal`) says nothing about the channel either way.
"""

from __future__ import annotations

import random
from typing import Final, Literal

from memonotify.config.values import Retry
from memonotify.errors import Reason
from memonotify.policies.waits import wait_s

DOWN: Final[frozenset[Reason]] = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.TLS, Reason.SERVER_ERROR})
"""The reasons that say the channel is down."""

THRESHOLD: Final = 5
"""So many of them in a row open the breaker."""

LONGEST_S: Final = 60.0
"""A channel that heals is noticed within this time, whatever the configured waits."""

UNLIMITED: Final = 1 << 30
NO_PROBE: Final = 0

BreakerState = Literal["closed", "open", "half-open"]


class Breaker:
    """closed → open → half-open (one probe on its way) → closed, or open for longer."""

    def __init__(self, *, retry: Retry, randomness: random.Random, threshold: int = THRESHOLD) -> None:
        self._waits = Retry(first_s=min(retry.first_s, LONGEST_S), max_s=min(retry.max_s, LONGEST_S))
        self._random = randomness
        self._threshold = threshold
        self._failures = 0
        self._openings = 0
        self._probe_at = 0.0
        self._probes = 0
        self._probe = NO_PROBE

    @property
    def state(self) -> BreakerState:
        """What lists and the gauge show."""
        if not self._openings:
            return "closed"
        return "open" if self._probe == NO_PROBE else "half-open"

    @property
    def is_closed(self) -> bool:
        """Whether the channel is taken to be well."""
        return not self._openings

    def admits(self, now_s: float) -> int:
        """Return how many sends may begin now: any number, one (the probe), or none."""
        if not self._openings:
            return UNLIMITED
        return 0 if self._probe != NO_PROBE or now_s < self._probe_at else 1

    def opens_way_at(self) -> float:
        """Return the monotonic second from which a send may begin; infinity while the probe is on its way."""
        if not self._openings:
            return 0.0
        return self._probe_at if self._probe == NO_PROBE else float("inf")

    def begin(self) -> int:
        """Note that a send begins; return the number of the probe it is, or NO_PROBE."""
        if not self._openings:
            return NO_PROBE
        self._probes += 1
        self._probe = self._probes
        return self._probe

    def end(self, reason: Reason | None, now_s: float, *, probe: int) -> None:
        """Note how a send ended; `reason` is None where it was taken, `probe` is what `begin` returned."""
        was_probe = self.abandon(probe=probe)
        if reason is None or reason not in DOWN | {Reason.INTERNAL}:
            self._failures = self._openings = 0
            self._probe = NO_PROBE
        elif self._openings:
            if was_probe:
                self._open(now_s)
        elif reason in DOWN:
            self._failures += 1
            if self._failures >= self._threshold:
                self._open(now_s)

    def abandon(self, *, probe: int) -> bool:
        """Note that a send was cut short and nothing was learnt, so that another may probe; return whether it was the
        probe that is awaited."""
        if probe == NO_PROBE or probe != self._probe:
            return False
        self._probe = NO_PROBE
        return True

    def _open(self, now_s: float) -> None:
        self._openings += 1
        self._probe_at = now_s + wait_s(self._openings, self._waits, self._random)
