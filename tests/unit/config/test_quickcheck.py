"""The quick check never takes for valid what jsonschema refuses, and takes what people write for valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from memonotify.config.quickcheck import quick_check
from memonotify.config.schema import rules_schema
from memonotify.yamlsource import read

_RULES = sorted((Path(__file__).parents[3] / "rules").glob("*.yaml"))
_SCHEMA = rules_schema()
_QUICK = quick_check(_SCHEMA)
_EXACT = Draft7Validator(_SCHEMA)

_ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    5,
    5000,
    -1,
    1.0,
    float("nan"),
    "",
    "a b",
    "*",
    "on_change",
    [],
    ["a"],
    [1],
    {},
    {"a": "b"},
    {"": None},
]
_KEYS = [
    *_SCHEMA["definitions"]["rule"]["properties"],
    "max",
    "count",
    *_SCHEMA["definitions"]["entry"]["properties"],
    "other",
]


def _data(path: Path) -> Any:
    document, problems = read(path, path.name)
    assert document is not None
    assert not problems
    return document.data


@pytest.mark.parametrize("path", _RULES, ids=lambda path: path.name)
def test_the_shipped_rules_need_no_closer_look(path: Path) -> None:
    assert _QUICK(_data(path))


@given(data=st.data())
def test_what_is_taken_for_valid_is_valid(data: st.DataObject) -> None:
    document = _data(data.draw(st.sampled_from(_RULES)))
    holders = list(_holders(document))
    for _ in range(data.draw(st.integers(0, 2))):
        holder, key = data.draw(st.sampled_from(holders))
        change = data.draw(st.sampled_from(["set", "drop", "add"]))
        if change == "drop":
            if isinstance(holder, dict):
                holder.pop(key, None)
        elif change == "add" and isinstance(holder, dict):
            holder[data.draw(st.sampled_from(_KEYS))] = data.draw(st.sampled_from(_ODD))
        else:
            holder[key] = data.draw(st.sampled_from(_ODD))
    if _QUICK(document):
        assert _EXACT.is_valid(document)


def _holders(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _holders(inner)


def test_a_keyword_that_it_does_not_know_is_looked_at_closely() -> None:
    assert not quick_check({"type": "string", "format": "date"})("2026-03-02")
    assert not quick_check({"type": "integer"})(1.0)
    assert not quick_check(False)("a")  # type: ignore[arg-type]


def test_a_schema_may_lead_back_to_itself() -> None:
    tree = {"type": "array", "items": {"$ref": "#/definitions/tree"}}
    check = quick_check({"$ref": "#/definitions/tree", "definitions": {"tree": tree}})
    assert check([[], [[]]])
    assert not check([[], ["a"]])
