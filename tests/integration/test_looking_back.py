"""`backtest` and `replay` as a person runs them: on a store without a daemon, and beside a daemon with its bank."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from databases import Postgres, a_server, database

from memonotify.app import App
from memonotify.cli import root
from memonotify.cli.backtest import over
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.engine.backtest import Backtest
from memonotify.model import Attempt, Delivery, DeliveryState, Event, Settlement
from memonotify.past import Past, Selection
from memonotify.rules.loader import load_rules
from memonotify.rules.values import Ruleset
from memonotify.standin.bank import StandInBank
from memonotify.standin.credentials import Credentials, make_credentials
from memonotify.store import Store
from memonotify.templating import Templates

WITHIN_S = 20.0

CONFIG = """
server: {{listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}}
admin: {{listen: "127.0.0.1:0"}}
store: {store}
workspaces: [{{name: acme, tokens: [letmein]{api}}}]
channels:
  erp: {{type: http, url: "http://127.0.0.1:{port}/hooks"}}
retry: {{first: 10ms, max: 50ms, give_up_after: 1h}}
rules: [rules.yaml]
"""
API = """, api: {{base_url: "{bank}", thumbprint: "${{env:THUMBPRINT}}", secret: "${{env:SECRET}}", \
private_key: "${{file:key.pem}}"}}"""

RETURNS = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    notify: [{channel: erp, json: {event: "{{ event.id }}"}}]
"""
BOTH = (
    RETURNS
    + """
  - name: failures
    match: {event_type: collection_failed}
    notify: [{channel: erp, json: {failed: "{{ event.id }}"}}]
"""
)
AMOUNT = """
rules:
  - name: amount
    match: {event_type: "transfer_*"}
    when: resource.amount > 0
    notify: [{channel: erp, json: {amount: "{{ resource.amount }}"}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended and what it printed."""

    status: int
    out: str
    err: str


class House:
    """A folder with a configuration, and who takes its messages."""

    def __init__(self, folder: Path, store: str, port: int) -> None:
        self.folder = folder
        self.store = store
        self.port = port
        self.environ: dict[str, str] = {}

    def write(self, rules: str, *, api: str = "") -> None:
        text = CONFIG.format(store=self.store, port=self.port, api=api)
        (self.folder / "config.yaml").write_text(text)
        (self.folder / "rules.yaml").write_text(rules)

    def app(self) -> App:
        config = load_config(self.folder / "config.yaml", environ=self.environ).config
        templates = Templates(folder=None, locale=config.locale, timezone=config.timezone)
        return App(config, load_rules(config, templates).ruleset)

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    async def run(self, *arguments: str) -> Result:
        """Run a command as a person would, on a pipe, beside this loop."""

        def runs() -> Result:
            words = [*arguments, "-c", str(self.folder / "config.yaml")]
            return CliRunner().invoke(root, words, env=self.environ)

        return await asyncio.to_thread(runs)

    async def child(self, *arguments: str) -> Ended:
        """Run a command as a process of its own: one that listens for signals."""
        words = [sys.executable, "-m", "memonotify", *arguments, "-c", str(self.folder / "config.yaml")]
        child = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(child.communicate(), WITHIN_S)
        return Ended(status=child.returncode or 0, out=out.decode(), err=err.decode())

    def opened(self) -> Store:
        return Store(load_config(self.folder / "config.yaml", environ=self.environ).config.store, clock=SystemClock())

    async def deliveries(self) -> list[Delivery]:
        store = self.opened()
        await store.open(read_only=True)
        try:
            return await store.deliveries(limit=1000)
        finally:
            await store.close()


class Erp:
    """Takes messages, and remembers their bodies and identities."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []

    async def hook(self, request: web.Request) -> web.Response:
        self.taken.append((request.headers.get("webhook-id", ""), await request.json()))
        return web.Response()


@pytest.fixture
async def erp(unused_tcp_port_factory: Any) -> AsyncIterator[tuple[Erp, int]]:
    made, port = Erp(), unused_tcp_port_factory()
    app = web.Application()
    app.router.add_post("/hooks", made.hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield made, port
    await runner.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with a_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite:///store.db"
    else:
        with database(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture
def house(tmp_path: Path, store_url: str) -> House:
    made = House(tmp_path, store_url, 9)
    made.write(RETURNS)
    return made


async def _filled(house: House, *event_types: str) -> None:
    """Take events in and evaluate them by the house's rules, with a daemon that has nobody to deliver to."""
    app = house.app()
    await app.start()
    try:
        for number, event_type in enumerate(event_types, start=1):
            await _taken_in(app, number, event_type)
        await _until(lambda: app.store.events(limit=99), lambda found: all(each.evaluated_at for each in found))
    finally:
        await app.stop(0)


async def _taken_in(app: App, number: int, event_type: str) -> None:
    body = {
        "id": f"evt-{number}",
        "date": "2026-03-02T09:00:00+00:00",
        "event_type": event_type,
        "resource_type": event_type.rpartition("_")[0],
        "resource_id": f"res-{number}",
    }
    at = datetime.now(UTC) - timedelta(minutes=10 - number)
    await app._receive(Event(workspace="acme", body=body, received_at=at, **body))


async def _until(ask: Any, holds: Any) -> Any:
    async with asyncio.timeout(WITHIN_S):
        while not holds(found := await ask()):
            await asyncio.sleep(0.02)
    return found


async def _settled(house: House, state: DeliveryState = DeliveryState.SENT) -> list[Delivery]:
    """Settle everything that waits, as if the receiver had taken or refused it."""
    done: list[Delivery] = []
    async with house.opened() as store:
        # What the daemon had tried when it was stopped.
        await store.void_claims()
        while await store.deliveries(state=DeliveryState.PENDING):
            for delivery in await store.claim("erp", limit=100, lease_s=30):
                at = datetime.now(UTC)
                is_sent = state is DeliveryState.SENT
                attempt = Attempt(
                    delivery_id=delivery.id, number=delivery.attempts, started_at=at, ended_at=at, ok=is_sent
                )
                assert await store.settle(Settlement(delivery=delivery, attempt=attempt, state=state))
                done.append(delivery)
            await asyncio.sleep(0.02)
    return done


async def test_a_backtest_tells_what_a_file_would_have_sent_against_what_was_sent(house: House) -> None:
    await _filled(house, "collection_returned", "collection_failed", "collection_returned")
    draft = house.file("draft.yaml", BOTH.replace('{event: "{{', '{id: "{{'))
    ended = await house.child("backtest", draft)
    assert ended.status == 0, ended.err
    assert "3 events from" in ended.out
    assert "returns\t2\t0\t0\t2\t0\t0" in ended.out
    assert "failures\t1\t1\t0\t0\t0\t0" in ended.out
    assert "returns: changed" in ended.out
    assert "json.event" in ended.out
    assert "evt-2" in ended.out
    assert '{"failed": "evt-2"}' in ended.out


async def test_a_backtest_is_told_as_json_and_narrowed_to_a_rule_and_a_time(house: House) -> None:
    await _filled(house, "collection_returned", "collection_failed", "collection_returned")
    draft = house.file("draft.yaml", BOTH)
    ended = await house.child("backtest", draft, "--json", "--rule", "returns", "--since", "8m", "--examples", "1")
    (row,) = json.loads(ended.out)
    assert (row["rule"], row["sends"], row["same"]) == ("returns", 1, 1)
    assert [each["event_id"] for each in row["examples"]] == ["evt-3"]
    before = await house.child("backtest", draft, "--json", "--rule", "returns", "--until", "8m")
    assert json.loads(before.out)[0]["sends"] == 1


async def test_a_backtest_reads_beside_a_running_daemon_and_changes_nothing(house: House) -> None:
    await _filled(house, "collection_failed")
    app = house.app()
    await app.start()
    try:
        ended = await house.child("backtest", house.file("draft.yaml", BOTH))
        assert "failures\t1\t1" in ended.out, ended.err
        assert await app.store.deliveries() == []
    finally:
        await app.stop(0)


async def test_a_file_that_is_wrong_and_a_rule_that_is_not_there_are_told(house: House) -> None:
    await _filled(house)
    wrong = await house.child("backtest", house.file("draft.yaml", BOTH.replace("match", "mtach", 1)))
    assert (wrong.status, "mtach" in wrong.err) == (2, True)
    unknown = await house.child("backtest", str(house.folder / "rules.yaml"), "--rule", "none")
    assert unknown.status == 1
    assert "has no rule 'none'; it has returns" in unknown.err


async def test_a_backtest_that_is_ended_early_shows_what_there_is_so_far(house: House) -> None:
    await _filled(house, *["collection_returned"] * 5)
    backtest = Backtest(
        Ruleset(rules=house.app().reloader.ruleset.rules),
        concerns=lambda _name: True,
        resource_types={},
        with_api=frozenset(),
        examples=0,
    )
    ended = asyncio.Event()
    store = house.opened()
    await store.open(read_only=True)
    try:
        looked = backtest.look_at

        def look_at(past: Past) -> None:
            looked(past)
            if backtest.events == 3:
                ended.set()

        backtest.look_at = look_at  # type: ignore[method-assign]
        assert await over(store, Selection(), backtest, ended) == (5, False)
    finally:
        await store.close()
    (report,) = backtest.reports
    assert (report.events, report.sends) == (3, 3)


async def test_a_replay_shows_what_it_would_send_and_refuses_to_send_it_unasked(house: House) -> None:
    await _filled(house, "collection_returned", "collection_failed")
    house.write(BOTH)
    shown = await house.run("replay", "evt-1", "evt-2", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert 'evt-2\tfailures\terp\tnew\t{"failed": "evt-2"}' in shown.stdout
    assert "evt-1\treturns\terp\twaiting" in shown.stdout
    assert "1 message to send, 1 stays." in shown.stdout
    refused = await house.run("replay", "evt-1", "evt-2")
    assert refused.exit_code == 1
    assert "nobody to ask" in str(refused.exception)
    assert len(await house.deliveries()) == 1


async def test_a_replay_sends_what_was_not_sent_and_repeated_nothing(house: House) -> None:
    await _filled(house, "collection_returned", "collection_failed")
    await _settled(house)
    house.write(BOTH)
    done = await house.run("replay", "--since", "1h", "--yes")
    assert "1 message will be sent." in done.stdout, done.output
    made = {each.event_id: each for each in await house.deliveries()}
    assert (made["evt-1"].replay, made["evt-2"].replay) == ("", "added")
    assert made["evt-2"].state is DeliveryState.PENDING
    again = await house.run("replay", "--since", "1h", "--yes")
    assert "0 messages to send, 2 stay." in again.stdout, again.output
    assert len(await house.deliveries()) == 2


async def test_what_was_sent_goes_once_more_for_each_label_with_an_identity_of_its_own(house: House) -> None:
    await _filled(house, "collection_returned")
    await _settled(house)
    for label, count in (([], 2), ([], 2), (["--label", "b"], 3), (["--label", "b"], 3)):
        ended = await house.run("replay", "evt-1", "--resend", "--yes", *label)
        assert ended.exit_code == 0, ended.output
        await _settled(house)
        assert len({each.identity for each in await house.deliveries()}) == count
    assert {each.replay for each in await house.deliveries()} == {"", "resent", "resent:b"}


async def test_a_dead_letter_is_left_to_retry(house: House) -> None:
    await _filled(house, "collection_returned")
    (delivery,) = await _settled(house, DeliveryState.DEAD)
    ended = await house.run("replay", "evt-1", "--resend", "--yes")
    assert f"memonotify retry {delivery.id}" in ended.stdout


async def test_an_event_that_is_not_there_is_said(house: House) -> None:
    await _filled(house, "collection_returned")
    ended = await house.run("replay", "evt-1", "evt-9", "--dry-run")
    assert ended.exit_code == 1
    assert "There is no event evt-9 in the store." in ended.output


async def test_more_events_than_a_page_holds_are_replayed_in_order(house: House) -> None:
    await _filled(house, *["collection_failed"] * 120)
    house.write(BOTH)
    ended = await house.run("replay", "--since", "24h", "--yes", "--json")
    rows = json.loads(ended.stdout)
    assert [row["event_id"] for row in rows] == [f"evt-{number}" for number in range(1, 121)]
    assert all(row["written"] for row in rows)
    assert len(await house.deliveries()) == 100 + 20


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("evt-1", "--since", "1h"),
        ("evt-1", "--until", "1h"),
        ("evt-1", "--label", "x"),
        ("evt-1", "--yes", "--dry-run"),
    ],
    ids=" ".join,
)
async def test_what_does_not_go_together_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = await House(tmp_path, "sqlite:///store.db", 9).run("replay", *words)
    assert ended.exit_code == 2
    assert "Usage:" in ended.output


async def test_where_there_is_no_store_yet_there_is_nothing_to_replay(tmp_path: Path) -> None:
    house = House(tmp_path, "sqlite:///store.db", 9)
    house.write(RETURNS)
    ended = await house.run("replay", "--since", "1h", "--dry-run")
    assert ended.exit_code == 0, ended.output
    assert not (tmp_path / "store.db").exists()


# Beside a daemon


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return make_credentials()


@pytest.fixture
async def bank(credentials: Credentials) -> AsyncIterator[StandInBank]:
    made = StandInBank(clock=SystemClock(), random=random.Random(7), quota=100_000, credentials=credentials)
    async with made:
        yield made


@pytest.fixture
def home(tmp_path: Path, bank: StandInBank, erp: tuple[Erp, int]) -> House:
    made = House(tmp_path, "sqlite:///store.db", erp[1])
    made.environ = {
        "THUMBPRINT": bank.credentials.thumbprint.reveal(),
        "SECRET": bank.credentials.secret.reveal(),
    }
    (tmp_path / "key.pem").write_text(bank.credentials.private_key.reveal())
    made.write(AMOUNT, api=API.format(bank=bank.url))
    return made


async def test_the_running_daemon_asks_the_bank_anew_and_sends_at_once(
    home: House, bank: StandInBank, erp: tuple[Erp, int]
) -> None:
    app = home.app()
    in_force = app.reloader.in_force
    app.reloader.in_force = replace(in_force, ruleset=replace(in_force.ruleset, rules=()))
    await app.start()
    try:
        bank.add_webhook(f"http://{app.webhook_address}/webhooks/acme", "letmein")
        event = await bank.raise_event("transfer_confirmed")
        await _until(lambda: app.store.events(), lambda found: found and found[0].evaluated_at)
        app.reloader.in_force = in_force
        stored = await home.run("replay", event["id"], "--stored", "--dry-run")
        assert "the resource was not kept" in stored.stdout, stored.output
        ended = await home.run("replay", event["id"], "--yes")
        assert "1 message will be sent." in ended.stdout, ended.output
        async with asyncio.timeout(WITHIN_S):
            while not erp[0].taken:
                await asyncio.sleep(0.02)
        transfer = bank.books.get("transfer", event["resource_id"])
        assert transfer is not None
        assert [body for _, body in erp[0].taken] == [{"amount": transfer["amount"]}]
        await _until(lambda: app.store.deliveries(), lambda found: found[0].state is DeliveryState.SENT)
        again = await home.run("replay", event["id"], "--yes")
        assert "0 messages to send, 1 stays." in again.stdout
        assert "sent already" in again.stdout
    finally:
        await app.stop(0)


async def test_the_daemon_says_what_is_wrong_in_a_replay(home: House) -> None:
    app = home.app()
    await app.start()
    try:
        ended = await home.run("replay", "evt-1", "--rule", "none", "--dry-run")
        assert "there is no rule none in force" in str(ended.exception)
    finally:
        await app.stop(0)
