"""Compares a message with what a test expects of it.

In: the fields that an expectation names, and a message. Out: the fields that differ, each with a word-level
difference as plain parts that a command can colour. `shortfalls` calls. White space of every kind (a no-break space
before a euro sign, a line break) counts as one space, in texts of `json` and in HTML as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from memonotify.engine.wording import Piece, Style, distance, nearest_place, normal, normal_html, pieces

RULE_FIELDS: Final = ("rule", "channel", "after")
"""What an expectation says of where a message comes from and goes to; all else is said of the message itself."""

_CONTAINED: Final = ("html",)
_LISTS: Final = ("to", "cc", "attach")
_NONE: Final = "(none)"
_MISSING: Final = "(missing)"
_GONE: Final = object()
"""Stands for a field that a message does not have, which is something else than one that is null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """A field of a message that is not as expected, such as `subject` or `json.cents`.

    Of `html`, which is to contain what is expected, `got` is the whole.
    """

    field: str
    expected: str
    got: str
    style: Style = "text"

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The words that both have and those that only one has; what surrounds the place in HTML is left out."""
        if self.style == "html":
            return _core(pieces(self.expected, nearest_place(self.expected, self.got), "html"))
        return pieces(self.expected, self.got, self.style)

    @property
    def distance(self) -> float:
        """How far the two are from each other: more than 0, and 1 where they share no word."""
        return max(distance(self.expected, self.got), 0.01)

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


def _compare(field: str, expected: Any, got: Any, found: list[FieldDifference]) -> None:
    if field in _LISTS:
        if sorted(_as_list(expected)) != sorted(_as_list(got)):
            wanted, had = (", ".join(sorted(_as_list(value))) or _NONE for value in (expected, got))
            found.append(_difference(field, wanted, had, "list"))
    elif field in _CONTAINED and isinstance(expected, str) and isinstance(got, str):
        if normal_html(expected) not in normal_html(got):
            found.append(_difference(f"{field} (contains)", expected, got, "html"))
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


def _core(found: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Leave out what the message has before and behind the place that comes nearest, where there is one."""
    if all(piece.kind != "same" for piece in found):
        return found
    start = 1 if found[0].kind == "extra" else 0
    end = len(found) - (1 if found[-1].kind == "extra" and found[-2].kind == "same" else 0)
    return found[start:end]


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


def _difference(field: str, expected: str, got: str, style: Style = "text") -> FieldDifference:
    spaced = normal_html if style == "html" else normal
    return FieldDifference(field=field, expected=spaced(expected), got=spaced(got), style=style)
