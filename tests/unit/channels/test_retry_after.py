"""Retry-After in both its forms."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.channels.retry_after import MAX_S, retry_after_s

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("1.5", 1.5),
        ("Mon, 02 Mar 2026 09:01:30 GMT", 90.0),
        ("Monday, 02-Mar-26 09:01:30 GMT", 90.0),
        ("Mon Mar  2 09:01:30 2026", 90.0),
        ("Mon, 02 Mar 2026 10:01:30 +0100", 90.0),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0.0),
        ("999999999999999999", MAX_S),
        ("Mon, 02 Mar 2099 09:00:00 GMT", MAX_S),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("9" * 400, None),
        ("٣", None),
        ("Mon, 99 Mar 2026 09:00:00 GMT", None),
    ],
)
def test_it_is_understood_as_seconds_from_now(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


@given(st.text(max_size=60))
def test_no_value_makes_it_fail_or_leave_its_bounds(value: str) -> None:
    seconds = retry_after_s(value, NOW)
    assert seconds is None or 0.0 <= seconds <= MAX_S
