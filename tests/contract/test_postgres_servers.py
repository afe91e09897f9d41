"""Servers of the tests' own, which they stop, freeze, cut off and replace while the store works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from databases import Cluster, a_cluster, a_pgbouncer, a_standby, database, execute, free_port
from fakes import ManualClock
from storeparts import a_delivery, an_event, claimed, settled, written

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.model import DeliveryState
from memonotify.store import Store
from memonotify.store.postgres import PostgresBackend


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One server for the module. A test that starts it with other settings starts it again without."""
    with a_cluster() as made:
        yield made


@pytest.fixture
def store_url(cluster: Cluster) -> Iterator[str]:
    with database(cluster.server) as url:
        yield url


class Load:
    """Callers who receive events without a pause, each the same one until it has an answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted = asyncio.Condition()
        self._ends = False
        self.answered: list[str] = []
        self.refused = 0

    async def _call(self, caller: int) -> None:
        number = 0
        while not self._ends:
            name = f"e{caller}-{number}"
            try:
                await self._store.receive(an_event(name))
            except StoreUnavailable:
                self.refused += 1
            else:
                number += 1
                self.answered.append(name)
                async with self._counted:
                    self._counted.notify_all()

    async def more(self, how_many: int = 100) -> None:
        """Wait until so many more have an answer."""
        wanted = len(self.answered) + how_many
        async with asyncio.timeout(30), self._counted:
            await self._counted.wait_for(lambda: len(self.answered) >= wanted)

    @classmethod
    @asynccontextmanager
    async def on(cls, store: Store) -> AsyncIterator[Load]:
        load = cls(store)
        async with asyncio.TaskGroup() as callers:
            for caller in range(16):
                callers.create_task(load._call(caller))
            await load.more()
            yield load
            await load.more()
            load._ends = True

    async def check(self) -> None:
        """Everything that had an answer is there, once; all that was refused had an answer in the end."""
        kept = [event.id for event in await self._store.events(limit=1_000_000)]
        assert sorted(kept) == sorted(self.answered)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_restarts_under_load_loses_nothing_that_was_answered(
    cluster: Cluster, store: Store, mode: str
) -> None:
    async with Load.on(store) as load:
        await asyncio.to_thread(cluster.stop, mode)
        with pytest.raises(StoreUnavailable):
            await store.events()
        await asyncio.to_thread(cluster.start)
    assert load.refused > 0
    await load.check()


_CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_connections_that_are_cut_under_load_lose_nothing_that_was_answered(store: Store, store_url: str) -> None:
    async with Load.on(store) as load:
        for _ in range(5):
            await asyncio.to_thread(execute, store_url, _CUT)
            await load.more()
    assert load.refused > 0
    await load.check()


async def test_an_event_whose_commit_was_cut_off_is_known_when_it_comes_again_and_is_evaluated(
    cluster: Cluster, store: Store, store_url: str
) -> None:
    await asyncio.to_thread(cluster.stop)
    # A commit waits for a standby that there is none of: it is on this server's disk, and unanswered.
    await asyncio.to_thread(cluster.start, "synchronous_standby_names=nobody")
    try:
        # The connection was lost with the restart.
        with pytest.raises(StoreUnavailable):
            await store.receive(an_event())
        receiving = asyncio.ensure_future(store.receive(an_event()))
        waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        async with asyncio.timeout(20):
            while not execute(store_url, waits):
                await asyncio.sleep(0)
        execute(store_url, f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS waiting")
        with pytest.raises(StoreUnavailable):
            await receiving
    finally:
        await asyncio.to_thread(cluster.stop, "immediate")
        await asyncio.to_thread(cluster.start)
    with suppress(StoreUnavailable):
        await store.check_writable()
    assert await store.receive(an_event()) is None
    assert [event.id for event in await store.unevaluated()] == ["e1"]


def _impatient(url: str) -> PostgresBackend:
    return PostgresBackend(url, statement_s=0.5, answer_s=1.0, connect_s=2)


async def test_a_server_that_hangs_longer_than_is_waited_for_is_one_that_is_away(
    cluster: Cluster, store_url: str, clock: ManualClock
) -> None:
    async with Store(store_url, clock=clock, backend=_impatient(store_url)) as store:
        await written(store, a_delivery())
        delivery = await claimed(store)
        cluster.freeze()
        try:
            began_s = time.monotonic()
            answers = await asyncio.gather(
                store.receive(an_event("e2")),
                store.settle(settled(delivery, DeliveryState.SENT)),
                *(store.events() for _ in range(3)),
                return_exceptions=True,
            )
            # A reader asks on an old connection and then on a new one.
            assert time.monotonic() - began_s < 3 * (1 + 2)
            assert {type(answer) for answer in answers} == {StoreUnavailable}
            assert "the server gave no answer within 1 s" in str(answers[0])
        finally:
            cluster.thaw()
        assert await store.receive(an_event("e2")) is not None
        assert {event.id for event in await store.events()} == {"e1", "e2"}
        assert await store.settle(settled(delivery, DeliveryState.SENT))


async def test_a_store_closes_while_its_server_hangs(cluster: Cluster, store_url: str, clock: ManualClock) -> None:
    store = Store(store_url, clock=clock, backend=_impatient(store_url))
    await store.open()
    cluster.freeze()
    try:
        writing = asyncio.ensure_future(store.receive(an_event()))
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await store.close()
        with pytest.raises(StoreUnavailable):
            await writing
    finally:
        cluster.thaw()


async def test_a_statement_that_waits_too_long_is_broken_off_by_the_server(
    store_url: str, clock: ManualClock, store: Store
) -> None:
    await written(store, a_delivery())
    delivery = await claimed(store)
    async with Store(store_url, clock=clock, backend=_impatient(store_url)) as impatient:
        async with _locked(store_url, "deliveries"):
            with pytest.raises(StoreUnavailable, match=r"canceling statement due to statement timeout \(57014\)"):
                await impatient.settle(settled(delivery, DeliveryState.SENT))
        assert await impatient.settle(settled(delivery, DeliveryState.SENT))


@asynccontextmanager
async def _locked(url: str, table: str) -> AsyncIterator[None]:
    import psycopg

    with psycopg.connect(url) as another:
        another.execute(f"LOCK TABLE {table}")
        yield


async def _refusal(url: str, clock: ManualClock, error: type[StoreError]) -> str:
    with pytest.raises(error) as caught:
        await Store(url, clock=clock).open()
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_server_that_does_not_write_through_to_its_disk_is_refused(
    cluster: Cluster, store_url: str, clock: ManualClock
) -> None:
    cluster.stop()
    cluster.start("fsync=off")
    try:
        assert "runs with fsync=off and would lose events" in await _refusal(store_url, clock, StoreUnusable)
    finally:
        cluster.stop()
        cluster.start()


async def test_a_wrong_password_is_said_and_mended_while_the_store_is_open(
    cluster: Cluster, store_url: str, clock: ManualClock
) -> None:
    name = store_url.rpartition("/")[2]
    execute(store_url, "CREATE ROLE locked LOGIN PASSWORD 'geheim'", f"ALTER DATABASE {name} OWNER TO locked")
    cluster.allow("host all locked 127.0.0.1/32 scram-sha-256")
    url = store_url.replace("postgres@", "locked:geheim@")
    wrong, none = url.replace("geheim", "geheimer"), url.replace(":geheim", "")
    assert 'password authentication failed for user "locked"' in await _refusal(wrong, clock, StoreUnavailable)
    assert "no password supplied" in await _refusal(none, clock, StoreUnavailable)
    async with Store(url, clock=clock) as store:
        execute(store_url, "ALTER ROLE locked PASSWORD 'another'", _CUT)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.receive(an_event())
        with pytest.raises(StoreUnavailable, match="password authentication failed"):
            await store.events()
        execute(store_url, "ALTER ROLE locked PASSWORD 'geheim'")
        assert await store.receive(an_event()) == 1
        assert len(await store.events()) == 1


NAME = "memonotify"


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """A server and its standby, with an empty database of NAME. What is answered is on both."""
    with a_cluster() as primary:
        execute(primary.server.url("postgres"), f"CREATE DATABASE {NAME}")
        with a_standby(primary) as standby:
            address = primary.server.url("postgres")
            execute(address, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
            until_s = time.monotonic() + 20
            while execute(address, "SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
                assert time.monotonic() < until_s
            yield primary, standby


def _either(first: int, second: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{first},127.0.0.1:{second}/{NAME}?target_session_attrs=read-write"


async def test_of_several_servers_the_one_that_takes_writes_is_found(
    pair: tuple[Cluster, Cluster], clock: ManualClock
) -> None:
    primary, standby = pair
    sentence = await _refusal(standby.server.url(NAME), clock, StoreUnavailable)
    assert "takes no writes; name all servers and add ?target_session_attrs=read-write" in sentence
    for first in (free_port(), standby.port):
        async with Store(_either(first, primary.port), clock=clock) as store:
            assert await store.receive(an_event(f"e{first}")) is not None
            assert len(await store.events(limit=1)) == 1


async def test_where_that_server_fails_the_next_goes_on_with_all_that_was_answered(
    pair: tuple[Cluster, Cluster], clock: ManualClock
) -> None:
    primary, standby = pair
    async with Store(_either(primary.port, standby.port), clock=clock) as store:
        async with Load.on(store) as load:
            await asyncio.to_thread(primary.stop, "immediate")
            await asyncio.to_thread(standby.promote)
        assert load.refused > 0
        await load.check()


async def test_behind_a_pooler_a_server_that_restarts_under_load_loses_nothing_that_was_answered(
    cluster: Cluster, store_url: str, clock: ManualClock
) -> None:
    with a_pgbouncer(cluster.server) as pooler:
        async with Store(pooler.url(store_url.rpartition("/")[2]), clock=clock) as store:
            async with Load.on(store) as load:
                await asyncio.to_thread(cluster.stop, "immediate")
                await asyncio.to_thread(cluster.start)
            await load.check()


async def test_a_pooler_that_has_no_server_to_give_is_one_that_is_away(
    cluster: Cluster, store_url: str, clock: ManualClock
) -> None:
    with a_pgbouncer(cluster.server) as pooler:
        url = pooler.url(store_url.rpartition("/")[2])
        async with Store(url, clock=clock, backend=_impatient(url)) as store:
            await store.receive(an_event())
            cluster.freeze()
            try:
                async with asyncio.timeout(10):
                    for _ in range(2):
                        with pytest.raises(StoreUnavailable):
                            await store.receive(an_event("e2"))
                    with pytest.raises(StoreUnavailable):
                        await store.events()
            finally:
                cluster.thaw()
            with suppress(StoreUnavailable):
                await store.check_writable()
            assert await store.receive(an_event("e2")) is not None
