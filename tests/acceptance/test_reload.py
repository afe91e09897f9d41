"""SIGHUP puts edited rules in force, and a broken edit leaves the running ones alone."""

from __future__ import annotations

import signal

import pytest
from daemonparts import MakeDaemon, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

RULE = """
rules:
  - name: NAME
    match: {event_type: iban_created}
    fetch: false
    notify: [{channel: erp, json: {rule: NAME}}]
"""


async def test_an_edit_takes_effect_and_a_broken_one_does_not(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    daemon = await make_daemon(RULE.replace("NAME", "first"))
    assert daemon.process is not None
    (daemon.folder / "rules.yaml").write_text(RULE.replace("NAME", "second"))
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: bool(daemon.events("rules_reloaded")), "a reload")
    # A channel that the file names by now and the daemon does not have: its messages would never be sent.
    config = daemon.folder / "config.yaml"
    config.write_text(config.read_text().replace("  erp:", "  new: {type: http, url: 'http://127.0.0.1:1/'}\n  erp:"))
    (daemon.folder / "rules.yaml").write_text(RULE.replace("erp", "new"))
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: bool(daemon.events("reload_refused")), "a refused reload")
    await bank.raise_event("iban_created")
    await until(lambda: bool(receivers.http.get("/hook")), "a message")
    assert [received.json for received in receivers.http["/hook"]] == [{"rule": "second"}]
    assert await daemon.stop() == 0
