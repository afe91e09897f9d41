"""The engine on the real store, the real client of the bank's API over HTTP, and rules as users write them."""

from __future__ import annotations

import asyncio
import textwrap
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from memonotify.clock import SystemClock
from memonotify.config.values import (
    Admin,
    BankApi,
    Config,
    HttpConfig,
    Listen,
    Retry,
    Server,
    SlackConfig,
    Workspace,
)
from memonotify.engine.engine import Engine
from memonotify.headroom import Headroom
from memonotify.memobank.client import BankClient
from memonotify.metrics import Metrics
from memonotify.model import Evaluation, Event, Outcome, Recorded
from memonotify.rules.loader import load_rules
from memonotify.secret import Secret
from memonotify.store.store import Store
from memonotify.templating.environment import Templates

RULES = """
rules:
  - name: big
    match: {event_type: transaction_confirmed}
    when: (resource | amount) >= 100
    notify:
      - channel: erp
        json: {id: "{{ resource.id }}", cents: "{{ resource.amount }}"}
  - name: low
    match: {event_type: transaction_confirmed}
    fetch: {account: "/v2/accounts/{{ resource.account_id }}"}
    when: account.balance < 500000
    fire: on_change
    key: "{{ account.id }}"
    notify:
      - {channel: chat, text: "{{ account.name }} is low"}
    resolved:
      - {channel: chat, text: "{{ account.name }} is fine"}
  - name: log
    match: {event_type: "collection_*"}
    fetch: false
    notify:
      - {channel: erp, json: {event: "{{ event }}"}}
"""


@pytest.fixture(scope="module")
def private_key() -> Secret:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Secret(pem.decode())


class BankServer:
    """A bank that answers what it is told to; `statuses` come first, one a call."""

    def __init__(self) -> None:
        self.resources: dict[str, dict] = {}
        self.statuses: list[int] = []
        self.calls: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        if self.statuses:
            return web.json_response({"code": "no"}, status=self.statuses.pop(0))
        if request.path not in self.resources:
            return web.json_response({"code": "not_found"}, status=404)
        return web.json_response(self.resources[request.path])


@pytest.fixture
async def bank_server():
    bank = BankServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", bank.answer)
    server = TestServer(app)
    await server.start_server()
    bank.url = f"http://{server.host}:{server.port}"
    yield bank
    await server.close()


def config_for(folder: Path, bank_url: str, key: Secret) -> Config:
    (folder / "rules.yaml").write_text(textwrap.dedent(RULES))
    api = BankApi(base_url=bank_url, thumbprint=Secret("t"), secret=Secret("s"), private_key=key, timeout_s=2.0)
    plain = {"concurrency": 1, "rate": None, "timeout_s": 1.0}
    return Config(
        path=folder / "config.yaml",
        server=Server(listen=Listen(host="127.0.0.1"), allowed_ips=(ip_network("127.0.0.1/32"),)),
        admin=Admin(listen=Listen(host="127.0.0.1")),
        store=f"sqlite:///{folder}/store.db",
        workspaces=(Workspace(name="acme", tokens=(Secret("token"),), api=api),),
        locale="fr_FR",
        timezone="Europe/Paris",
        channels={
            "erp": HttpConfig(name="erp", type="http", url=Secret("http://127.0.0.1:1/"), **plain),
            "chat": SlackConfig(name="chat", type="slack", url=Secret("http://127.0.0.1:1/"), **plain),
        },
        retry=Retry(first_s=0.05, max_s=0.2, give_up_after_s=60.0),
        on_failure=None,
        rules=("rules.yaml",),
        templates=folder / "templates",
    )


class WatchedStore(Store):
    """The store, telling what was evaluated; `gate` holds records back while it is not set."""

    def __init__(self, url: str, **options) -> None:
        super().__init__(url, **options)
        self.evaluated: set[int] = set()
        self.news = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()

    async def record(self, evaluation: Evaluation) -> Recorded:
        await self.gate.wait()
        recorded = await super().record(evaluation)
        if recorded is Recorded.WRITTEN:
            await self._tell([evaluation.event])
        return recorded

    async def mark_evaluated(self, led_to_nothing, evaluated_at) -> None:
        await super().mark_evaluated(led_to_nothing, evaluated_at)
        await self._tell(led_to_nothing)

    async def _tell(self, events) -> None:
        async with self.news:
            self.evaluated.update(event.seq for event in events)
            self.news.notify_all()


class Running:
    """A store and an engine at work."""

    def __init__(self, store: WatchedStore, engine: Engine, woken: set[str]) -> None:
        self.store, self.engine, self.woken = store, engine, woken

    async def put(self, number: int, event_type: str = "transaction_confirmed", **more: str) -> Event:
        body = {
            "id": f"evt-{number}",
            "date": "2026-03-02T09:00:00+00:00",
            "event_type": event_type,
            "resource_type": event_type.rpartition("_")[0],
            "resource_id": f"res-{number}",
            **more,
        }
        event = Event(workspace="acme", body=body, received_at=datetime.now(UTC), **body)
        seq = await self.store.receive(event)
        assert seq is not None
        event = replace(event, seq=seq)
        self.engine.submit(event, event.seq)
        return event

    async def evaluated(self, *events: Event) -> None:
        """Wait until these are evaluated."""
        wanted = {event.seq for event in events}
        async with asyncio.timeout(30), self.store.news:
            await self.store.news.wait_for(lambda: wanted <= self.store.evaluated)


@asynccontextmanager
async def running(config: Config):
    clock, metrics, woken = SystemClock(), Metrics(), set()
    ruleset = load_rules(config, Templates(folder=None, locale=config.locale, timezone=config.timezone)).ruleset
    bank = BankClient("acme", config.workspaces[0].api, clock=clock, metrics=metrics)
    async with WatchedStore(config.store, clock=clock) as store:
        engine = Engine(
            store=store,
            ruleset=lambda: ruleset,
            banks={"acme": bank},
            resource_types={},
            retry=config.retry,
            on_deliveries=woken.update,
            clock=clock,
            metrics=metrics,
            random=Random(1),
            headroom=Headroom(clock),
        )
        await engine.start()
        try:
            yield Running(store, engine, woken)
        finally:
            await engine.stop(5)
            await bank.close()


async def test_an_event_is_fetched_decided_rendered_and_stored(tmp_path, bank_server, private_key):
    bank_server.resources = {
        "/v2/transactions/res-1": {"id": "res-1", "amount": 12050, "currency": "EUR", "account_id": "a1"},
        "/v2/accounts/a1": {"id": "a1", "name": "Main", "balance": 100, "currency": "EUR"},
    }
    async with running(config_for(tmp_path, bank_server.url, private_key)) as at:
        event = await at.put(1)
        await at.evaluated(event)
        payloads = {d.rule: d.payload for d in await at.store.deliveries()}
        assert payloads["big"]["json"] == {"id": "res-1", "cents": 12050}
        assert payloads["low"]["text"] == "Main is low"
        assert bank_server.calls == ["/v2/transactions/res-1", "/v2/accounts/a1"]
        assert [s.path for s in await at.store.snapshots(event)] == bank_server.calls
        assert at.woken == {"erp", "chat"}


async def test_a_balance_that_falls_and_recovers_speaks_twice(tmp_path, bank_server, private_key):
    async with running(config_for(tmp_path, bank_server.url, private_key)) as at:
        for number, balance in enumerate((600000, 100, 200, 600000, 700000), 1):
            bank_server.resources = {
                f"/v2/transactions/res-{number}": {"id": "x", "amount": 1, "currency": "EUR", "account_id": "a1"},
                "/v2/accounts/a1": {"id": "a1", "name": "Main", "balance": balance, "currency": "EUR"},
            }
            await at.evaluated(await at.put(number))
        texts = [delivery.payload["text"] for delivery in await at.store.deliveries(rule="low")]
        assert texts == ["Main is fine", "Main is low"]


async def test_a_bank_that_fails_for_a_while_delays_the_event_and_loses_nothing(tmp_path, bank_server, private_key):
    bank_server.statuses = [503, 500, 409]
    bank_server.resources = {
        "/v2/transactions/res-1": {"id": "res-1", "amount": 12050, "currency": "EUR", "account_id": "a1"},
        "/v2/accounts/a1": {"id": "a1", "name": "Main", "balance": 600000, "currency": "EUR"},
    }
    async with running(config_for(tmp_path, bank_server.url, private_key)) as at:
        await at.evaluated(await at.put(1))
        assert [delivery.rule for delivery in await at.store.deliveries()] == ["big"]
        assert (await at.store.event("acme", "evt-1")).attempts == 3


async def test_a_resource_that_is_gone_fails_only_the_rules_that_need_its_fields(tmp_path, bank_server, private_key):
    async with running(config_for(tmp_path, bank_server.url, private_key)) as at:
        event = await at.put(1)
        await at.evaluated(event)
        assert [d.outcome for d in await at.store.decisions(event)] == [Outcome.FAILED, Outcome.FAILED]
        assert {failure.rule for failure in await at.store.untold_failures()} == {"big", "low"}
        assert bank_server.calls == ["/v2/transactions/res-1"] * 3


async def test_what_a_dead_process_left_is_evaluated_by_the_next_and_once(tmp_path, bank_server, private_key):
    config = config_for(tmp_path, bank_server.url, private_key)
    clock = SystemClock()
    async with Store(config.store, clock=clock) as store:
        for number in range(40):
            body = {
                "id": f"evt-{number}",
                "date": "2026-03-02T09:00:00+00:00",
                "event_type": "collection_returned" if number % 2 else "account_created",
                "resource_type": "collection",
                "resource_id": "c",
            }
            await store.receive(Event(workspace="acme", body=body, received_at=clock.now(), **body))
    async with running(config) as at:
        async with asyncio.timeout(30), at.store.news:
            await at.store.news.wait_for(lambda: len(at.store.evaluated) == 40)
        assert len(await at.store.deliveries(limit=100)) == 20
    async with running(config) as at:
        assert len(await at.store.deliveries(limit=100)) == 20
        assert at.engine.backlog == 0


async def test_more_events_than_the_queue_holds_are_all_evaluated_once(tmp_path, bank_server, private_key):
    async with running(config_for(tmp_path, bank_server.url, private_key)) as at:
        at.store.gate.clear()
        events = []
        for first in range(0, 4000, 200):
            types = (
                "collection_returned" if number < 100 or number % 10 == 0 else "account_created"
                for number in range(first, first + 200)
            )
            events += await asyncio.gather(*(at.put(first + n, type_) for n, type_ in enumerate(types)))
        assert at.engine.backlog == 4000
        at.store.gate.set()
        await at.evaluated(*events)
        assert await at.store.unevaluated() == []
        assert len(await at.store.deliveries(limit=1000)) == 490
