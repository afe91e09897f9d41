"""What is not done with in one workspace, as the store knows it: a noun of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItems:
    """Messages that are dead or held back, events not evaluated yet, and wire transfers that wait for a document: the
    bodies of the events that said so, behind which nothing came of the same transfer."""

    dead: int
    held: int
    waiting: int
    wires: tuple[Mapping[str, Any], ...]
