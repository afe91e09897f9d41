"""What a rule is called and whom it speaks to, known whether or not the rest of it compiles.

Made by `reader`; `loader` and `expectations` check names against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One rule as its file names it (`line` from 1): the channels of its messages, the names of its look-ups, whether
    it remembers what it answered, tells a key once, is a report, or speaks of what has not come, after how many seconds
    it escalates, and what each of its windows tells."""

    name: str
    file: str
    line: int
    channels: frozenset[str]
    lookups: frozenset[str]
    on_change: bool = False
    once: bool = False
    afters_s: frozenset[float] = frozenset()
    is_report: bool = False
    windows: Mapping[str, str] = field(default_factory=dict)
    expects: bool = False
