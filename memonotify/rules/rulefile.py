"""The text of a rule file in, a Document out: strict YAML, but for the one word that a rule may write without quotes.

Everything that reads rules reads them through here.
"""

from __future__ import annotations

from pathlib import Path

from memonotify.errors import Problem
from memonotify.model import Mode
from memonotify.rules.faults import shown
from memonotify.yamlsource import Document, parse, read
from memonotify.yamlsource import Path as DataPath


def read_rule_file(path: Path) -> tuple[Document | None, list[Problem]]:
    """Read a rule file; None where it is no YAML at all. Never raises."""
    return read(path, shown(path), _means_itself)


def parse_rules(text: str, path: Path) -> tuple[Document | None, list[Problem]]:
    """Parse what was read from the rule file at `path`; None where it is no YAML at all. Never raises."""
    return parse(text, shown(path), _means_itself)


def _means_itself(path: DataPath, text: str) -> bool:
    """Whether a plain word is text: the `off` of a rule's `mode`, where nobody could mean false."""
    return text == Mode.OFF and len(path) == 3 and path[0] == "rules" and path[2] == "mode"
