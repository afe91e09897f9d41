"""What waits for a policy survives a kill: it is told once, at its time, and in full."""

from __future__ import annotations

import asyncio

import pytest
from daemonparts import MakeDaemon, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

EVENTS = 300
RETURNS = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    group: {by: "{{ resource.currency }}", wait: WAIT, max: 300}
    notify:
      - channel: erp
        json:
          events: "{{ events | map(attribute='id') | list }}"
          amount: "{{ totals | map(attribute='amount') | sum }}"
          each: "{{ events | map(attribute='resource') | map(attribute='amount') | sum }}"
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_300_returned_debits_are_one_message_although_the_daemon_is_killed_in_the_middle(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, kind: str, request: pytest.FixtureRequest
) -> None:
    on = {} if kind == "sqlite" else {"store": request.getfixturevalue("postgres_url")}
    # The last of them ends the wait, however slow the machine is.
    daemon = await make_daemon(RETURNS.replace("WAIT", "10m"), **on)
    raised: list[str] = []
    for number in range(EVENTS):
        if number == EVENTS // 2:
            await daemon.kill()
            await daemon.start()
        event = await bank.raise_event("collection_returned", {"resource.amount": 1000 + number})
        raised.append(event["id"])
        await asyncio.sleep(0.005)
    await until(lambda: bool(receivers.http.get("/hook")), "the one message", 120)
    assert await daemon.stop() == 0
    (received,) = receivers.http["/hook"]
    assert sorted(received.json["events"]) == sorted(raised)
    assert received.json["amount"] == received.json["each"] == sum(1000 + number for number in range(EVENTS))
