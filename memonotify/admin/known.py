"""What an explanation knows beside the store: the rules in force, and the bank.

The daemon gives it; where none runs, the command does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from memonotify.model import Snapshot
from memonotify.rules.values import Ruleset


class Bank(Protocol):
    """What is used of the bank's client."""

    async def fetch(self, path: str) -> Snapshot: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside the store: the rules in force (None: they cannot be told), each workspace's bank, the paths
    of added resource types, the workspaces whose bank is taken to be away, with why, and all workspaces (None: they
    cannot be told). `runs`: a daemon tells it."""

    rules: Ruleset | None = None
    banks: Mapping[str, Bank] = field(default_factory=dict)
    resource_types: Mapping[str, str] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    workspaces: tuple[str, ...] | None = None
    runs: bool = False
