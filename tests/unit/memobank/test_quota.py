from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memonotify.memobank.quota import Quota


def headers(limit, remaining, reset):
    return {"RateLimit-Limit": str(limit), "RateLimit-Remaining": str(remaining), "RateLimit-Reset": str(reset)}


def answered(quota, now, limit, remaining, reset, **more):
    quota.begin()
    told = quota.observe(headers(limit, remaining, reset), now=now, **more)
    quota.end(answered=True)
    return told


def test_nothing_waits_while_nothing_is_known():
    assert Quota().wait_s(0) == 0.0


def test_calls_wait_for_the_reset_when_the_reserve_is_reached():
    quota = Quota()
    answered(quota, 0, 100, 5, 30)
    assert quota.wait_s(10) == 20.0


def test_calls_go_while_more_than_the_reserve_is_left():
    quota = Quota()
    answered(quota, 0, 100, 6, 30)
    assert quota.wait_s(10) == 0.0


def test_calls_under_way_are_counted_before_they_answer():
    quota = Quota()
    answered(quota, 0, 10, 3, 30)
    quota.begin()
    quota.begin()
    assert quota.wait_s(1) == 29.0


def test_a_reset_opens_the_quota_again():
    quota = Quota()
    answered(quota, 0, 100, 0, 30)
    assert quota.wait_s(30) == 0.0
    assert quota.remaining == 100


def test_calls_under_way_across_a_reset_count_in_the_new_window():
    quota = Quota()
    answered(quota, 0, 100, 50, 30)
    quota.begin()
    quota.begin()
    quota.wait_s(30)
    assert quota.remaining == 98


def test_a_small_quota_is_not_overrun_right_after_a_reset():
    quota = Quota()
    answered(quota, 0, 2, 0, 30)
    assert quota.wait_s(30) == 0.0
    quota.begin()
    quota.begin()
    assert quota.wait_s(30) > 0


def test_a_call_without_an_answer_does_not_spend_a_window_that_nobody_confirmed():
    quota = Quota()
    answered(quota, 0, 2, 0, 30)
    quota.wait_s(30)
    quota.begin()
    quota.end(answered=False)
    assert quota.remaining == 2


def test_an_answer_from_the_window_before_changes_nothing():
    quota = Quota()
    answered(quota, 0, 100, 50, 60)
    answered(quota, 1, 100, 0, 1)
    assert quota.remaining == 49


def test_an_answer_that_was_overtaken_gives_no_calls_back():
    quota = Quota()
    answered(quota, 0, 100, 50, 60)
    answered(quota, 1, 100, 90, 59)
    assert quota.remaining == 49


def test_a_refusal_spends_the_rest_and_tells_the_wait():
    quota = Quota()
    assert answered(quota, 0, 100, 7, 12, refused=True) == 12.0
    assert quota.wait_s(0) == 12.0


def test_headers_that_are_missing_or_none_change_nothing():
    quota = Quota()
    assert quota.observe({}, now=0) is None
    assert quota.observe(headers("a", "b", "c"), now=0) is None
    assert quota.wait_s(0) == 0.0


def test_parameters_after_the_number_are_left_aside():
    quota = Quota()
    answered(quota, 0, "100, 100;w=60", "0", "9")
    assert (quota.limit, quota.wait_s(0)) == (100, 9.0)


@given(st.integers(1, 30), st.integers(1, 8))
def test_a_window_is_never_overspent(limit, concurrency):
    quota, spent = Quota(), 0
    answered(quota, 0, limit, limit - 1, 60)
    spent += 1
    for _ in range(50):
        flying = 0
        while flying < concurrency and quota.wait_s(1) == 0.0:
            quota.begin()
            flying += 1
        for _ in range(flying):
            spent += 1
            quota.observe(headers(limit, limit - spent, 59), now=1)
            quota.end(answered=True)
    assert spent <= limit


def test_a_reset_that_cannot_be_seconds_parks_nothing():
    quota = Quota()
    answered(quota, 0, 100, 0, 1_764_000_000)
    assert quota.wait_s(0) == 0.0


def test_who_leaves_a_part_to_others_waits_when_it_is_reached():
    quota = Quota()
    assert quota.spare_wait_s(0, 0.5) == 0.0
    answered(quota, 0, 100, 51, 30)
    assert quota.spare_wait_s(10, 0.5) == 0.0
    answered(quota, 10, 100, 50, 20)
    assert quota.spare_wait_s(10, 0.5) == 20.0
    assert quota.wait_s(10) == 0.0
    assert quota.spare_wait_s(30, 0.5) == 0.0
