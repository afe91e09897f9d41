"""The pace of a channel that several nodes feed: the bound, over the statement itself, and the lanes that keep it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import a_server, database
from fakes import ManualClock
from hypothesis import given
from hypothesis import strategies as st
from lanes import WatchedStore, Yard
from sqlalchemy import Connection, create_engine, delete, insert

from memonotify.clock import SharedClock, SystemClock
from memonotify.config.values import Rate
from memonotify.delivery.sharedpace import SharedPace
from memonotify.errors import Reason, SendError, StoreUnavailable
from memonotify.model import DeliveryState
from memonotify.store.budgets import take
from memonotify.store.paces import Portion, Reservation
from memonotify.store.tables import paces

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class World:
    """True time, the database whose clock tells it, and what every node has sent."""

    def __init__(self, connection: Connection, rate: Rate) -> None:
        self.connection = connection
        self.rate = rate
        self.true_s = 1000.0
        self.begun: list[float] = []
        connection.execute(delete(paces))

    def most_in_a_window(self) -> int:
        """Return the most sends in any half-open window of the rate."""
        begun = sorted(self.begun)
        return max(
            (sum(first <= moment < first + self.rate.per_s for moment in begun) for first in begun),
            default=0,
        )


class Node:
    """A node with a monotonic clock of its own, and a way to the database that takes its time."""

    def __init__(self, world: World, *, offset_s: float = 0.0, drift: float = 0.0) -> None:
        self.world = world
        self.offset_s = offset_s
        self.drift = drift
        self.way_s = (0.0, 0.0, 0.0)
        self.pace = SharedPace(world.rate, self._reserve, self.monotonic)

    def now(self) -> datetime:
        raise AssertionError("the database's clock is the one that counts")

    def monotonic(self) -> float:
        return self.offset_s + self.world.true_s * (1 + self.drift)

    def _moment(self, _connection: Connection) -> datetime:
        there_s, back_s, _ = self.way_s
        self.world.true_s += there_s
        read = EPOCH + timedelta(seconds=self.world.true_s)
        self.world.true_s += back_s
        return read

    async def _reserve(self, *, slots: int, interval_s: float, early_s: float, horizon_s: float) -> Portion:
        wish = Reservation(
            channel="slack",
            slots=slots,
            interval_us=int(interval_s * 1_000_000) + 1,
            early_us=int(early_s * 1_000_000),
            horizon_us=int(horizon_s * 1_000_000),
            clock=self,
            moment=self._moment,
        )
        (portion,) = take(self.world.connection, [wish])
        self.world.true_s += self.way_s[2]
        assert isinstance(portion, Portion)
        return portion

    def book(self, way_s: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        self.way_s = way_s
        if self.pace.may_book(self.monotonic()):
            with pytest.raises(StopIteration):
                self.pace.book().send(None)

    def changes_in_s(self) -> float:
        now_s = self.monotonic()
        return (self.pace.changes_at(now_s) if self.has_moments() else self.pace.opens_way_at()) - now_s

    def has_moments(self) -> bool:
        return self.pace.offers(self.monotonic(), 0) > 0

    def send(self, most: int) -> int:
        now_s = self.monotonic()
        allowed = min(most, self.pace.admits(now_s))
        for _ in range(allowed):
            self.pace.begin(now_s)
            self.world.begun.append(self.world.true_s)
        return allowed


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        paces.create(connection)
        yield connection
    engine.dispose()


_ways = st.tuples(*[st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 0.4))] * 3)
_steps = st.tuples(
    st.integers(0, 2),
    st.one_of(st.just(0.0), st.floats(0, 0.06), st.floats(0, 1.2), st.floats(0, 30)),
    st.integers(0, 6),
    _ways,
)


@given(
    count=st.integers(1, 6),
    per_s=st.one_of(st.just(1.0), st.floats(0.05, 3), st.floats(0.05, 60)),
    clocks=st.lists(st.tuples(st.floats(0, 1e6), st.floats(-5e-4, 5e-4)), min_size=3, max_size=3),
    steps=st.lists(_steps, min_size=1, max_size=80),
)
def test_no_window_holds_more_than_its_count_over_all_nodes(connection, count, per_s, clocks, steps):
    world = World(connection, Rate(count=count, per_s=per_s))
    nodes = [Node(world, offset_s=offset_s, drift=drift) for offset_s, drift in clocks]
    for which, wait_s, sends, way_s in steps:
        world.true_s += wait_s
        nodes[which].send(sends)
        nodes[which].book(way_s)
        nodes[which].send(sends)
    assert world.most_in_a_window() <= count


@given(
    count=st.integers(1, 6),
    per_s=st.sampled_from([0.5, 1.0, 20.0]),
    lateness=st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=60, max_size=60),
    way_s=st.tuples(*[st.floats(0, 0.004)] * 3),
)
def test_no_window_holds_more_where_each_moment_is_used_as_early_or_late_as_may_be(
    connection, count, per_s, lateness, way_s
):
    world = World(connection, Rate(count=count, per_s=per_s))
    nodes = [Node(world, offset_s=offset_s) for offset_s in (0.0, 5.0, 9e3)]
    for late in lateness:
        for node in nodes:
            node.book(way_s)
        node = min(nodes, key=Node.changes_in_s)
        if not node.has_moments():
            world.true_s += max(node.changes_in_s(), 0.0) + 1e-6
            continue
        if not node.pace.admits(node.monotonic()):
            world.true_s += node.changes_in_s() + 1e-6
        world.true_s += late * (node.changes_in_s() - 1e-6)
        node.send(1)
    assert len(world.begun) > 10
    assert world.most_in_a_window() <= count


@pytest.mark.parametrize(("count", "per_s"), [(1, 1.0), (5, 1.0), (50, 1.0), (400, 1.0), (10, 60.0)])
@pytest.mark.parametrize("several", [1, 3])
def test_nodes_that_have_enough_to_send_use_nearly_all_of_it(connection, count, per_s, several):
    world = World(connection, Rate(count=count, per_s=per_s))
    nodes = [Node(world, offset_s=7.0 * number) for number in range(several)]
    began_s, windows = world.true_s, 10
    while world.true_s < began_s + windows * per_s:
        for node in nodes:
            node.send(10)
            if node.pace.offers(node.monotonic(), 0) <= 0:
                node.book((0.001, 0.001, 0.002))
        world.true_s += min(0.004, per_s / 100)
    possible = windows * per_s / nodes[0].pace.interval_s
    assert world.most_in_a_window() <= count
    assert len(world.begun) >= 0.93 * possible - 1


def test_a_node_that_loses_moments_asks_for_fewer(connection):
    world = World(connection, Rate(count=50, per_s=1.0))
    node = Node(world)
    sizes = []
    for sends in (10, 10, 10, 10, 1, 1, 1, 1):
        while not node.pace.offers(node.monotonic(), 0):
            node.book()
        sizes.append(node.pace.offers(node.monotonic(), 0))
        until_s = world.true_s + 0.5
        while world.true_s < until_s and node.pace.offers(node.monotonic(), 0):
            sends -= node.send(sends)
            world.true_s += 0.002
    assert sizes == [1, 2, 4, 8, 16, 8, 4, 2]


def test_a_way_to_the_database_longer_than_a_moment_lasts_costs_pace_but_never_all_of_it(connection):
    world = World(connection, Rate(count=5, per_s=1.0))
    node = Node(world)
    while world.true_s < 1030.0:
        node.send(5)
        if node.pace.offers(node.monotonic(), 0) <= 0:
            node.book((0.1, 0.1, 0.1))
        world.true_s += 0.004
    assert world.most_in_a_window() <= 5
    assert len(world.begun) > 60


def test_a_clock_of_the_database_that_was_set_back_does_not_silence_the_channel(connection):
    world = World(connection, Rate(count=1, per_s=1.0))
    node = Node(world)
    connection.execute(insert(paces), {"channel": "slack", "next_at": int((world.true_s + 3600) * 1_000_000)})
    while not world.begun:
        node.send(1)
        node.book()
        world.true_s += 0.01
    assert world.true_s < 1010


# Lanes of several nodes on one store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[WatchedStore]:
    async with WatchedStore(f"sqlite:///{tmp_path}/m.db", clock=clock, has_nodes=True) as store:
        yield store


@pytest.fixture
async def nodes(store: WatchedStore, clock: ManualClock) -> AsyncIterator[list[Yard]]:
    """Two nodes with a channel that takes five a second, on one clock."""
    made = [Yard(store, clock) for _ in range(2)]
    for yard in made:
        yard.pause = made[0].pause
        yard.channel("slack", rate=Rate(count=5, per_s=1))
        await yard.start(look_s=1.0)
    yield made
    store.fault = lambda _: None
    for yard in made:
        assert yard.courier is not None
        await yard.courier.stop(0)


def got(nodes: list[Yard]) -> int:
    return sum(len(yard.channels["slack"].got) for yard in nodes)


async def later(nodes: list[Yard], seconds: float) -> list[float]:
    """Let the time go by from one alarm to the next; return when sends began."""
    began: list[float] = []
    pause, clock = nodes[0].pause, nodes[0].clock
    until_s = clock.monotonic() + seconds
    while (now_s := clock.monotonic()) < until_s:
        await nodes[0].rest()
        had = got(nodes)
        rings_s = min((at_s for at_s, _ in pause.sleepers if at_s > now_s), default=until_s)
        pause.advance(min(rings_s, until_s) - now_s + 1e-6)
        await nodes[0].rest()
        began += [clock.monotonic()] * (got(nodes) - had)
    return began


async def test_two_nodes_feed_a_channel_at_the_pace_of_one(nodes):
    await nodes[0].put("slack", 20)
    nodes[1].courier.wake(["slack"])
    began = [0.0] * got(nodes) + await later(nodes, 4.6)
    assert got(nodes) == 20
    assert all(yard.channels["slack"].got for yard in nodes)
    identities = [identity for yard in nodes for _, identity in yard.channels["slack"].got]
    assert len(set(identities)) == 20
    for first in began:
        assert sum(first <= moment < first + 1.0 for moment in began) <= 5


async def test_a_node_with_nothing_to_send_takes_nothing_from_the_others(nodes, store):
    await later(nodes, 3)
    assert store.reservations == 0
    assert store.claims == 0
    await nodes[0].put("slack")
    await later(nodes, 0.1)
    assert got(nodes) == 1
    asked = store.reservations
    await later(nodes, 3)
    assert store.reservations == asked


async def test_what_a_dead_node_had_claimed_is_sent_by_another(nodes, store):
    await store.claim("slack", limit=1, lease_s=5)
    (name,) = await nodes[0].put("slack", wake=False)
    assert [delivery.id for delivery in await store.claim("slack", limit=1, lease_s=2)] == [name]
    await later(nodes, 1.5)
    assert got(nodes) == 0
    await later(nodes, 2)
    assert got(nodes) == 1


async def test_while_the_store_gives_no_moments_nothing_is_sent_and_it_is_asked_once_a_second(nodes, store):
    def refuse(call: str) -> None:
        if call == "reserve":
            raise StoreUnavailable("away")

    store.fault = refuse
    await nodes[0].put("slack", 3)
    await later(nodes, 3)
    assert got(nodes) == 0
    assert store.reservations <= 8
    store.fault = lambda _: None
    await later(nodes, 2)
    assert got(nodes) == 3


async def test_claims_whose_moment_has_passed_get_another_one(nodes, store):
    channel = nodes[0].channels["slack"]
    channel.gate.clear()
    names = await nodes[0].put("slack", 12)
    await later(nodes, 3)
    channel.gate.set()
    await later(nodes, 5)
    assert got(nodes) == 12
    assert {(await nodes[0].get(name)).state for name in names} == {DeliveryState.SENT}
    assert {(await nodes[0].get(name)).attempts for name in names} == {1}


async def test_a_probe_waits_for_its_moment_without_being_claimed_over_and_over(nodes, store):
    await nodes[1].courier.stop(0)
    channel = nodes[0].channels["slack"]
    channel.always = SendError(Reason.TIMEOUT)
    await nodes[0].put("slack", 8)
    await later(nodes, 3)
    assert nodes[0].courier.breakers()["slack"] == "open"
    claims, releases = store.claims, store.releases
    channel.always = nodes[1].channels["slack"].always
    for _ in range(60):
        # Another node has the next moments, and the lane is woken while it waits for its own.
        await store.reserve("slack", slots=1, interval_s=0.21, early_s=0.4, horizon_s=3)
        nodes[0].courier.wake(["slack"])
        await later(nodes, 0.1)
    assert nodes[0].courier.breakers()["slack"] == "closed"
    assert len({identity for _, identity in channel.got}) == 8
    assert store.claims - claims < 30
    assert store.releases == releases


async def test_quiet_that_the_receiver_asked_for_is_kept_with_reserved_moments(nodes):
    await nodes[1].courier.stop(0)
    channel = nodes[0].channels["slack"]
    channel.answers.append(SendError(Reason.RATE_LIMITED, retry_after_s=3))
    await nodes[0].put("slack", 4)
    await later(nodes, 3)
    assert len(channel.got) == 1
    await later(nodes, 6)
    assert len(channel.got) == 5


# Nodes on PostgreSQL, in real time


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with a_server() as server, database(server) as url:
        yield url


async def test_nodes_on_postgresql_feed_a_channel_at_its_pace(postgres_url):
    began: list[float] = []
    yards = []
    for _ in range(3):
        clock = SharedClock(SystemClock())
        store = WatchedStore(postgres_url, clock=clock, has_nodes=True)
        await store.open()
        yard = Yard(store, clock)
        yard.pause = asyncio.sleep
        channel = yard.channel("slack", rate=Rate(count=10, per_s=1))
        channel.on_send = lambda: began.append(time.monotonic())
        yards.append(yard)
    await yards[0].put("slack", 40)
    for yard in yards:
        await yard.start(look_s=1.0)
    async with asyncio.timeout(30):
        while len(began) < 40:
            await asyncio.sleep(0.01)
    for yard in yards:
        await yard.courier.stop(5)
        await yard.store.close()
    assert all(yard.channels["slack"].got for yard in yards)
    for first in began:
        # What the bound promises is when a send begins; the channel notes it a moment later.
        assert sum(first <= moment < first + 0.9 for moment in began) <= 10
    assert max(began) - min(began) < 12.0
