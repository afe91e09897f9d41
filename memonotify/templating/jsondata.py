"""Turns what an expression gave into JSON data.

Takes any value, gives dicts, lists, strings, numbers, booleans and None. Called for each typed value of a structure
and for the filter `tojson`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, KeysView, Mapping, ValuesView
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from jinja2 import Undefined

from memonotify.errors import RenderError

MAX_RENDERED = 1024 * 1024
"""How large one rendered text or structure may be, in bytes of UTF-8; 1 MiB."""

_MAX_DEPTH = 64


class Budget:
    """Counts what a structure holds, so that it is refused while it grows and not when memory is gone."""

    __slots__ = ("left",)

    def __init__(self, size: int = MAX_RENDERED) -> None:
        self.left = size

    def spend(self, size: int) -> None:
        """Take `size` characters off; raises RenderError where nothing is left."""
        self.left -= size
        if self.left < 0:
            raise too_large()


def too_large() -> RenderError:
    """Return the error of a text or structure over the limit."""
    return RenderError("the result is larger than 1 MiB")


def exact_number(value: Decimal) -> int | float:
    """Return a Decimal as the JSON number that reads back as the same Decimal.

    Raises:
        RenderError: there is none: it is not finite, or has more digits than a JSON number keeps.
    """
    if value.is_finite():
        if value == value.to_integral_value():
            return int(value)
        number = float(value)
        if Decimal(repr(number)) == value:
            return number
    raise RenderError(f"{value} is no exact number in JSON: use `| round(2)`, `| float` or `| string`")


def json_data(value: Any, *, escape: Callable[[Any], str] | None = None, budget: Budget | None = None) -> Any:
    """Return a value as fresh JSON data.

    Decimals become numbers, moments ISO 8601 strings, sequences lists. `escape` is applied to every string.

    Raises:
        RenderError: something in it has no form in JSON, or it is too large or too deeply nested.
        MissingError: a value in it is missing.
    """
    return _convert(value, escape, budget or Budget(), 0)


def json_text(value: Any) -> str:
    """Return a value as compact JSON text in UTF-8 characters; raises as `json_data` does."""
    return json.dumps(json_data(value), ensure_ascii=False)


def _convert(value: Any, escape: Callable[[Any], str] | None, budget: Budget, depth: int) -> Any:
    budget.spend(1)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        text = escape(value) if escape is not None else str(value)
        budget.spend(len(text))
        return text
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return _mapping(value, escape, budget, depth)
    if isinstance(value, list | tuple | range | Iterator | KeysView | ValuesView):
        _check_depth(depth)
        return [_convert(item, escape, budget, depth + 1) for item in value]
    return _scalar(value)


def _mapping(value: Mapping[Any, Any], escape: Callable[[Any], str] | None, budget: Budget, depth: int) -> Any:
    _check_depth(depth)
    result = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise RenderError(f"a key is {_named(key)}, but keys in JSON are strings")
        budget.spend(len(key))
        result[str(key)] = _convert(item, escape, budget, depth + 1)
    return result


def _scalar(value: Any) -> Any:
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, Decimal):
        return exact_number(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise RenderError(f"{value} is no number in JSON")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise RenderError(f"{_named(value)} has no form in JSON")


def _check_depth(depth: int) -> None:
    if depth >= _MAX_DEPTH:
        raise RenderError(f"the structure is nested deeper than {_MAX_DEPTH}")


def _named(value: Any) -> str:
    if callable(value):
        return "a function (are the parentheses of a call missing?)"
    return f"a value of the kind {type(value).__name__!r}"
