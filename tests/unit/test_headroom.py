"""Work beside the webhook shrinks while the loop is late, and grows back."""

from __future__ import annotations

import asyncio

import pytest
from fakes import ManualClock

from memonotify.headroom import EARLY_S, LATE_S, LEAST, TICK_S, Gate, Headroom

LATE, EARLY, BETWEEN = LATE_S * 2, 0.0, (LATE_S + EARLY_S) / 2


def test_all_places_may_be_used_until_the_loop_is_late() -> None:
    headroom = Headroom(ManualClock())
    assert [headroom.of(places) for places in (1, 2, 8, 64)] == [1, 2, 8, 64]


@pytest.mark.parametrize(("places", "left"), [(1, 1), (2, 2), (3, LEAST), (64, LEAST)])
def test_however_late_the_loop_is_some_work_goes_on(places: int, left: int) -> None:
    headroom = Headroom(ManualClock())
    for _ in range(200):
        headroom.observe(LATE)
    assert headroom.of(places) == left


def test_a_late_timer_takes_places_and_early_ones_bring_them_back() -> None:
    headroom = Headroom(ManualClock())
    headroom.observe(LATE)
    assert headroom.of(10) == 8
    headroom.observe(BETWEEN)
    assert headroom.of(10) == 8, "neither late nor early: it stays"
    for _ in range(20):
        headroom.observe(EARLY)
    assert headroom.of(10) == 10


async def test_it_watches_how_late_its_timer_is() -> None:
    clock = ManualClock()
    ticks = 0
    over = asyncio.Event()

    async def pause(seconds: float) -> None:
        nonlocal ticks
        assert seconds == TICK_S
        ticks += 1
        clock.advance(seconds + (LATE if ticks <= 3 else BETWEEN))
        if ticks > 5:
            over.set()
        await asyncio.sleep(0)

    headroom = Headroom(clock, pause=pause)
    await headroom.start()
    await over.wait()
    await headroom.stop(0)
    assert headroom.of(100) == 52
    await headroom.stop(0)


class Crowd:
    """Tasks that go through a gate and stay inside until they are let go."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.entered: list[int] = []
        self.leave: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def come(self, *names: int) -> None:
        for name in names:
            self.leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._pass(name))
        await self.settle()

    async def go(self, name: int) -> None:
        self.leave[name].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _pass(self, name: int) -> None:
        async with self._gate:
            self.entered.append(name)
            await self.leave[name].wait()


async def test_a_gate_lets_in_what_has_room_in_order_of_arrival() -> None:
    headroom = Headroom(ManualClock())
    crowd = Crowd(Gate(headroom, 3))
    await crowd.come(1, 2, 3, 4, 5)
    assert crowd.entered == [1, 2, 3]
    headroom.observe(LATE)
    headroom.observe(LATE)
    await crowd.go(2)
    assert crowd.entered == [1, 2, 3], "there is room for two only"
    await crowd.go(1)
    assert crowd.entered == [1, 2, 3, 4]
    for _ in range(20):
        headroom.observe(EARLY)
    await crowd.settle()
    assert crowd.entered == [1, 2, 3, 4, 5], "more room lets the next in though nobody left"
    for name in (3, 4, 5):
        await crowd.go(name)
    await asyncio.gather(*crowd.tasks.values())


async def test_one_that_is_cancelled_in_the_line_or_at_the_gate_takes_no_place() -> None:
    headroom = Headroom(ManualClock())
    crowd = Crowd(Gate(headroom, 1))
    await crowd.come(1, 2, 3, 4)
    crowd.tasks[2].cancel()
    crowd.leave[1].set()
    await asyncio.sleep(0)
    # 1 has left or is about to; whoever is let in is cancelled in the same turn.
    crowd.tasks[3].cancel()
    await crowd.settle()
    assert crowd.entered == [1, 4]
    await crowd.go(4)
    await asyncio.gather(*crowd.tasks.values(), return_exceptions=True)
