"""Compares a message with what a test expects of it.

In: the fields that an expectation names, and a message. Out: the fields that differ, each with a word-level
difference as plain parts that a command can colour. `testing` calls. White space of every kind (a no-break space
before a euro sign, a line break) counts as one space.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

RULE_FIELDS: Final = ("rule", "channel")
"""What an expectation says of where a message comes from and goes to; all else is said of the message itself."""

_CONTAINED: Final = ("html",)
_LISTS: Final = ("to", "cc", "attach")
_NONE: Final = "(none)"
_MISSING: Final = "(missing)"
_GONE: Final = object()
"""Stands for a field that a message does not have, which is something else than one that is null."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words: in both, only in what is expected (`missing`), or only in the message (`extra`).

    Joined without anything between them, `same` and `missing` make what is expected, `same` and `extra` the message.
    """

    kind: Literal["same", "missing", "extra"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """A field of a message that is not as expected, such as `subject` or `json.cents`."""

    field: str
    expected: str
    got: str
    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected!r}, got {self.got!r}"


def differences(expected: Mapping[str, Any], payload: Mapping[str, Any]) -> tuple[FieldDifference, ...]:
    """Return where a message is not as expected; nothing where every field that is named fits.

    Texts are compared as a whole, `html` is contained in the message's, `json` and `headers` are subsets, the order of
    recipients does not count, files are compared by what they are.
    """
    found: list[FieldDifference] = []
    for field, value in expected.items():
        if field not in RULE_FIELDS:
            _compare(field, value, payload.get(field, _GONE), found)
    return tuple(found)


def normal(text: str) -> str:
    """Return a text with each run of white space as one space, and none around it."""
    return " ".join(text.split())


def _compare(field: str, expected: Any, got: Any, found: list[FieldDifference]) -> None:
    if field in _LISTS:
        if sorted(_as_list(expected)) != sorted(_as_list(got)):
            wanted, had = (", ".join(_as_list(value)) or _NONE for value in (expected, got))
            found.append(_difference(field, wanted, had))
    elif field in _CONTAINED and isinstance(expected, str) and isinstance(got, str):
        if normal(expected) not in normal(got):
            found.append(_difference(f"{field} (contains)", expected, got))
    elif field == "headers" and isinstance(expected, Mapping):
        given = got if isinstance(got, Mapping) else {}
        headers = {str(name).lower(): value for name, value in given.items()}
        for name, value in expected.items():
            _subset(f"headers.{name}", value, headers.get(str(name).lower(), _GONE), found)
    else:
        _subset(field, expected, got, found)


def _subset(path: str, expected: Any, got: Any, found: list[FieldDifference]) -> None:
    """A mapping may hold more than is expected, at any depth; all else is equal, numbers and texts told apart."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for name, value in expected.items():
            _subset(f"{path}.{name}", value, got.get(name, _GONE), found)
    elif _is_list(expected) and _is_list(got) and len(expected) == len(got):
        for index, (value, other) in enumerate(zip(expected, got, strict=True)):
            _subset(f"{path}[{index}]", value, other, found)
    elif not _equal(expected, got):
        if isinstance(expected, str) and isinstance(got, str):
            found.append(_difference(path, expected, got))
        else:
            found.append(_difference(path, _shown(expected), _shown(got)))


def _equal(expected: Any, got: Any) -> bool:
    if isinstance(expected, str) and isinstance(got, str):
        return normal(expected) == normal(got)
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    return bool(expected == got)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _as_list(value: Any) -> list[str]:
    if value is None or value is _GONE:
        return []
    return [normal(str(_named(item))) for item in (value if _is_list(value) else [value])]


def _named(item: Any) -> Any:
    return item.get("what", item) if isinstance(item, Mapping) else item


def _shown(value: Any) -> str:
    if value is _GONE:
        return _MISSING
    return _NONE if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _difference(field: str, expected: str, got: str) -> FieldDifference:
    return FieldDifference(field=field, expected=expected, got=got, pieces=_pieces(expected.split(), got.split()))


def _pieces(expected: list[str], got: list[str]) -> tuple[Piece, ...]:
    """The pieces in reading order; a piece ends with a space unless it ends its side."""

    def piece(kind: Literal["same", "missing", "extra"], words: list[str], start: int, end: int) -> Piece:
        return Piece(kind, " ".join(words[start:end]) + (" " if end < len(words) else ""))

    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(a=expected, b=got, autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(piece("same", expected, start, end))
            continue
        if end > start:
            pieces.append(piece("missing", expected, start, end))
        if other_end > other_start:
            pieces.append(piece("extra", got, other_start, other_end))
    return tuple(pieces)
