"""Turns a webhook's body into an Event. Comes in: raw bytes; goes out: the event's fields, or what is wrong with them.

Facts: the bank's webhook schema names five required fields; ids and types are opaque strings whose format may change,
so they are only required to be safe tokens.
"""

from __future__ import annotations

import re
from typing import Any, Final

from memonotify.intake.strictjson import StrictJsonError, decode, text_of
from memonotify.model import said_at

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TYPE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DATE: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)", re.ASCII
)
_ID_RULE: Final = "1 to 128 letters, digits, _ and -"
_TYPE_RULE: Final = "1 to 64 letters, digits, _, . and -"
_FIELDS: Final = (
    ("id", _ID, _ID_RULE),
    ("event_type", _TYPE, _TYPE_RULE),
    ("resource_type", _TYPE, _TYPE_RULE),
    ("resource_id", _ID, _ID_RULE),
    ("date", _DATE, "an ISO 8601 moment with a zone"),
)


class InvalidEvent(ValueError):  # noqa: N818 - a value for the 400 it becomes
    """The body is not an event; the text says which field and why, and quotes nothing."""


def _is_moment(text: str) -> bool:
    return said_at(text) is not None


def read_event(raw: bytes) -> tuple[dict[str, Any], str]:
    """Return the event's body, all its fields kept, with the five required ones checked; and the same as text.

    Raises:
        InvalidEvent: the body is not strict JSON, not an object, or a field is missing or ill-formed.
    """
    try:
        text = text_of(raw)
        body = decode(text)
    except StrictJsonError as error:
        raise InvalidEvent(str(error)) from None
    if type(body) is not dict:
        raise InvalidEvent("the body is not a JSON object")
    for name, pattern, rule in _FIELDS:
        value = body.get(name)
        if type(value) is not str:
            raise InvalidEvent(f"{name} is missing" if name not in body else f"{name} is not a string")
        if pattern.fullmatch(value) is None:
            raise InvalidEvent(f"{name} is not {rule}")
    if not _is_moment(body["date"]):
        raise InvalidEvent("date is not an ISO 8601 moment with a zone")
    return body, text
