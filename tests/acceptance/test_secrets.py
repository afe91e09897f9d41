"""Every fault at once, and no secret in a log, the store, a metric, a list or a notice."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from daemonparts import TOKEN, Daemon, Received, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

CONFIG = """
server: {listen: "127.0.0.1:WEBHOOK_PORT", allowed_ips: [127.0.0.1]}
admin: {listen: "127.0.0.1:ADMIN_PORT", token: "${env:ADMIN_TOKEN}"}
store: sqlite:///store.db
workspaces:
  - name: acme
    tokens: ["${env:WEBHOOK_TOKEN}"]
    api: {base_url: BANK_URL, thumbprint: "${env:THUMBPRINT}", secret: "${env:BANK_SECRET}",
          private_key: "${file:key.pem}", timeout: 1s}
channels:
  mail: {type: email, host: 127.0.0.1, port: SMTP_PORT, security: none, from: notify@example.com,
         to: [finance@example.com], username: notify, password: "${env:SMTP_PASSWORD}"}
  closed: {type: email, host: 127.0.0.1, port: 1, security: none, from: notify@example.com, to: [a@example.com]}
  slack: {type: slack, url: "${env:SLACK_URL}"}
  slack-gone: {type: slack, url: "http://127.0.0.1:1/services/${env:SLACK_PATH}"}
  echo: {type: http, url: "${env:ECHO_URL}", headers: {X-Api-Key: "${env:API_KEY}"},
         signing_secret: "${env:SIGNING_SECRET}", timeout: 500ms}
  nowhere: {type: http, url: "${env:NOWHERE_URL}", headers: {Authorization: "Bearer ${env:API_KEY}"}}
  tell: {type: http, url: "http://127.0.0.1:HTTP_PORT/tell"}
retry: {first: 100ms, max: 300ms, give_up_after: 2s}
on_failure: {channel: tell}
rules: [rules.yaml]
"""
RULES = """
rules:
  - name: everywhere
    match: {event_type: account_updated}
    notify:
      - {channel: mail, subject: "{{ resource.name }}", text: hello}
      - {channel: closed, subject: hello, text: hello}
      - {channel: slack, text: hello}
      - {channel: slack-gone, text: hello}
      - {channel: echo, json: {event: "{{ event }}"}}
      - {channel: nowhere, json: {event: "{{ event }}"}}
  - name: cannot-be-decided
    match: {event_type: account_updated}
    when: resource.nothing > 1
    notify: [{channel: tell, json: {}}]
"""


async def echo(received: Received) -> web.Response:
    """Answer as badly written receivers do: with everything they were sent."""
    return web.Response(status=400, text=f"{received.headers} {received.body!r}")


async def slow_echo(received: Received) -> web.Response:
    await asyncio.sleep(1)
    return await echo(received)


async def failing_echo(received: Received) -> web.Response:
    return web.Response(status=503, text=f"{received.headers}", headers={"Retry-After": "0"})


def spellings(secret: str) -> set[str]:
    return {secret, base64.b64encode(secret.encode()).decode(), secret.removeprefix("whsec_")}


def kept_on_disk(folder: Path) -> list[str]:
    """Return all bytes of the store, those of removed rows included, as text."""
    return [path.read_bytes().decode("utf-8", "replace") for path in folder.glob("store.db*") if path.is_file()]


async def test_no_secret_is_shown_whatever_fails(tmp_path: Path, bank: StandInBank, receivers: Receivers) -> None:
    at = f"127.0.0.1:{receivers.http_port}"
    environ = {
        "ADMIN_TOKEN": "admin-secret-8d1f",
        "WEBHOOK_TOKEN": TOKEN,
        "THUMBPRINT": bank.credentials.thumbprint.reveal(),
        "BANK_SECRET": bank.credentials.secret.reveal(),
        "SMTP_PASSWORD": "smtp-secret-77ab",
        "SLACK_URL": f"http://{at}/services/T000/B000/slacksecret4711",
        "SLACK_PATH": "T1/B1/slackgone0815",
        "ECHO_URL": f"http://user:urlpassword99@{at}/hook?key=querysecret55",
        "NOWHERE_URL": "http://user:nowherepassword@127.0.0.1:1/hook?key=nowherequery",
        "API_KEY": "apikey-31415926",
        "SIGNING_SECRET": "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode(),
    }
    hidden = {"slacksecret4711", "slackgone0815", "urlpassword99", "querysecret55", "nowherepassword", "nowherequery"}
    for name in ("ADMIN_TOKEN", "WEBHOOK_TOKEN", "THUMBPRINT", "BANK_SECRET", "SMTP_PASSWORD", "API_KEY"):
        hidden |= spellings(environ[name])
    hidden |= spellings(environ["SIGNING_SECRET"])
    hidden |= {line for line in bank.credentials.private_key.reveal().splitlines() if len(line) > 40}
    (tmp_path / "key.pem").write_text(bank.credentials.private_key.reveal())
    (tmp_path / "rules.yaml").write_text(RULES)
    config = CONFIG.replace("BANK_URL", bank.url).replace("HTTP_PORT", str(receivers.http_port))
    daemon = Daemon(tmp_path, config.replace("SMTP_PORT", str(receivers.smtp_port)), environ)
    bank.add_webhook(daemon.url, TOKEN)
    await daemon.start()

    receivers.http_script["/hook"] = [echo, slow_echo, failing_echo] * 20
    receivers.http_script["/services/T000/B000/slacksecret4711"] = [echo, failing_echo] * 20
    await bank.raise_event("account_updated")
    await bank.idle()
    bank.fail_next(500, 2)
    await bank.raise_event("account_updated")
    await until(lambda: "server_error" in daemon.log(), "a failed fetch")
    bank.answer_next(401, b'{"code": "' + environ["BANK_SECRET"].encode() + b'", "message": "no"}')
    await bank.raise_event("account_updated")
    await until(lambda: "bank_gave_nothing" in daemon.log(), "a refused fetch")
    bank.go_away()
    await bank.raise_event("account_updated")
    async with httpx.AsyncClient(trust_env=False) as client:
        for token in ("wrong", TOKEN + "x"):
            await client.post(daemon.url, json={}, headers={"Authorization": f"Bearer {token}"})
        await client.post(daemon.url, content=b"{", headers={"Authorization": f"Bearer {TOKEN}"})
        await client.get(f"{daemon.admin}/api/status", headers={"Authorization": "Bearer wrong"})
        await bank.idle()
        await until(lambda: "delivery_dead" in daemon.log(), "dead letters")
        await asyncio.sleep(5)
        shown = [(await client.get(f"{daemon.admin}/metrics")).text]
        for path in ("status", "deliveries", "events"):
            headers = {"Authorization": f"Bearer {environ['ADMIN_TOKEN']}"}
            shown.append((await client.get(f"{daemon.admin}/api/{path}", headers=headers)).text)
    for command in ("deliveries", "deliveries --json", "status", "channel test echo", "retry --dead"):
        shown.extend(map(str, await daemon.run(*command.split())))
    assert await daemon.stop() == 0
    shown.append(daemon.log())
    shown.extend(kept_on_disk(tmp_path))
    shown.extend(received.body.decode() for received in receivers.http["/tell"])
    reasons = {line["reason"] for line in daemon.events("delivery_dead")}
    assert {"unreachable", "rejected"} <= reasons
    leaked = {secret for secret in hidden for text in shown if secret in text}
    assert leaked == set()
