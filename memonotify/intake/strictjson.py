"""Reads a webhook's body strictly. Comes in: bytes of at most 64 KiB; goes out: the JSON object, or what is wrong.

Strict means RFC 8259 and what makes its result the same everywhere: UTF-8, no duplicate keys (RFC 7493 §2.3), no NaN or
infinity, no NUL and no lone surrogates (no database stores them), no nesting beyond 32.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

MAX_DEPTH: Final = 32


class StrictJsonError(ValueError):
    """The body is not strict JSON. Its text says why, without quoting the body."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise StrictJsonError("the same key stands twice in one object")
            seen.add(key)
    return result


def _constant(_name: str) -> Any:
    raise StrictJsonError("NaN and Infinity are not JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise StrictJsonError("a number is too large")
    return number


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    raise StrictJsonError(f"nested deeper than {MAX_DEPTH}")


def _check_text(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str):
            if "\0" in item:
                raise StrictJsonError("a string holds a NUL character")
            try:
                item.encode()
            except UnicodeEncodeError:
                raise StrictJsonError("a string holds half of a surrogate pair") from None


def text_of(raw: bytes) -> str:
    """Return the bytes as text.

    Raises:
        StrictJsonError: they are not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise StrictJsonError("not UTF-8") from None


def decode(text: str) -> Any:
    """Return the value that `text` holds.

    Raises:
        StrictJsonError: it is not strict JSON.
    """
    try:
        value = _decoder.decode(text)
    except StrictJsonError:
        raise
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise StrictJsonError(f"nested deeper than {MAX_DEPTH}") from None
    except ValueError:
        raise StrictJsonError("a number is too large") from None
    # The walks are needed only where the text could hold what they look for, which an event of the bank never does.
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(value)
    if "\\u" in text:
        _check_text(value)
    return value
