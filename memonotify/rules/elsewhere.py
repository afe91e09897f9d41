"""Whose messages a trial of some rule files does not speak of: the rules of the configuration's other files.

In: the configuration, the files on trial, and the names of their rules. Out: the names of rules that stay as they are.
`memonotify backtest` asks.

A file on trial stands for the configuration's file of the same place, and for every one that has a rule of the same
name: that is what a copy looks like. Every other file stays. So a rule that the trial left out counts as gone, and one
that stands in another file does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memonotify.config.values import Config
from memonotify.rules.loader import rule_files
from memonotify.rules.rulefile import read_rule_file


def names_elsewhere(config: Config, files: Sequence[Path], names: frozenset[str]) -> frozenset[str]:
    """Return the names of the rules that stay beside those of `files`, which are called `names`."""
    on_trial = {file.resolve() for file in files}
    others = [_names(path) for path in rule_files(config) if path.resolve() not in on_trial]
    return frozenset().union(*(own for own in others if own.isdisjoint(names)))


def _names(path: Path) -> frozenset[str]:
    """Return the names that a file gives its rules, whether or not the rest of it is right."""
    document, _ = read_rule_file(path)
    data = document.data if document is not None else None
    rules = data.get("rules") if isinstance(data, dict) else None
    found = [rule.get("name") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    return frozenset(name for name in found if isinstance(name, str))
