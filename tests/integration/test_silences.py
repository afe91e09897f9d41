"""`memonotify silence` as a person runs it: on a store without a daemon, and beside a daemon, which sees it at once."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from storeparts import a_delivery, a_held_delivery, written

from memonotify.app import App
from memonotify.cli import root
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.model import DeliveryState
from memonotify.rules.loader import load_rules
from memonotify.store import Store
from memonotify.templating import Templates

CONFIG = """
server: {listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}
admin: {listen: "127.0.0.1:0", token: letmein}
store: sqlite:///store.db
timezone: Europe/Paris
workspaces: [{name: acme, tokens: [letmein]}]
channels:
  erp: {type: http, url: "http://127.0.0.1:9/hooks"}
rules: [rules.yaml]
"""
RULES = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    notify: [{channel: erp, json: {event: "{{ event.id }}"}}]
"""


class House:
    """A folder with a configuration and a store."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(CONFIG)
        (folder / "rules.yaml").write_text(RULES)
        self.config = load_config(self.path, environ={}).config

    def store(self) -> Store:
        return Store(self.config.store, clock=SystemClock())

    def app(self) -> App:
        templates = Templates(folder=None, locale=self.config.locale, timezone=self.config.timezone)
        return App(self.config, load_rules(self.config, templates).ruleset)

    async def run(self, *arguments: str) -> Result:
        """Run a command as a person would, on a pipe, beside this loop."""
        words = ["silence", *arguments, "-c", str(self.path)]
        return await asyncio.to_thread(CliRunner().invoke, root, words)

    async def added(self, *arguments: str) -> dict[str, object]:
        ended = await self.run("add", *arguments, "--json")
        assert ended.exit_code == 0, ended.output
        (row,) = json.loads(ended.stdout)
        return dict(row)


@pytest.fixture
async def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    async with made.store():
        return made


@pytest.fixture
async def app(house: House) -> AsyncIterator[App]:
    made = house.app()
    await made.start()
    yield made
    await made.stop(0)


async def test_what_was_silenced_until_when_and_how_to_end_it_is_told(house: House) -> None:
    ended = await house.run("add", "--rule", "returns", "--channel", "e*", "--field", "resource.x=1", "--for", "2h")
    assert ended.exit_code == 0, ended.output
    first, second, third = ended.stdout.splitlines()
    name = first.partition(" ")[0]
    assert first.startswith(f"{name} silences rule returns, channel e*, resource.x=1 until ")
    assert first.endswith("(Europe/Paris).")
    assert second == f"What it meets is not sent, and stays listed: memonotify deliveries --silence {name}"
    assert third == f"To end it sooner: memonotify silence expire {name}"


async def test_a_silence_is_the_users_who_runs_the_command_unless_an_author_is_named(house: House) -> None:
    mine = await house.added("--rule", "returns", "--for", "2h", "--reason", "works")
    assert (mine["author"], mine["reason"], mine["then"]) == (getpass.getuser(), "works", "drop")
    assert (await house.added("--rule", "returns", "--for", "2h", "--author", "ana"))["author"] == "ana"


@pytest.mark.usefixtures("app")
async def test_a_daemon_refuses_a_name_that_nothing_has(house: House) -> None:
    await _refuses(house)


async def test_without_a_daemon_a_name_that_nothing_has_is_refused_too(house: House) -> None:
    await _refuses(house)


async def _refuses(house: House) -> None:
    ended = await house.run("add", "--rule", "return", "--for", "2h")
    assert (ended.exit_code, str(ended.exception)) == (1, "there is no rule return (did you mean `returns`?)")
    ended = await house.run("add", "--workspace", "acm", "--for", "2h")
    assert (ended.exit_code, str(ended.exception)) == (1, "there is no workspace acm (did you mean `acme`?)")
    ended = await house.run("add", "--rule", "returns", "--until", "2020-01-01")
    assert ended.exit_code == 1
    assert "lies in the past" in str(ended.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--for", "2h"), "Say what to silence"),
        (("--rule", "returns"), "either --for or --until"),
        (("--rule", "returns", "--for", "2h", "--until", "18:00"), "either --for or --until"),
        (("--rule", "returns", "--until", "soon"), "neither a time such as 18:00"),
        (("--field", "resource.x", "--for", "2h"), "has no ="),
        (("--field", "resource.x=1", "--field", "resource.x=2", "--for", "2h"), "has two values"),
    ],
)
async def test_a_command_that_says_too_little_or_too_much_is_refused(
    house: House, arguments: tuple[str, ...], said: str
) -> None:
    ended = await house.run("add", *arguments)
    assert ended.exit_code != 0
    assert said in ended.output
    assert json.loads((await house.run("list", "--json")).stdout) == []


async def test_the_daemon_sees_a_silence_at_once_and_its_end_too(house: House, app: App) -> None:
    added = await house.added("--rule", "ret*", "--for", "2h")
    active = await app.store.active_silences(datetime.now(UTC))
    assert [silence.id for silence in active] == [added["id"]]
    ended = await house.run("expire", str(added["id"]))
    assert (ended.exit_code, ended.stdout) == (0, f"{added['id']} has ended.\n")
    assert await app.store.active_silences(datetime.now(UTC)) == ()


async def test_a_list_counts_what_each_has_met_and_begins_with_those_in_force(house: House) -> None:
    ended = await house.added("--rule", "returns", "--for", "3h")
    await house.run("expire", str(ended["id"]))
    added = await house.added("--rule", "returns", "--for", "2h", "--then", "hold")
    name = str(added["id"])
    later = datetime.now(UTC) + timedelta(hours=2)
    async with house.store() as store:
        await written(
            store,
            a_held_delivery(name, later, entry=0),
            a_delivery(entry=1, silence=name, state=DeliveryState.SUPPRESSED),
        )
    rows = json.loads((await house.run("list", "--json")).stdout)
    assert [(row["id"], row["held"], row["suppressed"], row["released"]) for row in rows] == [(name, 1, 1, 0)]
    rows = json.loads((await house.run("list", "--all", "--json")).stdout)
    assert [(row["id"], row["state"]) for row in rows] == [(name, "active"), (ended["id"], "ended")]
    assert f"{name}\tactive\trule returns\thold" in (await house.run("list")).stdout
    listed = await asyncio.to_thread(
        CliRunner().invoke, root, ["deliveries", "--silence", name, "--state", "held", "--json", "-c", str(house.path)]
    )
    assert [(row["silence"], row["state"]) for row in json.loads(listed.stdout)] == [(name, "held")]
    told = await house.run("expire", name)
    assert told.stdout == f"{name} has ended; 1 message that it held goes on now.\n"


async def test_a_silence_that_may_be_forgotten_stands_in_the_status(house: House) -> None:
    async def status() -> str:
        words = ["status", "-c", str(house.path)]
        return (await asyncio.to_thread(CliRunner().invoke, root, words)).stdout

    assert "Silences" not in await status()
    await house.added("--rule", "returns", "--for", "2h")
    assert "Silences    1 in force: memonotify silence list" in await status()


async def test_what_is_not_in_force_cannot_be_ended_and_is_told(house: House) -> None:
    added = await house.added("--rule", "returns", "--for", "2h")
    ended = await house.run("expire", "sil_none", str(added["id"]))
    assert ended.exit_code == 1
    assert "sil_none is not a silence in force" in ended.stderr
    assert f"{added['id']} has ended." in ended.stdout


async def test_the_api_wants_the_token_and_answers_as_the_command_does(house: House, app: App) -> None:
    async with httpx.AsyncClient(base_url=f"http://{app.admin_address}", trust_env=False) as client:
        body = {"channel": "erp", "for": "2h"}
        assert (await client.post("/api/silences", json=body)).status_code == 401
        client.headers["Authorization"] = "Bearer letmein"
        added = (await client.post("/api/silences", json=body)).json()
        assert (added["channel"], added["author"], added["notes"]) == (["erp"], "", [])
        assert [row["id"] for row in (await client.get("/api/silences")).json()] == [added["id"]]
        for wrong, status in (({"for": "2h"}, 400), ({"rule": "x", "for": "2h"}, 404), ("x", 400)):
            assert (await client.post("/api/silences", json=wrong)).status_code == status
        assert (await client.get("/api/silences?all=true")).status_code == 400
        ended = await client.delete(f"/api/silences/{added['id']}")
        assert (ended.status_code, ended.json()["state"]) == (200, "ended")
        assert (await client.delete(f"/api/silences/{added['id']}")).status_code == 404
        assert (await client.get("/api/silences")).json() == []
        assert len((await client.get("/api/silences?ended=true")).json()) == 1
