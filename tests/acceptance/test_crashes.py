"""Nothing acknowledged is lost to a crash, and nothing is told twice under two identities."""

from __future__ import annotations

import asyncio
import random

import pytest
from daemonparts import MakeDaemon, Receivers, until

from memonotify.standin.bank import StandInBank
from memonotify.standin.proof import proof_of

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
EVENTS = 500
KILLS = 20


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_500_events_survive_20_kills(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, kind: str, request: pytest.FixtureRequest
) -> None:
    on = {} if kind == "sqlite" else {"store": request.getfixturevalue("postgres_url")}
    daemon = await make_daemon(RULES, **on)
    chance = random.Random(20)
    raised = 0

    async def raise_events() -> None:
        nonlocal raised
        for number in range(EVENTS):
            await bank.raise_event("transfer_confirmed" if number % 2 else "iban_updated")
            raised += 1
            await asyncio.sleep(0.03)

    raising = asyncio.create_task(raise_events())
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        await daemon.kill()
        await daemon.start()
    await raising
    await asyncio.wait_for(bank.idle(), 240)

    acknowledged = {post.event_id for post in bank.deliveries if post.status is not None and post.status < 300}
    assert len(acknowledged) == raised == EVENTS, "the bank came again until every event was taken"

    def told() -> set[str]:
        return {received.json["event"] for received in receivers.http.get("/hook", [])}

    await until(lambda: told() >= acknowledged, "every acknowledged event delivered", 120)
    identities: dict[str, set[str]] = {}
    for received in receivers.http["/hook"]:
        identities.setdefault(received.json["event"], set()).add(received.identity)
    assert set(identities) == acknowledged
    assert {event: ids for event, ids in identities.items() if len(ids) != 1} == {}
    assert await daemon.stop() == 0


PAID = """
rules:
  - name: paid
    match: {event_type: transfer_confirmed}
    notify:
      - {channel: mail, text: paid, attach: [proof]}
"""


async def test_a_mail_goes_with_its_proof_after_a_kill_although_the_bank_is_away(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    daemon = await make_daemon(PAID)
    receivers.mail_script = ["451 come again"] * 1000
    event = await bank.raise_event("transfer_confirmed")
    await until(lambda: bool(receivers.mails), "a first try")
    await daemon.kill()
    tried = len(receivers.mails)
    receivers.mail_script.clear()
    bank.go_away()
    await daemon.start()
    await until(lambda: len(receivers.mails) > tried, "the mail that was taken")
    mail = receivers.mails[-1]
    assert mail.taken
    assert {other.identity for other in receivers.mails} == {mail.identity}
    payment = bank.books.get("transfer", event["resource_id"])
    assert payment is not None
    _, proof = mail.mail.get_payload()
    assert proof.get_payload(decode=True) == proof_of(payment)
