from __future__ import annotations

import random

import pytest

from memonotify.config.values import Retry
from memonotify.delivery.breaker import DOWN, LONGEST_S, NO_PROBE, UNLIMITED, Breaker
from memonotify.errors import Reason

RETRY = Retry(first_s=5, max_s=900)


def opened(retry: Retry = RETRY) -> Breaker:
    breaker = Breaker(retry=retry, randomness=random.Random(1))
    for _ in range(5):
        breaker.end(Reason.TIMEOUT, 100.0, probe=breaker.begin())
    assert breaker.state == "open"
    return breaker


@pytest.mark.parametrize("reason", sorted(DOWN))
def test_five_failures_in_a_row_open_it(reason):
    breaker = Breaker(retry=RETRY, randomness=random.Random(1))
    for _ in range(4):
        breaker.end(reason, 0.0, probe=breaker.begin())
    assert breaker.admits(0.0) == UNLIMITED
    breaker.end(reason, 0.0, probe=breaker.begin())
    assert (breaker.state, breaker.admits(0.0)) == ("open", 0)


@pytest.mark.parametrize("answer", [None, *sorted(set(Reason) - DOWN - {Reason.INTERNAL})])
def test_any_answer_sets_the_count_back(answer):
    breaker = Breaker(retry=RETRY, randomness=random.Random(1))
    for reason in [Reason.TIMEOUT] * 4 + [answer] + [Reason.TIMEOUT] * 4:
        breaker.end(reason, 0.0, probe=breaker.begin())
    assert breaker.is_closed


def test_a_fault_of_our_own_neither_counts_nor_sets_back():
    breaker = Breaker(retry=RETRY, randomness=random.Random(1))
    for reason in [Reason.INTERNAL] * 9 + [Reason.TIMEOUT] * 4 + [Reason.INTERNAL] * 9:
        breaker.end(reason, 0.0, probe=breaker.begin())
    assert breaker.is_closed
    breaker.end(Reason.TIMEOUT, 0.0, probe=NO_PROBE)
    assert not breaker.is_closed


def test_one_probe_at_a_time_is_admitted_when_its_time_comes():
    breaker = opened()
    at = breaker.opens_way_at()
    assert 105 <= at <= 107.5
    assert breaker.admits(at - 0.001) == 0
    assert breaker.admits(at) == 1
    assert breaker.begin() != NO_PROBE
    assert (breaker.state, breaker.admits(at + 99), breaker.opens_way_at()) == ("half-open", 0, float("inf"))


def test_a_probe_that_is_answered_closes_it():
    breaker = opened()
    breaker.end(None, 110.0, probe=breaker.begin())
    assert (breaker.state, breaker.admits(110.0)) == ("closed", UNLIMITED)


@pytest.mark.parametrize("reason", [*sorted(DOWN), Reason.INTERNAL])
def test_probes_that_fail_come_less_and_less_often_up_to_a_minute(reason):
    breaker, now, waits = opened(), 100.0, []
    for _ in range(12):
        waits.append(breaker.opens_way_at() - now)
        now = breaker.opens_way_at()
        breaker.end(reason, now, probe=breaker.begin())
    assert waits[:4] == sorted(waits[:4])
    assert all(LONGEST_S / 1.5 <= wait <= LONGEST_S * 1.0001 for wait in waits[5:])


def test_waits_configured_shorter_make_probes_come_sooner():
    breaker = opened(Retry(first_s=0.1, max_s=1))
    assert breaker.opens_way_at() <= 100.15


def test_sends_that_were_on_their_way_do_not_delay_the_probe():
    breaker = opened()
    at = breaker.opens_way_at()
    breaker.end(Reason.TIMEOUT, 104.0, probe=NO_PROBE)
    assert breaker.opens_way_at() == at


def test_a_probe_cut_short_makes_room_for_another():
    breaker = opened()
    probe = breaker.begin()
    assert breaker.abandon(probe=probe)
    assert breaker.admits(110.0) == 1
    assert not breaker.abandon(probe=probe)


def test_a_late_answer_of_an_old_probe_does_not_end_a_new_one():
    breaker = opened()
    old = breaker.begin()
    breaker.end(None, 110.0, probe=NO_PROBE)
    for _ in range(5):
        breaker.end(Reason.TIMEOUT, 120.0, probe=breaker.begin())
    new = breaker.begin()
    breaker.end(Reason.TIMEOUT, 130.0, probe=old)
    assert breaker.state == "half-open"
    breaker.end(None, 131.0, probe=new)
    assert breaker.is_closed


def test_after_healing_the_waits_start_small_again():
    breaker = opened()
    for _ in range(6):
        breaker.end(Reason.TIMEOUT, 200.0, probe=breaker.begin())
    breaker.end(None, 300.0, probe=breaker.begin())
    for _ in range(5):
        breaker.end(Reason.TIMEOUT, 400.0, probe=breaker.begin())
    assert breaker.opens_way_at() <= 407.5
