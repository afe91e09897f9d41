from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.memobank.clockoffset import ClockOffset, parse_http_date

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def date(moment):
    return format_datetime(moment, usegmt=True)


def measured(true_offset_s, *, elapsed_s=0.0, offset=None, sent_at=NOW):
    offset = offset or ClockOffset()
    at_bank = sent_at + timedelta(seconds=true_offset_s + elapsed_s / 2)
    offset.observe(date(at_bank), sent_at=sent_at, elapsed_s=elapsed_s)
    return offset.seconds


def test_a_bank_ahead_gives_a_positive_offset():
    assert measured(30) == pytest.approx(30, abs=0.5)


def test_a_bank_behind_gives_a_negative_offset():
    assert measured(-30) == pytest.approx(-30, abs=0.5)


@pytest.mark.parametrize("true_offset_s", [-0.4, 0, 0.4])
def test_jitter_below_a_second_is_no_offset(true_offset_s):
    assert measured(true_offset_s) == 0.0


def test_a_slow_answer_moves_nothing_that_its_own_error_explains():
    assert measured(2, elapsed_s=8) == 0.0


def test_an_offset_goes_when_the_clock_is_set_right():
    offset = ClockOffset()
    measured(30, offset=offset)
    assert measured(0, offset=offset) == 0.0


def test_an_estimate_that_still_holds_does_not_wander():
    offset = ClockOffset()
    first = measured(30, offset=offset)
    assert measured(30.4, offset=offset) == first


@pytest.mark.parametrize("text", [None, "", "yesterday", "Mon, 99 Mar 2026 09:00:00 GMT"])
def test_a_date_that_is_none_moves_nothing(text):
    offset = ClockOffset()
    offset.observe(text, sent_at=NOW, elapsed_s=0)
    assert offset.seconds == 0.0


def test_a_date_without_a_zone_is_utc():
    assert parse_http_date("Mon, 02 Mar 2026 09:00:00 -0000") == NOW


@given(st.floats(-1e6, 1e6), st.floats(0, 4))
def test_the_estimate_keeps_iat_within_the_five_seconds_the_bank_accepts(true_offset_s, elapsed_s):
    assert abs(measured(true_offset_s, elapsed_s=elapsed_s) - true_offset_s) <= 4
