"""The moment that a test calls `now`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from memonotify.rules.moments import moment


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-07-02T09:30:00Z", 9),
        ("2026-07-02T09:30:00+02:00", 7),
        ("2026-07-02T09:30:00", 7),
        ("2026-07-02 09:30", 7),
        ("2026-01-02 09:30", 8),
        # The clocks are put back at 3: this hour comes twice.
        ("2026-10-25 02:00", 0),
    ],
)
def test_a_moment_is_read_in_its_zone_or_the_configured_one(text: str, hour: int) -> None:
    at = moment(text, "Europe/Paris")
    assert at.tzinfo is UTC
    assert at.hour == hour
    assert isinstance(at, datetime)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tomorrow", "is no date and time"),
        ("2026-03-02", "is no date and time"),
        ("2026-02-30 10:00", "is no date and time"),
        ("2026-03-29 02:30", "the clocks skip in Europe/Paris"),
        ("0001-01-01T00:00:00+12:00", "out of range"),
    ],
)
def test_what_is_no_moment_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        moment(text, "Europe/Paris")
