"""`once` as a table: what is remembered of a key, the moment, and what follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memonotify.policies.once import OnceVerdict, gone_on, once

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAID = f"said {AT.isoformat()}"
WAITS = f"waits {AT.isoformat()} {(AT + timedelta(minutes=2)).isoformat()}"
DROPPED = f"dropped {AT.isoformat()}"


def decided(remembered: str | None, after: timedelta, *, wait_s: float | None = None) -> OnceVerdict:
    return once(remembered, AT + after, within_s=3600, wait_s=wait_s)


@pytest.mark.parametrize(
    ("remembered", "after", "speaks"),
    [
        (None, timedelta(), True),
        (SAID, timedelta(), False),
        (SAID, HOUR - timedelta(microseconds=1), False),
        (SAID, HOUR, True),
        # The clock was set back, by less and by more than the whole time.
        (SAID, timedelta(minutes=-59), False),
        (SAID, -HOUR, True),
        (WAITS, timedelta(minutes=1), True),
        (WAITS, timedelta(minutes=2), False),
        (DROPPED, timedelta(minutes=3), True),
    ],
)
def test_a_key_speaks_once_within_its_time(remembered: str | None, after: timedelta, speaks: bool) -> None:
    assert decided(remembered, after).speaks is speaks


def test_the_first_of_a_key_is_remembered_until_its_time_is_over() -> None:
    assert decided(None, timedelta()) == OnceVerdict(speaks=True, remember=SAID, expires_at=AT + HOUR)


def test_one_that_is_not_preferred_waits() -> None:
    until = AT + timedelta(minutes=2)
    assert decided(None, timedelta(), wait_s=120) == OnceVerdict(
        speaks=True, remember=WAITS, expires_at=AT + HOUR, wait_until=until
    )


def test_a_preferred_one_overtakes_what_waits_and_keeps_the_first_ones_time() -> None:
    verdict = decided(WAITS, timedelta(minutes=1))
    assert verdict == OnceVerdict(speaks=True, remember=SAID, expires_at=AT + HOUR, overtakes=True)


def test_a_second_one_that_is_not_preferred_is_told_by_the_one_that_waits() -> None:
    verdict = decided(WAITS, timedelta(minutes=1), wait_s=120)
    assert not verdict.speaks
    assert "is about to be told" in verdict.detail


@pytest.mark.parametrize(
    ("remembered", "is_told", "then"),
    [
        (WAITS, True, SAID),
        (WAITS, False, DROPPED),
        # Of two messages of the key, one that goes is enough.
        (DROPPED, True, SAID),
        (DROPPED, False, None),
        (SAID, True, None),
        (SAID, False, None),
    ],
)
def test_what_waited_leaves_its_key_used_only_where_it_was_told(
    remembered: str, is_told: bool, then: str | None
) -> None:
    assert gone_on(remembered, is_told=is_told) == then
