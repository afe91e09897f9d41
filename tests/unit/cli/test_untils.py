"""An end is a moment in the configured time zone, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest

from memonotify.cli.untils import moment_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # 10:00 in Paris


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("18:00", "2026-03-02T18:00:00+01:00"),
        ("10:01", "2026-03-02T10:01:00+01:00"),
        ("10:00", "2026-03-03T10:00:00+01:00"),
        ("9:30", "2026-03-03T09:30:00+01:00"),
        ("2026-03-05", "2026-03-05T00:00:00+01:00"),
        ("2026-07-05T08:00", "2026-07-05T08:00:00+02:00"),
        ("2026-03-05 08:00:00", "2026-03-05T08:00:00+01:00"),
        ("2026-03-05T08:00:00Z", "2026-03-05T08:00:00+00:00"),
    ],
)
def test_a_time_is_the_next_one_and_a_zone_is_only_added_where_none_is_written(text: str, meant: str) -> None:
    assert moment_of(text, timezone="Europe/Paris", now=NOW).isoformat() == meant


def test_a_time_on_the_other_side_of_a_change_of_clocks_is_that_days() -> None:
    evening = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
    assert moment_of("08:00", timezone="Europe/Paris", now=evening).isoformat() == "2026-03-29T08:00:00+02:00"


@pytest.mark.parametrize("text", ["", "2h", "25:00", "noon", "2026-13-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither a time"):
        moment_of(text, timezone="Europe/Paris", now=NOW)
