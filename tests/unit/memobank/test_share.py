"""A node's portion of the quota: how it is used, and that nodes together never overspend."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count

import pytest
from fakes import ManualClock
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memonotify.errors import StoreUnavailable
from memonotify.memobank.quota import Quota
from memonotify.memobank.share import AWAY_S, MOST, Leave, Share
from memonotify.model import QuotaGrant, QuotaTold
from memonotify.store.cells import micros
from memonotify.store.quotas import Left, Wish, divide


class Common:
    """What the nodes share: grants what is scripted, or nothing but calls without end."""

    def __init__(self, clock):
        self.clock = clock
        self.wishes = []
        self.grants = []
        self.fault = None

    async def draw(self, want, told, *, untold):
        self.wishes.append((want, told, untold))
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        return self.grants.pop(0) if self.grants else self.grant(want)

    def grant(self, calls, in_s=60.0, **more):
        return QuotaGrant(calls=calls, until=self.clock.now() + timedelta(seconds=in_s), **more)

    @property
    def wanted(self):
        return [want for want, _, _ in self.wishes]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def common(clock):
    return Common(clock)


@pytest.fixture
def share(common, clock):
    return Share(common.draw, clock)


async def one(share):
    """Take one call, drawing where there is none; return how long to wait otherwise."""
    while share.take() is Leave.NONE:
        if (wait_s := await share.draw()) > 0:
            return wait_s
    return 0.0


async def test_a_portion_is_used_up_before_another_one_is_drawn(share, common):
    for _ in range(7):
        assert await one(share) == 0.0
    assert common.wanted == [1, 2, 4]
    for _ in range(500):
        await one(share)
    assert max(common.wanted) == MOST
    assert len(common.wanted) < 16


async def test_callers_that_wait_together_draw_once(share, common):
    common.grants = [common.grant(8)]
    assert await asyncio.gather(*(one(share) for _ in range(8))) == [0.0] * 8
    assert len(common.wishes) == 1


async def test_what_is_left_of_a_portion_ends_with_its_window_and_makes_the_next_one_small(share, common, clock):
    for _ in range(4):
        await one(share)
    clock.advance(60)
    assert share.take() is Leave.NONE
    await one(share)
    assert common.wanted == [1, 2, 4, 1]


async def test_where_nothing_is_left_nobody_asks_before_the_reset(share, common, clock):
    common.grants = [common.grant(0, 30)]
    assert await one(share) == 30.0
    clock.advance(10)
    assert await one(share) == 20.0
    assert len(common.wishes) == 1
    clock.advance(20)
    assert await one(share) == 0.0


async def test_what_the_bank_told_is_passed_on_with_the_next_draw_the_newest_last_asked(share, common, clock):
    def told(left, asked_s):
        now = clock.now()
        return QuotaTold(left=left, resets_at=now, asked_at=now + timedelta(seconds=asked_s))

    share.hear(told(9, 2))
    share.hear(told(8, 1))
    await one(share)
    assert common.wishes[0][1].left == 9


async def test_a_trial_is_told_of_also_where_it_brought_nothing(share, common, clock):
    common.grants = [common.grant(1, 2, is_trial=True), common.grant(0), common.grant(1, 2, is_trial=True)]
    await share.draw()
    assert share.take() is Leave.TRIAL
    await share.tell()
    await share.draw()
    share.take()
    share.hear(QuotaTold(left=9, resets_at=clock.now(), asked_at=clock.now()))
    await share.tell()
    assert [(want, untold) for want, _, untold in common.wishes] == [(1, False), (0, True), (2, False), (0, False)]


async def test_where_the_store_is_away_calls_go_and_it_is_asked_again_after_a_while(share, common, clock):
    common.fault = StoreUnavailable("away")
    for _ in range(20):
        assert await one(share) == 0.0
    assert len(common.wishes) == 1
    clock.advance(AWAY_S)
    common.fault = None
    await one(share)
    assert len(common.wishes) == 2


async def test_a_store_that_does_not_answer_is_away(common, clock):
    @asynccontextmanager
    async def bound(seconds):
        yield
        raise TimeoutError

    share = Share(common.draw, clock, bound=bound)
    assert await one(share) == 0.0
    await share.tell()


# Nodes together


class Window:
    """The bank's quota: so many calls in each window, which begins with its first call; the reset in whole seconds."""

    def __init__(self, limit, window_s, rounds_up):
        self.limit, self.window_s, self.rounds_up = limit, window_s, rounds_up
        self.ends_s, self.remaining, self.refused, self.answered = float("-inf"), limit, 0, 0

    def call(self, now_s):
        if now_s >= self.ends_s:
            self.ends_s, self.remaining = now_s + self.window_s, self.limit
        if self.remaining:
            self.remaining -= 1
            self.answered += 1
        else:
            self.refused += 1
        left_s = self.ends_s - now_s
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(-int(-left_s // 1) if self.rounds_up else int(left_s)),
        }


class SharedRow:
    def __init__(self, clock, nodes):
        self.clock, self.nodes, self.left, self.draws = clock, nodes, Left(), 0

    async def draw(self, want, told, *, untold):
        self.draws += 1
        wish = Wish(want=want, told=told, untold=untold)
        self.left, grant = divide(self.left, wish, nodes=self.nodes, now=micros(self.clock.now()))
        return grant


@asynccontextmanager
async def unbound(_seconds):
    yield


def at_once(coroutine):
    """Return what a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def played(*, limit, window_s, nodes, until_s, delays, rounds_up=True, bursts=()):
    """Let nodes call: with `bursts` at a moment so many calls, else eight at a time each, again and again.

    Of every call `delays` says how long it is on its way there and back.
    """
    clock, order = ManualClock(), count()
    bank, row = Window(limit, window_s, rounds_up), SharedRow(clock, nodes)
    quotas = [Quota() for _ in range(nodes)]
    shares = [Share(row.draw, clock, bound=unbound) for _ in range(nodes)]
    asks = [(at_s, node) for at_s, node, calls in bursts for _ in range(calls)]
    asks = asks or [(0.01 * number, number % nodes) for number in range(8 * nodes)]
    agenda = sorted((at_s, next(order), "ask", node, None) for at_s, node in asks)
    turn = count()

    def later(in_s, what, node, more=None):
        heapq.heappush(agenda, (clock.monotonic() + in_s, next(order), what, node, more))

    while agenda and agenda[0][0] < until_s:
        at_s, _, what, node, more = heapq.heappop(agenda)
        clock.advance(max(at_s - clock.monotonic(), 0.0))
        quota, share = quotas[node], shares[node]
        if what == "ask":
            wait_s = quota.wait_s(clock.monotonic())
            leave = Leave.NONE if wait_s > 0 else share.take()
            if leave is Leave.NONE:
                later(wait_s if wait_s > 0 else at_once(share.draw()), "ask", node)
                continue
            quota.begin()
            there_s, back_s = delays[next(turn) % len(delays)]
            later(there_s, "arrive", node, (leave, clock.now(), back_s))
        elif what == "arrive":
            leave, asked_at, back_s = more
            later(back_s, "answer", node, (leave, asked_at, bank.call(clock.monotonic())))
        else:
            leave, asked_at, headers = more
            reset_s = quota.observe(headers, now=clock.monotonic())
            resets_at = clock.now() + timedelta(seconds=max(reset_s, 1.0))
            share.hear(QuotaTold(left=quota.spare, resets_at=resets_at, asked_at=asked_at))
            quota.end(answered=True)
            if leave is Leave.TRIAL:
                at_once(share.tell())
            if not bursts:
                later(0.0, "ask", node)
    return bank, row


_delays = st.lists(st.tuples(st.floats(0.001, 0.2), st.floats(0.001, 1.0)), min_size=1, max_size=40)


@given(limit=st.integers(10, 100), window_s=st.floats(5, 60), nodes=st.integers(1, 4), delays=_delays)
@settings(deadline=None)
def test_nodes_together_are_never_refused(limit, window_s, nodes, delays):
    bank, _ = played(limit=limit, window_s=window_s, nodes=nodes, until_s=3 * window_s, delays=delays)
    assert bank.refused == 0
    assert bank.answered >= limit


@given(
    bursts=st.lists(
        st.tuples(st.one_of(st.floats(0, 9), st.floats(9, 12.5)), st.integers(0, 2), st.integers(1, 40)),
        min_size=1,
        max_size=12,
    ),
    delays=_delays,
)
# The window ends at 10.501, and as far as anybody knows at 11.002. One node has 11 calls left of the old window while
# another one is told of the new one; the third spends it all at once.
@example(
    bursts=[(0.0, 0, 1), (1.0, 1, 16), (10.55, 0, 2), (10.56, 0, 1), (10.6, 1, 11), (11.1, 2, 110)],
    delays=[(0.001, 0.001)] * 31 + [(0.001, 1.0)] * 110,
)
# It sends them off in the last moment, and they arrive when the new window has been divided.
@example(
    bursts=[(0.0, 0, 1), (1.0, 1, 16), (11.001, 1, 11), (11.003, 0, 1), (11.1, 2, 110)],
    delays=[(0.001, 0.001)] * 17 + [(0.2, 0.001)] * 11 + [(0.001, 0.001)] + [(0.001, 1.0)] * 110,
)
@settings(deadline=None)
def test_nodes_together_are_never_refused_whenever_they_call(bursts, delays):
    everything = [*bursts, (14.0, 0, 99)]
    bank, _ = played(limit=100, window_s=10.5, nodes=3, until_s=30.0, delays=delays, bursts=everything)
    assert bank.refused == 0


def test_nodes_together_spend_what_there_is_with_few_draws():
    bank, row = played(limit=600, window_s=60.0, nodes=3, until_s=299.0, delays=[(0.02, 0.03), (0.01, 0.05)])
    assert bank.refused == 0
    assert bank.answered > 0.95 * 5 * 595
    assert row.draws < bank.answered / 6
