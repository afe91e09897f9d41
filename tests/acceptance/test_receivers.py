"""Receivers that fail in every usual way: each message ends as the contract says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from aiohttp import web
from daemonparts import Daemon, MakeDaemon, Received, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance


def _rule(notify: str) -> str:
    return f"""
rules:
  - name: told
    match: {{event_type: iban_created}}
    fetch: false
    notify:
      - {notify}
"""


async def _deliveries(daemon: Daemon, *more: str) -> list[dict[str, Any]]:
    status, out, err = await daemon.run("deliveries", "--json", *more)
    assert status == 0, err
    listed: list[dict[str, Any]] = json.loads(out)
    return listed


async def _settled(daemon: Daemon, count: int) -> list[dict[str, Any]]:
    async with (
        httpx.AsyncClient(
            trust_env=False, base_url=daemon.admin, headers={"Authorization": "Bearer admin-token"}
        ) as client,
        asyncio.timeout(30),
    ):
        while True:
            listed: list[dict[str, Any]] = (await client.get("/api/deliveries")).json()
            if len(listed) >= count and all(one["state"] in ("sent", "dead") for one in listed):
                return listed
            await asyncio.sleep(0.05)


async def test_mail_that_is_deferred_arrives_later_with_the_same_identity(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    receivers.mail_script = ["451 later please", "421 busy", None]
    daemon = await make_daemon(_rule("{channel: mail, subject: hello, text: there}"))
    await bank.raise_event("iban_created")
    [delivery] = await _settled(daemon, 1)
    assert (delivery["state"], delivery["attempts"]) == ("sent", 3)
    assert [mail.taken for mail in receivers.mails] == [False, False, True]
    assert len({mail.identity for mail in receivers.mails}) == 1


async def test_one_refused_recipient_is_a_dead_letter_and_the_other_gets_the_mail_once(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    receivers.refused_recipients = {"gone@example.com": "550 no such user"}
    daemon = await make_daemon(
        _rule("{channel: mail, to: [finance@example.com, gone@example.com], subject: hello, text: there}"),
        extra="on_failure: {channel: slack}\n",
    )
    await bank.raise_event("iban_created")
    await until(lambda: len(receivers.http.get("/slack", [])) == 1, "a notice in Slack")
    listed = [one for one in await _settled(daemon, 3) if one["rule"] == "told"]
    assert sorted(one["state"] for one in listed) == ["dead", "sent"]
    dead = next(one for one in listed if one["state"] == "dead")
    assert dead["reason"] == "rejected"
    assert "gone@example.com" in dead["detail"] or "550" in dead["detail"]
    assert [mail.recipients for mail in receivers.mails] == [("finance@example.com",)]
    notice = receivers.http["/slack"][0].json["text"]
    assert "told" in notice
    assert "mail" in notice


async def test_a_connection_dropped_after_data_is_tried_again_with_the_same_message_id(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    receivers.mail_script = ["drop", None]
    daemon = await make_daemon(_rule("{channel: mail, subject: hello, text: there}"))
    await bank.raise_event("iban_created")
    [delivery] = await _settled(daemon, 1)
    assert (delivery["state"], delivery["attempts"]) == ("sent", 2)
    assert len(receivers.mails) == 2
    assert len({mail.identity for mail in receivers.mails}) == 1


async def test_slack_that_asks_to_wait_is_obeyed(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    came: list[float] = []

    async def later(_received: Received) -> web.Response:
        came.append(asyncio.get_running_loop().time())
        return web.Response(status=429, headers={"Retry-After": "2"}, text="rate_limited")

    async def note(_received: Received) -> None:
        came.append(asyncio.get_running_loop().time())

    receivers.http_script["/slack"] = [later, note]  # type: ignore[list-item]
    daemon = await make_daemon(_rule("{channel: slack, text: hello}"))
    await bank.raise_event("iban_created")
    [delivery] = await _settled(daemon, 1)
    assert (delivery["state"], delivery["attempts"]) == ("sent", 2)
    assert came[1] - came[0] >= 2.0


async def test_an_http_receiver_that_hangs_and_heals_gets_the_message(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(1.5)
        return web.Response(text="too late")

    receivers.http_script["/hook"] = [hang, hang]
    daemon = await make_daemon(_rule("{channel: erp, json: {event: '{{ event.id }}'}}"))
    await bank.raise_event("iban_created")
    [delivery] = await _settled(daemon, 1)
    assert (delivery["state"], delivery["attempts"]) == ("sent", 3)
    assert len({received.identity for received in receivers.http["/hook"]}) == 1
    status, out, _ = await daemon.run("deliveries", "--id", delivery["id"])
    assert status == 0
    assert [one["reason"] for one in json.loads(out)["tries"]] == ["timeout", "timeout", None]


async def test_a_rejected_message_is_a_dead_letter_at_once_and_retry_sends_it_again(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    async def reject(_received: Received) -> web.Response:
        return web.Response(status=422, text="no")

    receivers.http_script["/hook"] = [reject]
    daemon = await make_daemon(_rule("{channel: erp, json: {event: '{{ event.id }}'}}"))
    await bank.raise_event("iban_created")
    [delivery] = await _settled(daemon, 1)
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("dead", "rejected", 1)
    status, out, _ = await daemon.run("retry", "--dead")
    assert (status, out.strip()) == (0, "1 delivery will be sent again.")
    await until(lambda: len(receivers.http["/hook"]) == 2, "a second try")
    [delivery] = await _settled(daemon, 1)
    assert delivery["state"] == "sent"
    assert len({received.identity for received in receivers.http["/hook"]}) == 1
