"""What is posted to Slack: a message within Slack's limits, what exceeds one cut with …, and a bar for its severity.

Comes in: a payload from a template. Goes out: a new payload within the limits of Slack's Block Kit reference (text
40,000 characters; 50 blocks; section text 3,000; fields 10 of 2,000; header 150; context 10 elements; actions 25).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

TEXT_CHARACTERS: Final = 40_000
BLOCKS: Final = 50
_SECTION_CHARACTERS: Final = 3000
_FIELD_CHARACTERS: Final = 2000
_HEADER_CHARACTERS: Final = 150
_BUTTON_CHARACTERS: Final = 75
_LISTS: Final = {"fields": 10, "elements": 10}
_ACTIONS: Final = 25
_COLOURS: Final = {"warning": "warning", "critical": "danger"}
_HALF_ENTITY = re.compile(r"&[a-z]{0,4}\Z")


def fit(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is posted: `text` and `blocks` within the limits, and a coloured bar below them for a severity.

    The message itself stays out of the attachment, which is the only place for a colour: Slack folds long attachments
    up, and notifications show the text of the message.
    """
    message: dict[str, Any] = {}
    if "text" in payload:
        message["text"] = cut(str(payload["text"]), TEXT_CHARACTERS)
    blocks = payload.get("blocks")
    if isinstance(blocks, list) and blocks:
        shown = blocks if len(blocks) <= BLOCKS else blocks[: BLOCKS - 1]
        message["blocks"] = [_block(block) for block in shown]
        if len(blocks) > BLOCKS:
            rest = f"… {len(blocks) - BLOCKS + 1} more"
            message["blocks"].append({"type": "context", "elements": [{"type": "plain_text", "text": rest}]})
    severity = payload.get("severity")
    if severity in _COLOURS:
        word = str(severity).capitalize()
        message["attachments"] = [{"color": _COLOURS[severity], "text": word, "fallback": word}]
    return message


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters, the last one … where something is missing."""
    if len(text) <= limit:
        return text
    return _HALF_ENTITY.sub("", text[: limit - 1]) + "…"


def _block(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return block
    kind = block.get("type")
    fitted = dict(block)
    if "text" in fitted:
        fitted["text"] = _text(fitted["text"], _HEADER_CHARACTERS if kind == "header" else _SECTION_CHARACTERS)
    for name, most in _LISTS.items():
        if isinstance(fitted.get(name), list):
            most = _ACTIONS if kind == "actions" else most
            fitted[name] = [_element(element) for element in fitted[name][:most]]
    return fitted


def _element(element: Any) -> Any:
    """Fit a field, an element of a context (both text objects) or a button."""
    if not isinstance(element, Mapping) or "text" not in element:
        return element
    if isinstance(element["text"], Mapping):
        return {**element, "text": _text(element["text"], _BUTTON_CHARACTERS)}
    return _text(element, _FIELD_CHARACTERS)


def _text(text: Any, limit: int) -> Any:
    """Fit a text object. Slack refuses a whole message for one empty text, so an empty one becomes a dash."""
    if not isinstance(text, Mapping) or not isinstance(text.get("text"), str):
        return text
    return {**text, "text": cut(text["text"], limit) if text["text"].strip() else "–"}
