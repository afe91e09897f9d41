"""`memonotify why` with and without a running daemon: the same story, and nothing that must not be told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from daemonparts import TOKEN, Daemon, MakeDaemon, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

RULES = """
rules:
  - name: big
    match: {event_type: transaction_confirmed}
    when: (resource | amount) >= 100
    notify:
      - {channel: mail, subject: "Paid: {{ resource | money }}", text: paid}
      - {channel: erp, json: {cents: "{{ resource.amount }}"}}
  - name: huge
    match: {event_type: transaction_confirmed}
    when: resource.direction == "credit" and resource.counterparty_name == "x" and resource.amount > 99999999
    notify: [{channel: slack, text: huge}]
  - name: broken
    match: {event_type: transaction_confirmed}
    when: event.nothing > 1
    notify: [{channel: slack, text: broken}]
  - name: ibans
    match: {event_type: "iban_*"}
    fetch: false
    notify: [{channel: slack, text: iban}]
  - name: resting
    match: {event_type: transaction_confirmed}
    mode: off
    notify: [{channel: slack, text: resting}]
"""
SECRETS = (TOKEN, "admin-token", "/hook")


async def _told(daemon: Daemon, *arguments: str) -> str:
    status, out, err = await daemon.run("why", *arguments)
    assert status == 0, err
    return out


async def _json(daemon: Daemon, *arguments: str) -> Any:
    return json.loads(await _told(daemon, "--json", *arguments))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_an_event_and_a_rule_are_explained_alike_with_and_without_a_running_daemon(
    database: str, make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, request: pytest.FixtureRequest
) -> None:
    where = {} if database == "sqlite" else {"store": request.getfixturevalue("postgres_url")}
    daemon = await make_daemon(RULES, **where)
    event = await bank.raise_event(
        "transaction_confirmed",
        {
            "resource.amount": 1250000,
            "resource.currency": "EUR",
            "resource.direction": "credit",
            "resource.counterparty_name": "\x9b31mevil\u202e",
        },
    )
    await until(lambda: bool(receivers.mails) and bool(receivers.http.get("/hook")), "both messages")
    story = await _json(daemon, event["id"])
    while any(message["state"] != "sent" for rule in story["rules"] for message in rule["messages"]):
        story = await _json(daemon, event["id"])
    assert [(rule["rule"], rule["outcome"]) for rule in story["rules"]] == [
        ("big", "matched"),
        ("huge", "not_matched"),
        ("broken", "failed"),
    ]
    assert story["other_rules"] == {"elsewhere": 1, "off": ["resting"], "not_then": [], "to_come": [], "gone": []}

    told = await _told(daemon, event["id"][:8])
    lines = [line.strip() for line in told.splitlines()]
    assert lines[0] == f"transaction_confirmed {event['id']}"
    assert "big spoke" in lines
    assert 'huge silent: resource.counterparty_name == "x" is false' in told
    assert "\\u009b31mevil\\u202e" in told
    assert "1 rule looks at other events" in lines
    assert any(line.startswith("→ mail to finance@example.com: Paid: 12\u202f500,00") for line in lines), told

    resource = bank.books.get("transaction", event["resource_id"])
    assert resource is not None
    resource["status"] = "rejected"
    assert 'status: "confirmed" → "rejected"' in await _told(daemon, event["id"], "--fetch")
    resting = await _json(daemon, event["id"], "--rule", "resting")
    assert resting["rules"][0]["why"] == "mode: off, so it looks at no event"
    silences = await _json(daemon, "--rule", "huge")
    assert [(one["count"], one["latest_event_id"]) for one in silences["reasons"]] == [(1, event["id"])]

    assert await daemon.stop() == 0
    assert await _told(daemon, event["id"][:8]) == told
    assert await _json(daemon, "--rule", "huge", "--since", "1d") | {"since": ""} == silences | {"since": ""}
    assert 'status: "confirmed" → "rejected"' in await _told(daemon, event["id"], "--fetch")
    status, out, err = await daemon.run("why", "nothing-of-the-kind")
    assert (status, out) == (1, "")
    assert err == "memonotify: there is no event nothing-of-the-kind (memonotify events lists them)\n"
    everything = told + json.dumps(story) + json.dumps(silences)
    assert [secret for secret in (*SECRETS, bank.credentials.secret.reveal()) if secret in everything] == []


async def test_an_event_that_waits_for_the_bank_says_so(make_daemon: MakeDaemon, bank: StandInBank) -> None:
    daemon = await make_daemon(RULES)
    bank.go_away()
    event = await bank.raise_event("transaction_confirmed")
    await until(lambda: bool(daemon.events("event_put_off")), "the event being put off")
    story = await _json(daemon, event["id"])
    assert story["waiting"]["attempts"] >= 1
    assert story["other_rules"]["to_come"] == ["big", "huge", "broken"]
    assert "not evaluated yet" in await _told(daemon, event["id"])
    status, _, err = await daemon.run("why", event["id"], "--rule", "bog")
    assert status == 1
    assert "there is no rule bog" in err
    assert "(did you mean big?)" in err
