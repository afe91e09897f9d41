"""Moments and spans as a person reads them."""

from __future__ import annotations

import pytest

from memonotify.cli.moments import Moments, seconds_between, span


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 s"), (0.44, "0.4 s"), (3.0, "3 s"), (59.6, "1 min"), (125, "2 min 5 s"), (7200, "2 h"),
        (7505, "2 h 5 min"), (90061, "1 d 1 h"), (86405, "1 d"),
    ],
)  # fmt: skip
def test_a_span_has_its_two_largest_units(seconds, shown):
    assert span(seconds) == shown


def test_a_moment_of_the_same_day_is_its_time_alone_in_the_zone_of_the_configuration():
    moments = Moments("Europe/Paris", "2026-03-02T22:30:00.000Z")
    assert moments.full("2026-03-02T22:30:00.000Z") == "2026-03-02 23:30:00"
    assert moments.at("2026-03-02T22:59:59Z") == "23:59:59"
    assert moments.at("2026-03-02T23:00:00Z") == "2026-03-03 00:00:00"
    assert seconds_between("2026-03-02T22:59:59Z", "2026-03-02T23:00:00.500Z") == 1.5
