"""What a daemon remembers over a crash."""

from __future__ import annotations

import httpx
import pytest
from daemonparts import Daemon, MakeDaemon, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

LOW = """
rules:
  - name: low
    match: {event_type: account_updated}
    when: resource.balance < 500000
    fire: on_change
    key: "{{ resource.id }}"
    notify:
      - {channel: erp, json: {low: "{{ resource.balance }}"}}
    resolved:
      - {channel: erp, json: {fine: "{{ resource.balance }}"}}
"""


async def backlog(daemon: Daemon) -> int:
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer admin-token"}) as client:
        return int((await client.get(f"{daemon.admin}/api/status")).json()["backlog"])


async def test_a_balance_is_told_when_it_falls_and_recovers_with_a_crash_after_each_event(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    daemon = await make_daemon(LOW)
    account = bank.books.all("account")[0]["id"]
    for balance in (900_000, 100, 200, 900_000, 900_001, 5):
        await bank.raise_event("account_updated", {"resource.id": account, "resource.balance": balance})
        await bank.idle()
        while await backlog(daemon):
            pass
        await daemon.kill()
        await daemon.start()

    def said() -> list[object]:
        return [received.json for received in receivers.http.get("/hook", [])]

    await until(lambda: len({str(one) for one in said()}) == 3, "three messages")
    once = [one for at, one in enumerate(said()) if one not in said()[:at]]
    assert once == [{"low": 100}, {"fine": 900_000}, {"low": 5}]


async def test_what_waits_for_a_channel_that_was_removed_is_told_after_the_restart(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    rule = "rules:\n  - {name: told, match: {event_type: iban_created}, fetch: false, notify: [{channel: CHANNEL}]}\n"
    gone = "  gone: {type: http, url: 'http://127.0.0.1:1/'}\n"
    daemon = await make_daemon(rule.replace("CHANNEL", "gone"), channels=gone, extra="on_failure: {channel: erp}\n")
    await bank.raise_event("iban_created")
    await until(lambda: bool(daemon.events("delivery_retry")), "a first try")
    await daemon.kill()
    config = daemon.folder / "config.yaml"
    config.write_text(config.read_text().replace(gone, ""))
    (daemon.folder / "rules.yaml").write_text(rule.replace("CHANNEL", "erp"))
    await daemon.start()
    await until(lambda: len(receivers.http.get("/hook", [])) == 1, "a notice")
    (failure,) = receivers.http["/hook"][0].json["failures"]
    assert (failure["channel"], failure["reason"]) == ("gone", "configuration")
