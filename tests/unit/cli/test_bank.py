"""`memonotify bank` and `memonotify trigger`, against a stand-in in a thread of its own."""

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
    ("event_type", "said"),
    [
        (
            "transaction_confirmd",
            "transaction_confirmd is not a published event type (did you mean transaction_confirmed?); "
            "raised all the same.\n",
        ),
        ("loan_repaid", "loan_repaid is not a published event type; raised all the same.\n"),
        ("transaction_confirmed", ""),
    ],
)
def test_a_type_that_the_bank_has_not_published_is_raised_and_told(run, bank_url: str, event_type: str, said: str):
    ended = run("trigger", event_type, "--bank", bank_url)
    assert ended.status == 0
    assert json.loads(ended.out)["event_type"] == event_type
    assert ended.err == said
