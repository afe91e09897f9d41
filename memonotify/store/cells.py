"""How a value of ours stands in a column, both ways: moments, JSON, text from outside.

Pure functions; called by the statements of this package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")

MAX_DETAIL: Final = 4_000
"""Characters kept of a text that says what went wrong; it may hold a receiver's whole answer."""

encode: Final[Callable[[Any], str]] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""JSON data to ASCII text: lone surrogates and U+0000, legal in JSON's escapes, are legal in no database's text."""

decode: Final[Callable[[str], Any]] = json.JSONDecoder().decode
"""What `encode` wrote, back as data."""


def micros(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970; a naive one raises TypeError."""
    delta = moment - _EPOCH
    return delta.days * _DAY_US + delta.seconds * 1_000_000 + delta.microseconds


def moment(value: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC moment."""
    return _EPOCH + timedelta(microseconds=value)


def optional_micros(value: datetime | None) -> int | None:
    """Return `micros`, or None of None."""
    return None if value is None else micros(value)


def optional_moment(value: int | None) -> datetime | None:
    """Return `moment`, or None of None."""
    return None if value is None else moment(value)


def storable(value: str) -> str:
    """Return the text with what no database takes (U+0000, lone surrogates) replaced by U+FFFD."""
    return value if value.isascii() and "\0" not in value else _UNSTORABLE.sub("�", value)


def detail(value: str) -> str:
    """Return a storable text of at most MAX_DETAIL characters."""
    return storable(value if len(value) <= MAX_DETAIL else value[: MAX_DETAIL - 1] + "…")
