"""What every lane of one courier shares. The courier makes it; lanes and their ledgers use it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from memonotify.alarm import Pause
from memonotify.config.values import Retry
from memonotify.headroom import Headroom
from memonotify.metrics import Metrics
from memonotify.model import Clock
from memonotify.store.store import Store

STORE_WAIT_S: Final = 1.0
"""A store that is away is tried again after this."""

Bound = Callable[[float], AbstractAsyncContextManager[object]]
"""Makes a block raise TimeoutError after so many seconds: `asyncio.timeout`, or a test's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The store, time, chance and the configured waits.

    `lease_s` is how long a claim is held before it must be renewed, `look_s` how often the store is looked at unasked.
    `dead_letter` is called after a settlement with failures somebody must hear of.
    """

    store: Store
    retry: Retry
    clock: Clock
    metrics: Metrics
    randomness: random.Random
    pause: Pause
    bound: Bound
    lease_s: float
    look_s: float
    headroom: Headroom
    dead_letter: Callable[[], None]
