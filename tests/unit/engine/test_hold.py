"""Whether a workspace's bank is worth calling."""

from __future__ import annotations

from random import Random

import pytest

from memonotify.config.values import Retry
from memonotify.engine.hold import Hold
from memonotify.errors import FetchError, Reason

RETRY = Retry(first_s=5.0, max_s=900.0, give_up_after_s=86400.0)


@pytest.fixture
def hold(clock):
    return Hold(RETRY, clock, Random(1))


def _fail(hold, times, reason=Reason.TIMEOUT, retry_after_s=None):
    for _ in range(times):
        hold.failed(FetchError(reason, retry_after_s=retry_after_s))


def test_one_slow_resource_holds_nothing_back(hold):
    _fail(hold, 2)
    assert hold.wait_s() is None


def test_after_three_failures_in_a_row_events_are_put_off_without_a_call(hold):
    _fail(hold, 3)
    assert hold.is_held
    assert hold.wait_s() > 0


def test_an_answer_in_between_starts_the_count_anew(hold):
    _fail(hold, 2)
    hold.answered()
    _fail(hold, 2)
    assert not hold.is_held


def test_a_refusal_is_an_answer(hold):
    _fail(hold, 2)
    _fail(hold, 1, Reason.NOT_FOUND)
    _fail(hold, 1)
    assert not hold.is_held


def test_one_probe_at_a_time_finds_out_whether_the_bank_is_back(hold, clock):
    _fail(hold, 3)
    clock.advance(7.5)
    assert hold.wait_s() is None
    assert hold.wait_s() > 0
    hold.answered()
    assert hold.wait_s() is None
    assert hold.wait_s() is None


def test_calls_that_were_under_way_when_the_hold_began_do_not_lengthen_it(hold, clock):
    _fail(hold, 16)
    clock.advance(7.5)
    assert hold.wait_s() is None


def test_failed_probes_wait_longer_each_time(hold, clock):
    _fail(hold, 3)
    waits = []
    for _ in range(5):
        clock.advance(1000.0)
        assert hold.wait_s() is None
        _fail(hold, 1)
        waits.append(hold.wait_s())
    assert waits[-1] > waits[0] * 4


def test_a_cancelled_probe_lets_another_one_go(hold, clock):
    _fail(hold, 3)
    clock.advance(7.5)
    assert hold.wait_s() is None
    hold.abandoned()
    assert hold.wait_s() is None


def test_the_banks_own_wish_is_a_floor(hold, clock):
    _fail(hold, 3, Reason.RATE_LIMITED, retry_after_s=120.0)
    clock.advance(119.0)
    assert hold.wait_s() is not None
    clock.advance(1.0)
    assert hold.wait_s() is None
