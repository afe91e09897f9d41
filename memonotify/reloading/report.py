"""What a reload did, as a value and as the JSON that the API answers. Pure; made by the reloader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memonotify.errors import Problem
from memonotify.rules.difference import Difference
from memonotify.rules.values import Rule
from memonotify.rules.versions import InForce, Refused

CONFIG_CHANGED: Final = "config.yaml has changed since the start: restart to use it"

LISTED: Final = 20
"""So many problems of one file are told; where there are more, the first ones are the cause as a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """One reload: what is in force now, how it differs from before, and what else is to be said (`remarks`)."""

    in_force: InForce
    difference: Difference
    remarks: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether every file is in force as it is on disk."""
        return not self.in_force.refused

    @property
    def summary(self) -> str:
        """One sentence that says what is wrong; empty where nothing is."""
        refused = self.in_force.refused
        if not refused:
            return ""
        one, fallen = len(refused) == 1, sum(each.has_version for each in refused)
        files = refused[0].file if one else f"{len(refused)} files"
        if fallen == len(refused):
            return f"{files} {'is' if one else 'are'} wrong; {_last_good(one)}"
        if not fallen:
            return f"{files} {'is' if one else 'are'} wrong, and of {'it' if one else 'them'} nothing is in force"
        return f"{files} are wrong; of {len(refused) - fallen} nothing is in force, of the others the last good version"

    def json(self) -> dict[str, Any]:
        """Return it as the API answers it. Paths are relative to `folder`, or absolute."""
        return {
            "ok": self.is_well,
            "added": [_rule(rule) for rule in self.difference.added],
            "changed": [_rule(rule) for rule in self.difference.changed],
            "removed": [_rule(rule) for rule in self.difference.removed],
            "problems": [_problem(problem) for problem in self.in_force.problems],
            "degraded": degraded(self.in_force.refused),
            "remarks": list(self.remarks),
            "rules": len(self.in_force.ruleset.rules),
            "folder": str(Path.cwd()),
        }


def degraded(refused: Sequence[Refused]) -> list[dict[str, Any]]:
    """Return the files that are wrong, each with its first problems and whether its last good version is in force."""
    return [
        {
            "file": each.file,
            "problems": [str(problem) for problem in each.problems[:LISTED]],
            "last_good": each.has_version,
        }
        for each in refused
    ]


def consequence(refused: Refused) -> str:
    """Return what follows of a file being wrong."""
    return _last_good(True) if refused.has_version else "none of its rules are in force"


def _last_good(one: bool) -> str:
    return "its last good version stays in force" if one else "their last good versions stay in force"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "severity": str(rule.severity),
        "policies": list(rule.policies),
        "file": rule.file,
        "line": rule.line,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }
