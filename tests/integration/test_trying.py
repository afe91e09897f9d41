"""`memonotify try` for rules with policies, with the silences of a real store."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storeparts import a_silence

from memonotify.cli import root
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.model import Fate, Matchers
from memonotify.store import Store

CONFIG = """
store: sqlite:///store.db
timezone: Europe/Paris
workspaces: [{name: acme, tokens: [letmein]}]
hours:
  always:  # but for the last minute of a week
    - {from: "00:00", to: "23:59"}
    - {days: [mon, tue, wed, thu, fri, sat], from: "23:58", to: "24:00"}
channels: {erp: {type: http, url: "http://127.0.0.1:9/hooks"}}
rules: [rules.yaml]
"""
RULE = """
rules:
  - name: returns
    match: {{event_type: collection_returned}}
    fetch: false
    {policy}
    notify: [{{channel: erp, json: {{event: "{{{{ event.id }}}}"}}}}]
"""
EVENT = {
    "id": "e1", "date": "2026-03-02T09:00:00+00:00", "event_type": "collection_returned",
    "resource_type": "collection", "resource_id": "r1",
}  # fmt: skip


class House:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "event.json").write_text(json.dumps(EVENT))
        self.config = folder / "config.yaml"

    async def tried(self, policy: str, *arguments: str) -> Result:
        (self.folder / "rules.yaml").write_text(RULE.format(policy=policy))
        words = ["try", str(self.folder / "event.json"), "-c", str(self.config), *arguments]
        ended: Result = await asyncio.to_thread(CliRunner().invoke, root, words)
        return ended


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("policy", "says", "count"),
    [
        ("severity: info", "→ erp\n", "1 message would be sent."),
        (
            "mode: shadow",
            "→ erp would be suppressed by mode: shadow, so nothing is sent",
            "0 messages would be sent; 1 would be suppressed.",
        ),
        ("quiet: {hours: always}", "by quiet: always", "0 messages would be sent; 1 would wait first."),
        (
            'group: {by: "{{ event.resource_id }}", wait: 1m}',
            "→ erp would join a group, key r1, that is told at ",
            "0 messages would be sent; 1 would wait first.",
        ),
        (
            "escalate: {after: 24h, unless: {event_type: collection_confirmed}, notify: [{channel: erp, json: {}}]}",
            "unless collection_confirmed of the same resource_id comes",
            "1 message would be sent; 1 would follow later.",
        ),
        (
            'once: {per: "{{ event.resource_id }}", prefer: collection_updated, wait: 2m}\n    match: {}',
            "a better event for r1 may come (once)",
            "0 messages would be sent; 1 would wait first.",
        ),
    ],
)
async def test_what_becomes_of_a_message_is_said_and_only_what_is_sent_counts_as_sent(
    house: House, policy: str, says: str, count: str
) -> None:
    ended = await house.tried(policy) if "match" not in policy else await _any(house, policy)
    assert ended.exit_code == 0, ended.output
    assert says in ended.output
    assert ended.output.splitlines()[-1] == count


async def _any(house: House, policy: str) -> Result:
    """Try a rule that looks at every event."""
    text = RULE.replace("match: {{event_type: collection_returned}}\n", 'match: {{event_type: "*"}}\n')
    (house.folder / "rules.yaml").write_text(text.format(policy=policy.partition("\n")[0]))
    words = ["try", str(house.folder / "event.json"), "-c", str(house.config)]
    ended: Result = await asyncio.to_thread(CliRunner().invoke, root, words)
    return ended


async def test_a_silence_of_the_store_is_named_and_no_store_is_made_for_the_question(house: House) -> None:
    assert (await house.tried("severity: info")).exit_code == 0
    assert not (house.folder / "store.db").exists()
    config = load_config(house.config, environ={}).config
    now = datetime.now(UTC) - timedelta(minutes=5)
    async with Store(config.store, clock=SystemClock()) as store:
        await store.add_silence(a_silence("sil_1", at=now, matchers=Matchers(rule=("returns",)), then=Fate.DROP))
    ended = await house.tried("severity: info")
    assert "silent  returns: silence sil_1: works" in ended.output
    assert "0 messages would be sent; 1 would be suppressed." in ended.output
    (row,) = json.loads((await house.tried("severity: info", "--json")).output)
    assert [message["state"] for message in row["messages"]] == ["suppressed"]


async def test_a_long_condition_stands_there_once(house: House) -> None:
    ended = await house.tried('when: event.resource_id == "another"')
    assert ended.output.count('event.resource_id == "another"') == 1
    assert "silent  returns: when is false" in ended.output
