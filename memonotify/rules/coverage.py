"""What the rules do not cover, told from what the store has seen. Pure: rules, configuration and counts in, data out.

`memonotify coverage` calls it; the console can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memonotify.catalogue import EVENT_TYPES
from memonotify.config.values import Config
from memonotify.rules.values import Ruleset


def covered(ruleset: Ruleset, config: Config, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return event types that no rule handles (most frequent first), rules that never spoke, channels that never
    delivered. `seen` has `event_types` (resource type and count by type), `rules` that spoke and `channels` that
    delivered, as the store counts them."""
    types: dict[str, tuple[str, int]] = {name: (resource, 0) for name, resource in EVENT_TYPES.items()}
    types |= {name: (row["resource_type"], row["count"]) for name, row in seen["event_types"].items()}
    spoke, delivered = set(seen["rules"]), set(seen["channels"])
    unhandled = [
        {"event_type": name, "count": count}
        for name, (resource, count) in types.items()
        if not any(ruleset.candidates(name, resource, workspace.name) for workspace in config.workspaces)
    ]
    return {
        "event_types": sorted(unhandled, key=lambda row: (-int(str(row["count"])), str(row["event_type"]))),
        "rules": [
            {
                "rule": rule.name,
                "mode": str(rule.mode),
                "severity": str(rule.severity),
                "policies": list(rule.policies),
                "file": rule.file,
                "line": rule.line,
            }
            for rule in ruleset.rules
            if rule.name not in spoke
        ],
        "channels": [name for name in config.channels if name not in delivered],
    }
