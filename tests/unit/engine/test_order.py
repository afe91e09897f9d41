"""Who decides next."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from fakes import ManualClock
from hypothesis import given
from hypothesis import strategies as st

from memonotify.engine.order import Behind, Order
from memonotify.engine.parked import Parked
from memonotify.errors import Reason

LATER = ManualClock().now() + timedelta(minutes=1)


async def _reached(awaitable):
    task = asyncio.ensure_future(awaitable)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


def _line(order: Order, *keys: str | None):
    return [order.join("acme", "r", seq, key) for seq, key in enumerate(keys, 1)]


async def test_a_later_event_with_the_same_key_waits_until_the_earlier_one_is_done():
    order = Order()
    first, second = _line(order, None, None)
    await first.decide("k")
    waiting = await _reached(second.decide("k"))
    assert not waiting.done()
    order.leave("acme", "r", first)
    await waiting


async def test_an_event_with_another_key_goes_on_beside_the_first():
    order = Order()
    first, second = _line(order, None, None)
    await first.decide("k")
    await second.decide("other")


async def test_a_key_that_is_known_from_the_start_lets_others_pass_at_once():
    order = Order()
    _first, second = _line(order, "k", "other")
    await second.look()
    await second.decide("other")


async def test_nobody_decides_before_an_earlier_event_has_named_its_key():
    order = Order()
    first, second = _line(order, None, None)
    waiting = await _reached(second.decide("k2"))
    assert not waiting.done()
    await first.decide("k1")
    await waiting


async def test_look_ups_start_in_order_of_arrival():
    order = Order()
    first, second = _line(order, None, None)
    waiting = await _reached(second.look())
    assert not waiting.done()
    await first.look()
    await waiting


async def test_an_event_that_leaves_lets_the_others_pass():
    order = Order()
    first, second = _line(order, None, None)
    waiting = await _reached(second.look())
    order.leave("acme", "r", first)
    await waiting
    await second.decide("k")


async def test_an_event_that_arrived_earlier_stands_before_others_though_it_joins_later():
    order = Order()
    later = order.join("acme", "r", 2)
    earlier = order.join("acme", "r", 1)
    await earlier.decide("k")
    waiting = await _reached(later.decide("k"))
    assert not waiting.done()
    order.leave("acme", "r", earlier)
    await waiting


async def test_rules_and_workspaces_have_lines_of_their_own():
    order = Order()
    order.join("acme", "r", 1)
    await order.join("acme", "other", 2).decide("k")
    await order.join("umbrella", "r", 3).decide("k")


async def test_an_empty_line_is_forgotten():
    order = Order()
    (turn,) = _line(order, None)
    order.leave("acme", "r", turn)
    order.leave("acme", "r", turn)
    assert len(order) == 0


async def test_a_waiter_that_is_cancelled_holds_nobody_up():
    order = Order()
    first, second, third = _line(order, None, None, None)
    await first.decide("k")
    cancelled = await _reached(second.decide("k"))
    cancelled.cancel()
    order.leave("acme", "r", second)
    waiting = await _reached(third.decide("k"))
    order.leave("acme", "r", first)
    await waiting


@pytest.mark.parametrize(("parked", "own"), [("k", "k"), (None, "k"), ("k", None), (None, None)])
async def test_who_stands_behind_an_event_that_is_put_off_is_put_off_as_well(parked, own):
    order = Order()
    first, second = _line(order, parked, own)
    order.park("acme", "r", first, LATER, Reason.TIMEOUT)
    with pytest.raises(Behind) as caught:
        second.check()
    assert (caught.value.until, caught.value.reason) == (LATER, Reason.TIMEOUT)


async def test_one_with_another_key_passes_an_event_that_is_put_off():
    order = Order()
    first, second = _line(order, "k", "other")
    order.park("acme", "r", first, LATER, Reason.TIMEOUT)
    second.check()
    await second.decide("other")


async def test_one_that_waits_is_told_when_the_event_before_it_is_put_off():
    order = Order()
    first, second, third = _line(order, None, None, None)
    deciding = await _reached(second.decide("k"))
    looking = await _reached(third.look())
    order.park("acme", "r", first, LATER, Reason.TIMEOUT)
    for waiting in (deciding, looking):
        with pytest.raises(Behind):
            await waiting


async def test_an_event_that_comes_again_takes_its_place_and_the_others_wait_for_it():
    order = Order()
    first, second = _line(order, "k", "k")
    order.park("acme", "r", first, LATER, Reason.TIMEOUT)
    order.resume(1)
    first = order.join("acme", "r", 1, "k")
    await first.decide("k")
    waiting = await _reached(second.decide("k"))
    assert not waiting.done()
    order.leave("acme", "r", first)
    await waiting
    order.leave("acme", "r", second)
    assert len(order) == 0


async def test_what_is_parked_can_be_forgotten():
    order = Order()
    first, second = _line(order, "k", "k")
    order.park("acme", "r", first, LATER, Reason.TIMEOUT)
    order.clear()
    await second.decide("k")
    order.resume(1)
    order.leave("acme", "r", second)
    assert len(order) == 0


@given(
    st.lists(st.tuples(st.sampled_from(["put", "take"]), st.integers(1, 12), st.sampled_from([None, "a", "b"]))),
    st.integers(1, 13),
    st.sampled_from([None, "a", "b"]),
)
def test_the_first_that_stands_before_is_the_lowest_with_that_key_or_none(steps, seq, key):
    parked: Parked[int] = Parked()
    model: dict[int, str | None] = {}
    for verb, number, of in steps:
        if verb == "put":
            parked.put(number, of, number)
            model[number] = of
        else:
            parked.take(number)
            model.pop(number, None)
    fits = [number for number, of in model.items() if number < seq and (key is None or of in (None, key))]
    assert parked.first(seq, key) == (min(fits) if fits else None)
    assert len(parked) == len(model)
