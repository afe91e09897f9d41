"""How long to wait before trying again: growing, jittered waits, as the configuration's `retry` says. Pure.

In: how many tries there were, the configured Retry, a source of randomness. Out: seconds. The courier asks for its
deliveries and breakers, the engine for what the bank did not give.
"""

from __future__ import annotations

from random import Random
from typing import Final

from memonotify.config.values import Retry

SPREAD: Final = 1.5
"""The longest wait over the shortest at the same attempt: smaller than the growth, so waits never shrink."""

_MAX_DOUBLINGS: Final = 64


def wait_s(attempt: int, retry: Retry, randomness: Random, *, floor_s: float = 0.0) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (from 1).

    The wait doubles with each attempt, is jittered, and lies between `retry.first_s` and `retry.max_s`; `floor_s` is
    the other side's own wish, kept even where it is longer.
    """
    longest = max(retry.first_s, retry.max_s)
    doubled = retry.first_s * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS) if attempt > 1 else retry.first_s
    low = max(retry.first_s, min(doubled, longest / SPREAD))
    return max(floor_s, randomness.uniform(low, min(longest, low * SPREAD)))
