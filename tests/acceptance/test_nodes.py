"""Several nodes on one PostgreSQL: the work is shared, and what one node drops the others pick up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal

import httpx
import psycopg
import pytest
from daemonparts import TOKEN, MakeDaemon, Receivers, until
from databases import Cluster

from memonotify.membership import LEASE_S
from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

RULES = """
rules:
  - name: told-with-the-resource
    match: {event_type: "transfer_*"}
    when: resource.amount > 0
    notify:
      - channel: erp
        json: {event: "{{ event.id }}", amount: "{{ resource.amount }}"}
  - name: told-at-once
    match: {event_type: "iban_*"}
    fetch: false
    notify:
      - channel: erp
        json: {event: "{{ event.id }}"}
"""


def told(receivers: Receivers) -> dict[str, set[str]]:
    """Return the identities under which each event was told."""
    found: dict[str, set[str]] = {}
    for received in receivers.http.get("/hook", []):
        found.setdefault(received.json["event"], set()).add(received.identity)
    return found


async def test_what_one_node_takes_in_another_evaluates_and_sends(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, postgres_url: str
) -> None:
    intake = await make_daemon(RULES, store=postgres_url, serve=("--role", "intake", "--node", "front"))
    worker = await make_daemon(RULES, store=postgres_url, serve=("--role", "worker", "--node", "back"), webhook=False)
    for number in range(40):
        await bank.raise_event("transfer_confirmed" if number % 2 else "iban_updated")
    await bank.idle()
    await until(lambda: len(told(receivers)) == 40, "every event told")
    assert all(len(identities) == 1 for identities in told(receivers).values())
    assert intake.events("delivery_sent") == []
    await until(lambda: len(worker.events("delivery_sent")) == 40, "all sent by the worker")
    assert await intake.stop() == 0
    assert await worker.stop() == 0


async def test_a_node_that_leaves_hands_its_work_over_at_once(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, postgres_url: str
) -> None:
    async def away(_received: object) -> None:
        await asyncio.sleep(0.2)

    receivers.http_script["/hook"] = [away] * 1000  # type: ignore[list-item]
    first = await make_daemon(RULES, store=postgres_url)
    for _ in range(100):
        await bank.raise_event("iban_updated")
    await bank.idle()
    second = await make_daemon(RULES, store=postgres_url, webhook=False)
    assert await first.stop() == 0
    await until(lambda: len(told(receivers)) == 100, "every event told", 15)
    assert all(len(identities) == 1 for identities in told(receivers).values())
    assert await second.stop() == 0


async def test_the_nodes_are_listed_with_who_leads(
    make_daemon: MakeDaemon, bank: StandInBank, postgres_url: str
) -> None:
    first = await make_daemon(RULES, store=postgres_url, serve=("--node", "one"))
    await make_daemon(
        RULES.replace("amount > 0", "amount > 1"), store=postgres_url, serve=("--node", "two"), webhook=False
    )
    status, out, err = await first.run("nodes", "--json")
    assert status == 0, err
    nodes = {node["name"]: node for node in json.loads(out)}
    assert set(nodes) == {"one", "two"}
    assert [node["name"] for node in nodes.values() if node["leads"]] == ["one"]
    assert nodes["one"]["rules"] != nodes["two"]["rules"]
    status, out, err = await first.run("nodes")
    assert status == 0
    assert "do not run the same rules" in out + err
    await first.kill()
    status, out, _ = await first.run("nodes", "--json")
    assert status == 0
    assert len(json.loads(out)) == 2


async def test_three_nodes_lose_nothing_while_the_database_restarts_and_nodes_die_or_hang(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, cluster: Cluster
) -> None:
    """Each of 300 events is posted to one of three nodes, and again where it is refused. Meanwhile the server restarts
    several times, connections are cut, one node is killed, another hangs for longer than its lease lasts."""
    url = cluster.server.url("postgres")
    nodes = [await make_daemon(RULES, store=url, serve=("--node", f"n{number}"), webhook=False) for number in range(3)]
    chance = random.Random(3)
    raising = True
    events: dict[str, str] = {}

    async def raise_events() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            for number in range(300):
                kind = "transfer_confirmed" if number % 2 else "iban_updated"
                await post(client, await bank.raise_event(kind))
                await asyncio.sleep(0.05)

    async def post(client: httpx.AsyncClient, body: dict[str, str]) -> None:
        while True:
            node = chance.choice(nodes)
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post(node.url, json=body, headers={"Authorization": f"Bearer {TOKEN}"})
                if answer.status_code == 204:
                    events[body["id"]] = body["event_type"]
                    return
                assert answer.status_code == 503, answer.text
                assert answer.headers["Retry-After"]
            await asyncio.sleep(0.1)

    async def restart_the_server() -> None:
        while raising:
            await asyncio.sleep(2.5)
            await asyncio.to_thread(cluster.stop, chance.choice(["fast", "immediate"]))
            await asyncio.to_thread(cluster.start)

    async def cut_connections() -> None:
        while raising:
            await asyncio.sleep(chance.uniform(0.3, 0.8))
            with contextlib.suppress(psycopg.Error):
                await asyncio.to_thread(cluster.cut)

    posting = asyncio.create_task(raise_events())
    trouble = [asyncio.create_task(restart_the_server()), asyncio.create_task(cut_connections())]
    await asyncio.sleep(3)
    await nodes[1].kill()
    nodes[2].send(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S + LEASE_S / 3 + 2)
    nodes[2].send(signal.SIGCONT)
    await nodes[1].start(again=True)
    await posting
    raising = False
    await asyncio.gather(*trouble)

    await until(lambda: told(receivers).keys() >= events.keys(), "every acknowledged event told", 90)
    assert len(events) == 300
    assert {event: ids for event, ids in told(receivers).items() if len(ids) != 1} == {}
    for node in nodes:
        assert await node.stop() == 0
