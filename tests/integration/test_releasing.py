"""`memonotify release`, `discard` and `deliveries` for messages that wait: with a daemon, and on a store alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes import ManualClock
from policyparts import Bench, bench_maker
from storeparts import START, a_held_delivery, written

from memonotify.admin.operations import Filters, Operations
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
    """A folder with a configuration, and a store in which one message waits."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(CONFIG)
        (folder / "rules.yaml").write_text(RULES)
        self.config = load_config(self.path, environ={}).config
        self.held = ""

    def store(self) -> Store:
        return Store(self.config.store, clock=SystemClock())

    async def run(self, *arguments: str) -> Result:
        """Run a command as a person would, on a pipe, beside this loop."""
        return await asyncio.to_thread(CliRunner().invoke, root, [*arguments, "-c", str(self.path)])


@pytest.fixture
async def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    async with made.store() as store:
        later = datetime.now(UTC) + timedelta(hours=5)
        new = a_held_delivery("sil_a", later)
        made.held = new.id
        await written(store, replace(new, notification=replace(new.notification, channel="erp")))
    return made


async def test_what_waits_is_listed_with_its_policy_and_counted_in_the_status(house: House) -> None:
    listed = await house.run("deliveries", "--state", "held")
    head, row = listed.stdout.splitlines()
    assert head.split("\t")[4:6] == ["waits_for", "until_at"]
    assert row.split("\t")[4] == "silence"
    status = await house.run("status")
    assert "Waiting     1 held by policies, the next goes on " in status.stdout


async def test_release_sends_what_waits_and_says_of_others_why_it_does_not(house: House) -> None:
    ended = await house.run("retry", house.held)
    assert ended.exit_code == 1
    assert f"{house.held} is not a dead letter: it waits for silence until " in ended.stderr
    ended = await house.run("release", house.held, "dlv_none")
    assert (ended.exit_code, ended.stdout) == (1, "1 delivery will be sent now.\n")
    assert ended.stderr.splitlines()[-1] == "There is no delivery dlv_none."
    ended = await house.run("release", house.held)
    assert ended.stderr.splitlines()[-1] == f"{house.held} does not wait: it is about to be sent."


async def test_a_daemon_releases_too_and_tries_it_at_once(house: House) -> None:
    templates = Templates(folder=None, locale=house.config.locale, timezone=house.config.timezone)
    app = App(house.config, load_rules(house.config, templates).ruleset)
    await app.start()
    try:
        told = await house.run("why", "e1")
        assert "held by silence sil_a" in told.stdout
        ended = await house.run("release", "--held", "--channel", "erp", "--yes", "--json")
        # The daemon of this process logs to the same output.
        assert f'"id": "{house.held}"' in ended.stdout
        async with asyncio.timeout(10):
            while '"attempts": 1' not in (await house.run("deliveries", "--json")).stdout:
                await asyncio.sleep(0.02)
    finally:
        await app.stop(0)


async def test_what_is_given_up_while_it_waits_is_not_sent_later(house: House) -> None:
    ended = await house.run("discard", house.held)
    assert ended.stdout == "1 delivery given up.\n"
    async with house.store() as store:
        assert await store.next_moment() is None


Making = Callable[..., Bench]


@pytest.fixture
async def making(tmp_path: Path) -> AsyncIterator[Making]:
    clock = ManualClock(START)
    async with Store(f"sqlite:///{tmp_path / 'policies.db'}", clock=clock) as store:
        yield bench_maker(store, clock, tmp_path)


def operations(bench: Bench) -> Operations:
    return Operations(bench.store, channels={"chat": "slack"}, clock=bench.clock, daemon=None)


async def ids(bench: Bench, state: DeliveryState = DeliveryState.HELD) -> list[str]:
    return [delivery.id for delivery in await bench.store.deliveries(state=state)]


async def test_one_that_is_released_from_a_group_goes_alone_and_the_others_are_told_together(making: Making) -> None:
    bench = making("""
        rules:
          - name: returns
            match: {event_type: collection_returned}
            group: {wait: 1m}
            notify: [{channel: chat, text: "{{ events | map(attribute='resource.id') | join(' ') }}"}]
        """)
    for name in "abc":
        await bench.event(of=name)
    first = (await bench.store.deliveries(event_id="evt-1"))[0]
    assert await operations(bench).release([first.id], held=False, rule=None, channel=None) == [first.id]
    await bench.turn()
    assert bench.told == ["a"]
    (row, _) = await operations(bench).deliveries(Filters(state="held"))
    assert row["waits"]["others"] == 1
    await bench.turn(60)
    assert bench.told == ["a", "b c"]


async def test_all_that_are_released_leave_the_escalation_to_its_time_and_once_does_not_tell_twice(
    making: Making,
) -> None:
    bench = making("""
        rules:
          - name: returns
            match: {event_type: ["collection_*"]}
            once: {per: "{{ event.resource_id }}", prefer: collection_returned, wait: 2m}
            notify: [{channel: chat, text: "{{ event.event_type }}"}]
            escalate:
              after: 1h
              unless: {event_type: collection_cancelled}
              notify: [{channel: chat, text: still open}]
        """)
    await bench.event("collection_confirmed", of="a")
    assert len(await operations(bench).release([], held=True, rule=None, channel=None)) == 1
    await bench.turn()
    await bench.event("collection_returned", of="a")
    await bench.turn(60)
    assert bench.told == ["collection_confirmed"]
    escalation = await ids(bench)
    assert await operations(bench).release(escalation, held=False, rule=None, channel=None) == escalation
    await bench.turn()
    assert bench.told == ["collection_confirmed", "still open"]
