"""What no rule handles, and what never spoke."""

from __future__ import annotations

from typing import Any

import pytest

from memonotify.catalogue import EVENT_TYPES
from memonotify.rules.coverage import covered

NOTHING: dict[str, Any] = {"event_types": {}, "rules": [], "channels": []}
RULES = """
rules:
  - name: transfers
    match: {event_type: "transfer_*"}
    fetch: false
    notify: [{channel: erp, json: {a: 1}}]
  - name: asleep
    mode: off
    severity: critical
    match: {event_type: account_closed}
    fetch: false
    notify: [{channel: erp, json: {a: 1}}]
"""


@pytest.fixture
def loaded(rules_folder):
    rules_folder.write("rules/a.yaml", RULES)
    found = rules_folder.load()
    return found.ruleset, rules_folder.config()


def test_every_type_that_no_rule_handles_is_named_those_that_came_first(loaded) -> None:
    ruleset, config = loaded
    seen = NOTHING | {
        "event_types": {
            "brand_new": {"resource_type": "novelty", "count": 2},
            "account_updated": {"resource_type": "account", "count": 7},
            "transfer_failed": {"resource_type": "transfer", "count": 9},
        }
    }
    types = covered(ruleset, config, seen)["event_types"]
    assert types[:2] == [{"event_type": "account_updated", "count": 7}, {"event_type": "brand_new", "count": 2}]
    assert {row["event_type"] for row in types[2:]} == {
        name for name in EVENT_TYPES if not name.startswith("transfer_") and name != "account_updated"
    }


def test_rules_that_never_spoke_and_channels_that_never_delivered_are_named(loaded) -> None:
    ruleset, config = loaded
    found = covered(ruleset, config, NOTHING)
    assert [(row["rule"], row["mode"], row["severity"]) for row in found["rules"]] == [
        ("transfers", "live", "info"),
        ("asleep", "off", "critical"),
    ]
    assert set(found["channels"]) == set(config.channels)
    found = covered(ruleset, config, NOTHING | {"rules": ["transfers"], "channels": list(config.channels)})
    assert [row["rule"] for row in found["rules"]] == ["asleep"]
    assert found["channels"] == []
