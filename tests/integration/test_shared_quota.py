"""One quota of the bank's, called with by several clients at once: over real sockets, against the stand-in."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from databases import Postgres, a_server, database

from memonotify.errors import FetchError, Reason
from memonotify.memobank.client import BankClient
from memonotify.memobank.share import Share
from memonotify.metrics import Metrics
from memonotify.standin.bank import StandInBank
from memonotify.standin.credentials import Credentials, make_credentials
from memonotify.store import Store, nodes
from memonotify.store.cells import micros
from memonotify.store.nodes import Beat

QUOTA = 30
WINDOW_S = 10.0
SPEED = 5.0
CLIENTS = 3


class FastClock:
    """Time that runs SPEED times as fast."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 9, 0, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._began_s) * SPEED


async def pause(seconds: float) -> None:
    await asyncio.sleep(seconds / SPEED)


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return make_credentials()


@pytest.fixture
async def bank(clock: FastClock, credentials: Credentials) -> AsyncIterator[StandInBank]:
    standin = StandInBank(
        clock=clock,
        random=random.Random(7),
        quota=QUOTA,
        quota_window_s=WINDOW_S,
        credentials=credentials,
        pause=pause,
    )
    async with standin:
        # Long enough for many calls to be under way at a time.
        standin.delay(0.2)
        yield standin


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with a_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: FastClock) -> AsyncIterator[list[Store]]:
    """A store for each client: the same one on SQLite, where only one can be."""
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            url, several = f"sqlite:///{tmp_path}/store.db", 1
        else:
            url, several = stack.enter_context(database(request.getfixturevalue("server"))), CLIENTS
        opened = [await stack.enter_async_context(Store(url, clock=clock)) for _ in range(several)]
        for number in range(CLIENTS):
            await opened[0]._write(nodes.beat, _beat(f"node-{number}", clock))
        yield [opened[number % several] for number in range(CLIENTS)]


def _beat(lease: str, clock: FastClock) -> Beat:
    now = micros(clock.now())
    return Beat(
        lease=lease,
        name=lease,
        version="1",
        role="all",
        rules="",
        started_at=now,
        now=now,
        until=now + 3_600_000_000,
        may_lead=False,
    )


class Fleet:
    """Clients that call with one quota, each with several calls at a time for so long, and what became of the calls."""

    def __init__(self, clients: list[BankClient], clock: FastClock) -> None:
        self.clients = clients
        self.clock = clock
        self.answered = 0
        self.refused = 0
        self.put_off = 0

    async def call(self, for_s: float) -> None:
        until_s = self.clock.monotonic() + for_s
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                for _ in range(8):
                    group.create_task(self._call(client, until_s))

    async def _call(self, client: BankClient, until_s: float) -> None:
        while self.clock.monotonic() < until_s:
            try:
                await client.fetch("/v2/accounts")
                self.answered += 1
            except FetchError as error:
                assert error.reason is Reason.RATE_LIMITED
                if error.status == 429:
                    self.refused += 1
                else:
                    self.put_off += 1
                await pause(0.5)


async def a_fleet(stack: AsyncExitStack, bank: StandInBank, clock: FastClock, shares: list[Share | None]) -> Fleet:
    clients = []
    for share in shares:
        api = bank.credentials.api(bank.url, timeout_s=5.0)
        client = BankClient("acme", api, clock=clock, metrics=Metrics(), pause=pause, share=share)
        stack.push_async_callback(client.close)
        clients.append(client)
    return Fleet(clients, clock)


async def test_clients_that_share_a_quota_spend_it_and_are_never_refused(
    bank: StandInBank, clock: FastClock, stores: list[Store]
) -> None:

    async with AsyncExitStack() as stack:
        fleet = await a_fleet(stack, bank, clock, [Share(partial(store.draw, "acme"), clock) for store in stores])
        await fleet.call(3 * WINDOW_S)
    assert fleet.refused == 0
    assert fleet.answered >= 3 * 20


async def test_clients_that_do_not_share_it_are_refused(bank: StandInBank, clock: FastClock) -> None:
    async with AsyncExitStack() as stack:
        fleet = await a_fleet(stack, bank, clock, [None] * CLIENTS)
        await fleet.call(2 * WINDOW_S)
    assert fleet.refused > 0
