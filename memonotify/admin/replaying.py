"""A replay as the API speaks of it: the body of a request, and the answer, as plain JSON data.

`admin.api` reads requests by it; `memonotify replay` makes and reads the same, so that it need not care who answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from memonotify.past import ReplayedMessage, ReplayOrder, ReplayPage, Selection

MOST_IDS: Final = 5000
"""Names in one list: more would not fit the largest request."""
_LABEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_KEYS: Final = frozenset(
    {"ids", "workspace", "since", "until", "rule", "resend", "label", "stored", "send", "only", "after", "limit"}
)


def order_of(body: Any) -> ReplayOrder:
    """Return what a request's body asks for.

    Raises:
        ValueError: it is not such a body; says what is wrong.
    """
    if not isinstance(body, dict):
        raise ValueError("the body is not an object")  # noqa: TRY004 - the caller's mistake, told as the others are
    unknown = body.keys() - _KEYS
    if unknown:
        raise ValueError(f"{min(unknown)} is not a key of a replay")
    ids, since = _names(body, "ids"), _moment(body, "since")
    if (ids is None) == (since is None):
        raise ValueError("name events under ids, or say since")
    label = _text(body, "label") or ""
    if label and not _LABEL.fullmatch(label):
        raise ValueError("label is 1 to 64 of letters, digits, `_`, `.` and `-`")
    resend = _flag(body, "resend")
    if label and not resend:
        raise ValueError("label goes with resend")
    only = _names(body, "only")
    return ReplayOrder(
        selection=Selection(
            event_ids=ids, workspace=_text(body, "workspace"), since=since, until=_moment(body, "until")
        ),
        rule=_text(body, "rule"),
        resend=resend,
        label=label,
        stored=_flag(body, "stored"),
        send=_flag(body, "send"),
        only=None if only is None else frozenset(only),
        after=_number(body, "after", 0, least=0),
        limit=_number(body, "limit", 100, least=1),
    )


def _names(body: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > MOST_IDS:
        raise ValueError(f"{key} is a list of at most {MOST_IDS} texts")
    return tuple(value)


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is a text")
    return value


def _flag(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is true or false")  # noqa: TRY004 - the caller's mistake, told as the others are
    return value


def _number(body: Mapping[str, Any], key: str, default: int, *, least: int) -> int:
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**62:
        raise ValueError(f"{key} is a whole number from {least} on")
    return value


def _moment(body: Mapping[str, Any], key: str) -> datetime | None:
    text = _text(body, key)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{key} is not an ISO 8601 moment") from None
    if at.tzinfo is None:
        raise ValueError(f"{key} has no zone")
    return at


def page_json(page: ReplayPage) -> dict[str, Any]:
    """Return what a replay says of a page of events."""
    return {
        "messages": [message_json(message) for message in page.messages],
        "events": list(page.event_ids),
        "unevaluated": list(page.unevaluated),
        "total": page.total,
        "after": page.after,
    }


def message_json(message: ReplayedMessage) -> dict[str, Any]:
    """Return one message of a replay."""
    return {
        "event_id": message.event_id,
        "workspace": message.workspace,
        "event_type": message.event_type,
        "rule": message.rule,
        "channel": message.channel or None,
        "standing": str(message.standing),
        "id": message.delivery_id or None,
        "headline": message.headline,
        "detail": message.detail,
        "written": message.written,
    }
