"""When the log says that the store cannot be written, and that it can be again."""

from __future__ import annotations

import pytest
from fakes import ManualClock
from structlog.testing import capture_logs

from memonotify.errors import StoreUnavailable
from memonotify.store.trouble import SETTLED_S, Trouble


@pytest.fixture
def told():
    with capture_logs() as logs:
        yield lambda: [log["event"] for log in logs]


def test_the_end_is_told_though_nothing_more_is_written(told):
    clock = ManualClock()
    trouble = Trouble(clock)
    trouble.failed(StoreUnavailable("full"))
    trouble.worked()
    clock.advance(SETTLED_S - 0.1)
    trouble.beat()
    assert told() == ["store_unavailable"]
    clock.advance(0.1)
    trouble.beat()
    trouble.beat()
    assert told() == ["store_unavailable", "store_available"]


def test_quiet_alone_is_no_end(told):
    clock = ManualClock()
    trouble = Trouble(clock)
    trouble.failed(StoreUnavailable("full"))
    clock.advance(3600)
    trouble.beat()
    assert told() == ["store_unavailable"]


def test_what_works_from_the_start_is_not_told(told):
    trouble = Trouble(ManualClock())
    trouble.worked()
    trouble.beat()
    assert told() == []
