"""What a rule is called and whom it speaks to, known whether or not the rest of it compiles.

Made by `reader`; `loader` and `expectations` check names against it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One rule as its file names it (`line` from 1): the channels of its messages, the names of its look-ups, and
    whether it remembers what it answered, is a report, or speaks of what has not come."""

    name: str
    file: str
    line: int
    channels: frozenset[str]
    lookups: frozenset[str]
    on_change: bool = False
    is_report: bool = False
    expects: bool = False
