"""What a message says, in one short line, for lists and explanations. Pure.

In: a delivery's payload, in the shape of its channel's message. Out: its recipients where it names some, and its
subject in short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from memonotify.admin.discreet import discreet

MAX_GIST: Final = 120


def gist(payload: Mapping[str, Any]) -> str:
    """Return a mail's subject, the first line of a Slack message, or the beginning of what an HTTP call carries."""
    for name in ("subject", "text", "body"):
        said = payload.get(name)
        if isinstance(said, str) and said.strip():
            return _short(said.strip().splitlines()[0])
    return _short(json.dumps(payload["json"], ensure_ascii=False)) if "json" in payload else ""


def recipients(payload: Mapping[str, Any]) -> list[str]:
    """Return to whom a mail goes beyond its channel's own recipients: `to` and `cc`."""
    found = []
    for name in ("to", "cc"):
        given = payload.get(name, ())
        found += [str(one) for one in given] if isinstance(given, list) else []
    return found


def _short(text: str) -> str:
    text = discreet(text)
    return text if len(text) <= MAX_GIST else text[: MAX_GIST - 1] + "…"
