"""When a failed delivery is tried again, and when it is given up. Pure: values in, a decision out.

In: the delivery as it was claimed, the error, the present moment, the configured Retry, a source of randomness.
Out: the delivery's next state and, where it is tried again, when. Called by `outcome` for each failed attempt.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Final

from memonotify.config.values import Retry
from memonotify.errors import CallError
from memonotify.model import Delivery, DeliveryState
from memonotify.policies.waits import wait_s

LONGEST_WISH_S: Final = 86400.0
"""A receiver that asks for more than a day is asked again after a day: no header parks a message for ever."""

_ROUNDING: Final = 1e-9


def tries(delivery: Delivery, now: datetime, retry: Retry) -> int:
    """Return how far along the waits a delivery is: its attempts, but no more than its age had room for.

    Attempts are counted over a delivery's whole life while a person's `retry` starts its clock anew; the waits then
    start anew as well.
    """
    age_s = max(0.0, (now - delivery.created_at).total_seconds())
    room = int(math.log2(age_s / retry.first_s + 1.0) + _ROUNDING) + 1 if retry.first_s > 0 else delivery.attempts
    return max(1, min(delivery.attempts, room))


def decide_after_failure(
    delivery: Delivery, error: CallError, now: datetime, retry: Retry, randomness: random.Random
) -> tuple[DeliveryState, datetime | None]:
    """Return what becomes of a delivery whose attempt failed: (DEAD, None) or (PENDING, when it is due).

    A permanent error is a dead letter at once. A temporary one is tried again unless `give_up_after` has passed since
    the delivery's creation; the receiver's own wish (`Retry-After`) is a floor for the wait.
    """
    if not error.is_retried or (now - delivery.created_at).total_seconds() >= retry.give_up_after_s:
        return DeliveryState.DEAD, None
    wish_s = min(max(error.retry_after_s or 0.0, 0.0), LONGEST_WISH_S)
    return DeliveryState.PENDING, now + timedelta(
        seconds=wait_s(tries(delivery, now, retry), retry, randomness, floor_s=wish_s)
    )
