"""`memonotify trigger`, against a stand-in in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator

import pytest

from memonotify.clock import SystemClock
from memonotify.standin.bank import StandInBank


@pytest.fixture
def bank_url() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    standin = StandInBank(clock=SystemClock(), random=random.Random(7))
    loop.run_until_complete(standin.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield standin.url
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(standin.stop())
    loop.close()


@pytest.mark.parametrize(
    ("event_type", "meant"),
    [("transaction_confirmd", " (did you mean transaction_confirmed?)"), ("loan_repaid", "")],
)
def test_a_type_that_the_bank_has_not_published_is_raised_and_told(run, bank_url: str, event_type: str, meant: str):
    ended = run("trigger", event_type, "--bank", bank_url)
    assert ended.status == 0
    assert json.loads(ended.out)["event_type"] == event_type
    assert ended.err == f"{event_type} is not a published event type{meant}; raised all the same.\n"


def test_of_a_published_type_nothing_is_said(run, bank_url: str):
    ended = run("trigger", "transaction_confirmed", "--bank", bank_url)
    assert (ended.status, ended.err) == (0, "")
