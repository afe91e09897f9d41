"""Who decides next."""

from __future__ import annotations

import asyncio

from memonotify.engine.order import Order


async def _reached(awaitable):
    task = asyncio.ensure_future(awaitable)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_a_later_event_with_the_same_key_waits_until_the_earlier_one_is_done():
    order = Order()
    first, second = order.join("acme", "r"), order.join("acme", "r")
    await first.decide("k")
    waiting = await _reached(second.decide("k"))
    assert not waiting.done()
    order.leave("acme", "r", first)
    await waiting


async def test_an_event_with_another_key_goes_on_beside_the_first():
    order = Order()
    first, second = order.join("acme", "r"), order.join("acme", "r")
    await first.decide("k")
    await second.decide("other")


async def test_nobody_decides_before_an_earlier_event_has_named_its_key():
    order = Order()
    first, second = order.join("acme", "r"), order.join("acme", "r")
    waiting = await _reached(second.decide("k2"))
    assert not waiting.done()
    await first.decide("k1")
    await waiting


async def test_look_ups_start_in_order_of_arrival():
    order = Order()
    first, second = order.join("acme", "r"), order.join("acme", "r")
    waiting = await _reached(second.look())
    assert not waiting.done()
    await first.look()
    await waiting


async def test_an_event_that_leaves_lets_the_others_pass():
    order = Order()
    first, second = order.join("acme", "r"), order.join("acme", "r")
    waiting = await _reached(second.look())
    order.leave("acme", "r", first)
    await waiting
    await second.decide("k")


async def test_rules_and_workspaces_have_lines_of_their_own():
    order = Order()
    order.join("acme", "r")
    await order.join("acme", "other").decide("k")
    await order.join("umbrella", "r").decide("k")


async def test_an_empty_line_is_forgotten():
    order = Order()
    turn = order.join("acme", "r")
    order.leave("acme", "r", turn)
    order.leave("acme", "r", turn)
    assert len(order) == 0


async def test_a_waiter_that_is_cancelled_holds_nobody_up():
    order = Order()
    first, second, third = (order.join("acme", "r") for _ in range(3))
    await first.decide("k")
    cancelled = await _reached(second.decide("k"))
    cancelled.cancel()
    order.leave("acme", "r", second)
    waiting = await _reached(third.decide("k"))
    order.leave("acme", "r", first)
    await waiting
