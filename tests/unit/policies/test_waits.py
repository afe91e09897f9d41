"""How long to wait before trying again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.config.values import Retry
from memonotify.policies.waits import wait_s

RETRY = Retry(first_s=5, max_s=900, give_up_after_s=86400)
seconds = st.floats(min_value=0.001, max_value=86400)


@given(attempt=st.integers(1, 100_000), first=seconds, longest=seconds, seed=st.integers())
def test_a_wait_lies_between_first_and_max(attempt, first, longest, seed):
    wait = wait_s(attempt, Retry(first_s=first, max_s=longest), random.Random(seed))
    assert min(first, longest) <= wait <= max(first, longest) * 1.000001


@given(attempt=st.integers(1, 7), seed=st.integers())
def test_waits_grow_until_they_reach_the_longest(attempt, seed):
    chance = random.Random(seed)
    assert wait_s(attempt, RETRY, chance) < wait_s(attempt + 1, RETRY, chance)


@pytest.mark.parametrize(
    ("attempt", "low", "high"), [(1, 5, 7.5), (2, 10, 15), (3, 20, 30), (7, 320, 480), (8, 600, 900), (99, 600, 900)]
)
def test_waits_double_and_are_spread(attempt, low, high):
    randomness = random.Random(1)
    waits = [wait_s(attempt, RETRY, randomness) for _ in range(200)]
    assert low <= min(waits) < low * 1.05
    assert high * 0.95 < max(waits) <= high


@given(attempt=st.integers(1, 100), floor=st.floats(0, 10**5), seed=st.integers())
def test_the_other_sides_wish_is_a_floor(attempt, floor, seed):
    assert wait_s(attempt, RETRY, random.Random(seed), floor_s=floor) >= max(floor, RETRY.first_s)
