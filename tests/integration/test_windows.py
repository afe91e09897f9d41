"""A rule that counts is added to a running daemon: it sees the past, and `try` sees what the daemon has counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner

from memonotify.app import App
from memonotify.cli import root
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.model import Event, EventState
from memonotify.rules.loader import load_rules
from memonotify.templating import Templates

CONFIG = """
server: {listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}
admin: {listen: "127.0.0.1:0", token: letmein}
store: sqlite:///store.db
workspaces: [{name: acme, tokens: [letmein]}]
channels:
  erp: {type: http, url: "http://127.0.0.1:9/hooks"}
rules: [rules.yaml]
"""
PLAIN = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    notify: [{channel: erp, json: {said: nothing}}]
"""
COUNTING = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    window: {returns: {count: true, by: "{{ event.event_type }}", within: 7d}}
    when: returns > 3
    notify: [{channel: erp, json: {count: "{{ returns }}"}}]
"""


def body(number: int) -> dict[str, str]:
    return {
        "id": f"evt-{number}",
        "date": SystemClock().now().isoformat(),
        "event_type": "collection_returned",
        "resource_type": "collection",
        "resource_id": f"c{number}",
    }


async def evaluated(app: App, number: int) -> Event:
    """Take an event in and wait until it is evaluated."""
    facts = body(number)
    event = Event(workspace="acme", body=facts, received_at=SystemClock().now(), **facts)
    seq = await app.store.receive(event)
    assert seq is not None
    app.engine.submit(event, seq)
    async with asyncio.timeout(20):
        while True:
            found = await app.store.event("acme", event.id)
            if found is not None and found.state is EventState.EVALUATED:
                return found
            await asyncio.sleep(0.02)


async def test_a_rule_that_is_added_while_the_daemon_runs_has_counted_all_along(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules.yaml").write_text(PLAIN)
    config = load_config(tmp_path / "config.yaml", environ={}).config
    templates = Templates(folder=None, locale=config.locale, timezone=config.timezone)
    async with App(config, load_rules(config, templates).ruleset) as app:
        for number in range(3):
            await evaluated(app, number)
        (tmp_path / "rules.yaml").write_text(COUNTING)
        await app.reload()
        await evaluated(app, 3)
        (told,) = await app.store.deliveries(event_id="evt-3")
        assert told.payload["json"] == {"count": 4}
        (tmp_path / "event.json").write_text(json.dumps(body(9)))
        words = ["try", str(tmp_path / "event.json"), "-c", str(tmp_path / "config.yaml"), "--json"]
        tried = await asyncio.to_thread(CliRunner().invoke, root, words)
    assert tried.exit_code == 0, tried.output
    assert '"count": 5' in tried.stdout


async def test_what_a_daemon_counted_is_there_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules.yaml").write_text(COUNTING)
    config = load_config(tmp_path / "config.yaml", environ={}).config
    templates = Templates(folder=None, locale=config.locale, timezone=config.timezone)
    for number in range(4):
        async with App(config, load_rules(config, templates).ruleset) as app:
            await evaluated(app, number)
            told = await app.store.deliveries(rule="returns")
    assert [each.payload["json"] for each in told] == [{"count": 4}]
