"""The events that wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from engineparts import FakeStore, event, settled

from memonotify.engine.backlog import LEAST_WAIT_S, Backlog
from memonotify.errors import StoreUnavailable


@asynccontextmanager
async def fed(backlog):
    task = asyncio.create_task(backlog.feed())
    await settled()
    try:
        yield backlog
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _take(backlog, count):
    return [(await asyncio.wait_for(backlog.next(), 1)).seq for _ in range(count)]


async def test_what_was_unfinished_at_the_start_comes_before_what_arrives(store, clock, pauses):
    store.add(event(1), event(2))
    backlog = Backlog(store, clock=clock, pause=pauses)
    store.add(event(3))
    backlog.submit(event(3))
    async with fed(backlog):
        assert await _take(backlog, 3) == [1, 2, 3]


async def test_an_event_that_is_submitted_and_read_comes_once(store, clock, pauses):
    backlog = Backlog(store, clock=clock, pause=pauses)
    async with fed(backlog):
        store.add(event(1))
        backlog.submit(event(1))
        backlog.submit(event(1))
        assert await _take(backlog, 1) == [1]
        assert len(backlog) == 1
        await pauses.advance(60)
        assert len(backlog) == 1


async def test_what_has_no_room_is_read_from_the_store_in_order(store, clock, pauses):
    backlog = Backlog(store, clock=clock, pause=pauses, size=4, page=2)
    async with fed(backlog):
        for seq in range(1, 21):
            store.add(event(seq))
            backlog.submit(event(seq))
        assert len(backlog) == 20
        taken = []
        for _ in range(20):
            taken += await _take(backlog, 1)
            store.open.pop(taken[-1])
            backlog.done(event(taken[-1]))
            await settled()
        assert taken == list(range(1, 21))
        assert len(backlog) == 0


async def test_an_event_finished_while_the_store_is_read_does_not_come_again(store, clock, pauses):
    backlog = Backlog(store, clock=clock, pause=pauses)
    async with fed(backlog):
        store.add(event(1))
        backlog.submit(event(1))
        await _take(backlog, 1)
        read = store.unevaluated

        async def finished_meanwhile(**options):
            rows = await read(**options)
            store.open.pop(1, None)
            backlog.done(event(1))
            return rows

        store.unevaluated = finished_meanwhile
        await pauses.advance(30)
        await pauses.advance(30)
        assert len(backlog) == 0


async def test_what_arrives_while_the_store_is_read_follows_what_is_read(store, clock, pauses):
    backlog = Backlog(store, clock=clock, pause=pauses)
    read = store.unevaluated

    async def arriving_meanwhile(**options):
        rows = await read(**options)
        backlog.submit(event(3))
        return rows

    store.unevaluated = arriving_meanwhile
    store.add(event(1), event(2))
    async with fed(backlog):
        assert await _take(backlog, 3) == [1, 2, 3]


async def test_an_event_that_was_put_off_comes_again_when_it_is_due(store, clock, pauses):
    backlog = Backlog(store, clock=clock, pause=pauses)
    async with fed(backlog):
        store.add(event(1))
        backlog.submit(event(1))
        await _take(backlog, 1)
        due_at = clock.now() + timedelta(seconds=5)
        await store.postpone(event(1), due_at)
        backlog.done(event(1), due_at=due_at)
        await settled()
        await pauses.advance(4)
        assert len(backlog) == 0
        await pauses.advance(1)
        await pauses.advance(0.1)
        assert (await asyncio.wait_for(backlog.next(), 1)).attempts == 1


async def test_an_event_put_off_by_an_earlier_process_is_found_behind_one_under_evaluation(store, clock, pauses):
    store.add(event(1), event(2))
    await store.postpone(event(2), clock.now() + timedelta(seconds=5))
    backlog = Backlog(store, clock=clock, pause=pauses)
    async with fed(backlog):
        assert await _take(backlog, 1) == [1]
        for _ in range(8):
            await pauses.advance(1)
        assert await _take(backlog, 1) == [2]


async def test_a_store_that_cannot_be_read_is_asked_again(store, clock, pauses):
    read = store.unevaluated
    failures = [StoreUnavailable("away")]

    async def failing(**options):
        if failures:
            raise failures.pop()
        return await read(**options)

    store.unevaluated = failing
    store.add(event(1))
    backlog = Backlog(store, clock=clock, pause=pauses)
    async with fed(backlog):
        backlog.submit(event(2))
        await pauses.advance(1)
        assert await _take(backlog, 1) == [1]


async def test_an_idle_backlog_reads_the_store_every_half_minute_only(store, clock, pauses):
    backlog = Backlog(store, clock=clock, pause=pauses)
    async with fed(backlog):
        before = store.reads
        for _ in range(29):
            await pauses.advance(1)
        assert store.reads == before
        await pauses.advance(1)
        assert store.reads == before + 1


class SharedStore(FakeStore):
    """A store with events that no node has."""

    def __init__(self, clock, free):
        super().__init__(clock)
        self.free = list(free)
        self.asked = []

    async def adopt(self, limit):
        self.asked.append(limit)
        taken, self.free = self.free[:limit], self.free[limit:]
        self.add(*taken)
        return len(taken)


async def test_what_no_node_has_is_taken_in_portions_so_that_others_share_in(clock, pauses):
    store = SharedStore(clock, [event(seq) for seq in range(1, 251)])
    backlog = Backlog(store, clock=clock, pause=pauses)
    feeding = asyncio.ensure_future(backlog.feed())
    await settled(200)
    assert len(store.free) == 150
    seen = []
    for _ in range(250):
        item = await backlog.next()
        seen.append(item.seq)
        store.open.pop(item.seq)
        backlog.done(item)
        await settled(20)
    assert seen == list(range(1, 251))
    assert store.free == []
    feeding.cancel()


async def test_a_hint_makes_it_look_into_the_store_soon(clock, pauses):
    store = SharedStore(clock, [])
    backlog = Backlog(store, clock=clock, pause=pauses, look_s=30)
    feeding = asyncio.ensure_future(backlog.feed())
    await settled(200)
    store.free = [event(7)]
    backlog.look()
    await settled(20)
    await pauses.advance(LEAST_WAIT_S)
    await settled(50)
    assert (await backlog.next()).seq == 7
    feeding.cancel()
