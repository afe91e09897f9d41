"""What all nodes share: moments of a channel's pace, and calls of the bank's quota, each given to one node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from databases import Postgres, database
from fakes import ManualClock
from storeparts import START, a_delivery, an_event, claimed, settled, written

from memonotify.errors import StoreError, StoreUnavailable
from memonotify.model import DeliveryState, QuotaTold
from memonotify.store import Store, nodes
from memonotify.store.cells import micros
from memonotify.store.nodes import Beat

INTERVAL_S = 0.2


async def _reserve(store: Store, slots: int = 2, **wish: Any) -> tuple[int, float]:
    options = {"interval_s": INTERVAL_S, "early_s": 0.5, "horizon_s": 60.0, **wish}
    portion = await store.reserve("slack", slots=slots, **options)
    return portion.slots, portion.at_s


async def test_portions_follow_each_other_and_never_overlap(store: Store) -> None:
    portions = await asyncio.gather(*(_reserve(store, early_s=30.0) for _ in range(20)))
    begins = sorted(at_s for slots, at_s in portions if slots)
    assert len(begins) == 20
    for first, second in pairwise(begins):
        assert second - first >= 2 * INTERVAL_S - 0.02
    assert begins[0] <= 0.1


async def test_each_channel_has_a_pace_of_its_own(store: Store) -> None:
    await _reserve(store, early_s=9.0)
    portion = await store.reserve("erp", slots=1, interval_s=INTERVAL_S, early_s=0.0, horizon_s=60.0)
    assert portion.slots == 1
    assert portion.at_s <= 0.1


async def test_what_is_too_far_ahead_is_left_and_told_when_to_ask_again(store: Store) -> None:
    await _reserve(store, 10)
    slots, at_s = await _reserve(store)
    assert slots == 0
    assert 1.0 < at_s < 1.6
    later = await _reserve(store, early_s=2.5)
    assert later[0] == 2


async def test_what_a_clock_ahead_has_written_is_not_waited_for(store: Store) -> None:
    await _reserve(store, 2, interval_s=3600.0)
    slots, at_s = await _reserve(store, horizon_s=3.0)
    assert slots == 2
    assert 2.9 < at_s < 3.1


async def test_a_lease_that_is_over_counts_as_something_to_claim(store: Store, clock: ManualClock) -> None:
    assert await store.next_claim("mail") is None
    await written(store, a_delivery(), a_delivery(rule="other", due_at=START + timedelta(hours=1)))
    assert await store.next_claim("mail") == START
    delivery = await claimed(store)
    assert await store.next_claim("mail") == START + timedelta(seconds=30)
    clock.advance(31)
    assert await store.next_due("mail") == START + timedelta(hours=1)
    assert await store.next_claim("mail") == START + timedelta(seconds=30)
    assert await store.settle(settled(delivery, DeliveryState.SENT))
    assert await store.next_claim("mail") == START + timedelta(hours=1)


def _told(left: int, in_s: float, asked_s: float = 0.0) -> QuotaTold:
    return QuotaTold(left=left, resets_at=START + timedelta(seconds=in_s), asked_at=START + timedelta(seconds=asked_s))


async def test_the_first_call_finds_out_alone_and_the_others_look_again_soon(store: Store) -> None:
    trial = await store.draw("acme", 8)
    assert (trial.calls, trial.is_trial) == (1, True)
    waits = await store.draw("acme", 8)
    assert (waits.calls, waits.until) == (0, START + timedelta(seconds=0.05))
    assert (await store.draw("other", 8)).is_trial


async def test_what_the_first_was_told_is_divided_until_nothing_is_left(store: Store, clock: ManualClock) -> None:
    await store.draw("acme", 1)
    assert (await store.draw("acme", 0, _told(20, 60))).calls == 0
    grants = [(await store.draw("acme", 100)).calls for _ in range(30)]
    assert grants[:4] == [10, 5, 2, 1]
    assert sum(grants) == 20
    spent = await store.draw("acme", 1)
    assert (spent.calls, spent.until) == (0, START + timedelta(seconds=60))
    clock.advance(60)
    assert (await store.draw("acme", 1)).is_trial


async def test_a_node_gets_half_its_share_and_nodes_that_never_ask_the_bank_have_none(store: Store) -> None:
    for lease, role in (("a", "all"), ("b", "worker"), ("c", "worker"), ("d", "intake")):
        await _beat(store, lease, role)
    await store.draw("acme", 1)
    assert (await store.draw("acme", 100, _told(60, 60))).calls == 10
    assert (await store.draw("acme", 3)).calls == 3


async def _beat(store: Store, lease: str, role: str) -> None:
    now = micros(START)
    beat = Beat(
        lease=lease,
        name=lease,
        version="1",
        role=role,
        rules="",
        started_at=now,
        now=now,
        until=now + 60_000_000,
        may_lead=False,
    )
    await store._write(nodes.beat, beat)


async def test_two_nodes_never_get_the_same_call(store: Store) -> None:
    await store.draw("acme", 1)
    await store.draw("acme", 0, _told(50, 60))
    grants = await asyncio.gather(*(store.draw("acme", 4) for _ in range(40)))
    assert sum(grant.calls for grant in grants) == 50


async def test_a_store_that_is_only_read_gives_nothing(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock):
        pass
    reader = Store(store_url, clock=clock)
    await reader.open(read_only=True)
    try:
        with pytest.raises(StoreError, match="not open for writing"):
            await reader.draw("acme", 1)
    finally:
        await reader.close()


# Where a node stands still with a row locked


@pytest.fixture
def shared_url(postgres_server: Postgres) -> Iterator[str]:
    with database(postgres_server) as url:
        yield url


async def test_a_row_that_is_locked_keeps_no_event_waiting_and_gives_up_soon(
    shared_url: str, clock: ManualClock
) -> None:
    import psycopg

    async with Store(shared_url, clock=clock) as store:
        await store.draw("acme", 1)
        with psycopg.connect(shared_url) as other:
            other.execute("SELECT * FROM quotas FOR UPDATE")
            began_s = time.monotonic()
            drawing = asyncio.create_task(store.draw("acme", 1))
            await asyncio.sleep(0.1)
            assert await store.receive(an_event()) is not None
            assert time.monotonic() - began_s < 1.0
            with pytest.raises(StoreUnavailable):
                await drawing
            assert 1.5 < time.monotonic() - began_s < 5.0
        assert (await store.draw("acme", 1)).calls == 0


async def test_a_node_that_stands_still_with_a_row_locked_loses_it(shared_url: str, clock: ManualClock) -> None:
    stands_still = False

    def before_commit() -> None:
        if stands_still:
            time.sleep(3.5)

    async with (
        Store(shared_url, clock=clock, before_commit=before_commit) as frozen,
        Store(shared_url, clock=clock) as store,
    ):
        await frozen.draw("other", 1)
        stands_still = True
        standing = asyncio.create_task(frozen.draw("acme", 1))
        await asyncio.sleep(0.3)
        # Its wish is gone with its transaction, so this one is the first.
        waiting = asyncio.create_task(store.draw("acme", 1))
        with pytest.raises(StoreUnavailable):
            await standing
        stands_still = False
        with suppress(StoreUnavailable):
            await waiting
        assert (await frozen.draw("other", 1)).calls == 0
        assert (await store.draw("acme", 1)).calls in {0, 1}
