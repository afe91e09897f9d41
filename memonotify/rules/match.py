"""What a rule matches on: three facts of an event, each a list of values and globs, or nothing at all.

Comes from the rules' loader; the index and the notes ask it, and who has to tell why a rule does not look. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

_GLOB_SIGNS = frozenset("*?[")


def is_glob(pattern: str) -> bool:
    """Tell a glob (`*`, `?`, `[…]`) from a plain value; the bank's type names and workspaces hold none of its signs."""
    return not _GLOB_SIGNS.isdisjoint(pattern)


def fits(patterns: tuple[str, ...] | None, value: str) -> bool:
    """Tell whether a value is one of the patterns, case told apart; None means that anything fits."""
    return patterns is None or any(fnmatchcase(value, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which events a rule looks at. None: a key that is not given fits every value."""

    event_type: tuple[str, ...] | None = None
    resource_type: tuple[str, ...] | None = None
    workspace: tuple[str, ...] | None = None

    def fits(self, event_type: str, resource_type: str, workspace: str) -> bool:
        """Tell whether an event of these facts is one that the rule looks at."""
        return (
            fits(self.event_type, event_type)
            and fits(self.resource_type, resource_type)
            and fits(self.workspace, workspace)
        )

    def misfit(self, event_type: str, resource_type: str, workspace: str) -> str:
        """Say which is the first fact that does not fit, and what the rule looks at; empty where all fit."""
        for name, patterns, value in (
            ("event_type", self.event_type, event_type),
            ("resource_type", self.resource_type, resource_type),
            ("workspace", self.workspace, workspace),
        ):
            if patterns is not None and not fits(patterns, value):
                return f"match: {name} is {value}, and the rule looks at {', '.join(patterns)}"
        return ""
