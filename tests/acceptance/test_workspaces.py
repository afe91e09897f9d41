"""Two companies on one daemon: nothing of one reaches the other, and neither waits for the other's bank."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from daemonparts import Daemon, Receivers, until

from memonotify.clock import SystemClock
from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

CONFIG = """
server: {listen: "127.0.0.1:WEBHOOK_PORT", allowed_ips: [127.0.0.1]}
admin: {listen: "127.0.0.1:ADMIN_PORT", token: "${env:ADMIN_TOKEN}"}
store: sqlite:///store.db
workspaces:
WORKSPACES
channels:
  erp: {type: http, url: "http://127.0.0.1:HTTP_PORT/hook"}
retry: {first: 200ms, max: 1s, give_up_after: 1h}
rules: [rules.yaml]
"""
WORKSPACE = """
  - name: NAME
    tokens: [token-of-NAME-00000000]
    api: {base_url: "URL", thumbprint: THUMBPRINT, secret: SECRET, private_key: "${file:NAME.pem}", timeout: 2s}
"""
RULES = """
rules:
  - name: of-acme
    match: {event_type: account_updated, workspace: acme}
    notify: [{channel: erp, json: {rule: of-acme, workspace: "{{ workspace.name }}", bank: "{{ resource.name }}"}}]
  - name: of-others
    match: {event_type: account_updated, workspace: "umb*"}
    notify: [{channel: erp, json: {rule: of-others, workspace: "{{ workspace.name }}", bank: "{{ resource.name }}"}}]
  - name: without-the-bank
    match: {event_type: iban_created}
    fetch: false
    notify: [{channel: erp, json: {rule: without-the-bank, workspace: "{{ workspace.name }}"}}]
"""
Start = Callable[[], Awaitable[Daemon]]


@pytest.fixture
async def banks() -> AsyncIterator[dict[str, StandInBank]]:
    made = {name: StandInBank(clock=SystemClock(), random=random.Random(7), speed=600) for name in ("acme", "umbrella")}
    async with made["acme"], made["umbrella"]:
        yield made


@pytest.fixture
async def daemon(tmp_path: Path, banks: dict[str, StandInBank], receivers: Receivers) -> AsyncIterator[Daemon]:
    workspaces = ""
    for name, bank in banks.items():
        (tmp_path / f"{name}.pem").write_text(bank.credentials.private_key.reveal())
        section = WORKSPACE.replace("NAME", name).replace("URL", bank.url)
        section = section.replace("THUMBPRINT", bank.credentials.thumbprint.reveal())
        workspaces += section.replace("SECRET", f'"{bank.credentials.secret.reveal()}"')
    (tmp_path / "rules.yaml").write_text(RULES)
    config = CONFIG.replace("WORKSPACES", workspaces).replace("HTTP_PORT", str(receivers.http_port))
    made = Daemon(tmp_path, config, {"ADMIN_TOKEN": "admin-token"})
    await made.start()
    yield made
    await made.kill()


async def post(daemon: Daemon, workspace: str, event_id: str, event_type: str, resource_id: str) -> int:
    event = {
        "id": event_id,
        "date": "2026-03-02T09:00:00Z",
        "event_type": event_type,
        "resource_type": event_type.split("_", maxsplit=1)[0],
        "resource_id": resource_id,
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            daemon.url.replace("/acme", f"/{workspace}"),
            json=event,
            headers={"Authorization": f"Bearer token-of-{workspace}-00000000"},
        )
    return answer.status_code


async def test_the_same_event_id_in_two_workspaces_is_two_events_each_with_its_own_bank_and_rules(
    daemon: Daemon, banks: dict[str, StandInBank], receivers: Receivers
) -> None:
    for name, bank in banks.items():
        account = dict(bank.books.all("account")[0], id="the-same", name=f"account at {name}")
        bank.books.add("account", account)
        for _ in range(2):
            assert await post(daemon, name, "one-id", "account_updated", "the-same") == 204
    await until(lambda: len(receivers.http.get("/hook", [])) == 2, "two messages")
    await asyncio.sleep(0.5)
    assert sorted((received.json for received in receivers.http["/hook"]), key=str) == [
        {"rule": "of-acme", "workspace": "acme", "bank": "account at acme"},
        {"rule": "of-others", "workspace": "umbrella", "bank": "account at umbrella"},
    ]


async def test_a_bank_that_hangs_delays_neither_another_workspace_nor_rules_that_need_no_bank(
    daemon: Daemon, banks: dict[str, StandInBank], receivers: Receivers
) -> None:
    banks["acme"].delay(30)
    account = banks["umbrella"].books.all("account")[0]["id"]
    for number in range(100):
        assert await post(daemon, "acme", f"hangs-{number}", "account_updated", account) == 204
    began = asyncio.get_running_loop().time()
    assert await post(daemon, "umbrella", "quick", "account_updated", account) == 204
    assert await post(daemon, "acme", "bankless", "iban_created", account) == 204
    await until(lambda: len(receivers.http.get("/hook", [])) == 2, "two messages", 5)
    assert asyncio.get_running_loop().time() - began < 1.5
    assert sorted(received.json["rule"] for received in receivers.http["/hook"]) == ["of-others", "without-the-bank"]
