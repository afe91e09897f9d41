from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.config.values import Retry
from memonotify.delivery.waits import LONGEST_WISH_S, decide_after_failure
from memonotify.errors import RETRIED, Reason, SendError
from memonotify.model import DeliveryState
from memonotify.policies.waits import wait_s

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RETRY = Retry(first_s=5, max_s=900, give_up_after_s=86400)


@pytest.mark.parametrize("reason", sorted(set(Reason) - RETRIED))
def test_a_permanent_failure_is_a_dead_letter_at_once(reason, delivery, randomness):
    decided = decide_after_failure(delivery(), SendError(reason, retry_after_s=9), NOW, RETRY, randomness)
    assert decided == (DeliveryState.DEAD, None)


@pytest.mark.parametrize("reason", sorted(RETRIED))
def test_a_temporary_failure_is_tried_again(reason, delivery, randomness):
    state, due_at = decide_after_failure(delivery(), SendError(reason), NOW, RETRY, randomness)
    assert state is DeliveryState.PENDING
    assert timedelta(seconds=5) <= due_at - NOW <= timedelta(seconds=7.5)


@pytest.mark.parametrize(
    ("age_s", "state"), [(86399.9, DeliveryState.PENDING), (86400, DeliveryState.DEAD), (1e6, DeliveryState.DEAD)]
)
def test_giving_up_counts_from_the_creation(age_s, state, delivery, randomness):
    created_at = NOW - timedelta(seconds=age_s)
    decided = decide_after_failure(
        delivery(created_at=created_at, attempts=90), SendError(Reason.TIMEOUT), NOW, RETRY, randomness
    )
    assert decided[0] is state


def test_many_lost_attempts_alone_bury_nothing(delivery, randomness):
    state, _ = decide_after_failure(delivery(attempts=10_000), SendError(Reason.TIMEOUT), NOW, RETRY, randomness)
    assert state is DeliveryState.PENDING


@pytest.mark.parametrize(
    ("wish_s", "low", "high"),
    [
        (None, 5, 7.5),
        (0, 5, 7.5),
        (-3, 5, 7.5),
        (1, 5, 7.5),
        (42, 42, 42),
        (3600, 3600, 3600),
        (1e9, LONGEST_WISH_S, LONGEST_WISH_S),
    ],
)
def test_the_receivers_wish_is_a_floor(wish_s, low, high, delivery, randomness):
    error = SendError(Reason.RATE_LIMITED, retry_after_s=wish_s)
    _, due_at = decide_after_failure(delivery(), error, NOW, RETRY, randomness)
    assert low <= (due_at - NOW).total_seconds() <= high


def test_the_waits_start_anew_after_a_person_asked_for_a_retry(delivery, randomness):
    again = delivery(attempts=40, created_at=NOW - timedelta(seconds=1))
    _, due_at = decide_after_failure(again, SendError(Reason.TIMEOUT), NOW, RETRY, randomness)
    assert (due_at - NOW).total_seconds() <= 7.5


@given(seed=st.integers(), retry=st.builds(Retry, first_s=st.floats(0.01, 60), max_s=st.floats(60, 3600)))
def test_a_delivery_that_keeps_failing_walks_through_all_waits(delivery, seed, retry):
    chance, now = random.Random(seed), NOW
    for attempt in range(1, 30):
        expected = wait_s(attempt, retry, random.Random(3))
        claimed = delivery(attempts=attempt)
        _, due_at = decide_after_failure(claimed, SendError(Reason.TIMEOUT), now, retry, random.Random(3))
        assert (due_at - now).total_seconds() == pytest.approx(expected, abs=1e-5)
        now += timedelta(seconds=wait_s(attempt, retry, chance) + 0.001)
