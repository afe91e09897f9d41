"""What can be said of an event without a template: its facts, and those of the resource, each with a label.

Takes bodies as the bank sent them, gives lines of label and text. The plain form and the default messages are made of
these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from memonotify.errors import RenderError

Fact = tuple[str, str]

MAX_FACTS: Final = 40
"""How many facts one message lists."""

_MAX_TEXT: Final = 500
_OF_EVENT: Final = (
    ("Event", "event_type"),
    ("Date", "date"),
    ("Resource", "resource_type"),
    ("Resource id", "resource_id"),
    ("Event id", "id"),
)


def event_facts(event: Mapping[str, Any], workspace: str = "") -> list[Fact]:
    """Return what an event says, additional fields included."""
    facts = [(label, _text(event[key])) for label, key in _OF_EVENT if key in event]
    if workspace:
        facts.append(("Workspace", workspace))
    known = {key for _, key in _OF_EVENT}
    facts += [(_label(key), _text(value)) for key, value in event.items() if key not in known]
    return facts[:MAX_FACTS]


def resource_facts(resource: Any, money: Callable[[Any], str]) -> list[Fact]:
    """Return the fields of a resource that have one value each; its amount as `money` writes it."""
    if not isinstance(resource, Mapping):
        return []
    facts = []
    for key, value in resource.items():
        if value is None or isinstance(value, Mapping | list) or (key == "currency" and "amount" in resource):
            continue
        facts.append((_label(key), _money(resource, money) if key == "amount" else _text(value)))
    return facts[:MAX_FACTS]


def as_lines(facts: Sequence[Fact]) -> str:
    """Return facts as plain text, one a line, the values aligned."""
    width = max((len(label) for label, _ in facts), default=0) + 2
    return "\n".join(f"{label + ':':<{width}}{value}" for label, value in facts)


def _money(resource: Mapping[str, Any], money: Callable[[Any], str]) -> str:
    try:
        return money(resource)
    except RenderError:
        return _text(resource["amount"])


def _label(key: Any) -> str:
    return str(key).replace("_", " ").capitalize()[:60]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
