"""What counts as strict JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.intake import strictjson
from memonotify.intake.strictjson import MAX_DEPTH, StrictJsonError


def decode(raw: bytes) -> object:
    return strictjson.decode(strictjson.text_of(raw))


_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_JSON, st.booleans())
def test_ordinary_json_is_read_as_the_standard_library_reads_it(value: object, ascii_only: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_the_one_error(raw: bytes) -> None:
    try:
        decode(raw)
    except StrictJsonError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"", "not JSON"),
        (b'{"a": 1, "a": 2}', "the same key"),
        (b'{"a": {"b": 1, "b": 1}}', "the same key"),
        (b'{"a": 1, "\\u0061": 2}', "the same key"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "NaN"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": "\x01"}', "not JSON"),
        (b"[" * 60000, "nested deeper"),
    ],
)
def test_what_is_not_strict_is_refused_with_the_reason(raw: bytes, says: str) -> None:
    with pytest.raises(StrictJsonError, match=says):
        decode(raw)


def test_nesting_up_to_the_limit_is_read_and_one_more_is_refused() -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"1" + b"]" * depth

    decode(nested(MAX_DEPTH))
    with pytest.raises(StrictJsonError, match="nested deeper"):
        decode(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("innermost", [b"[]", b"{}", b'[""]'])
def test_an_empty_innermost_container_counts_like_a_full_one(opens: bytes, closes: bytes, innermost: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opens * (depth - 1) + innermost + closes * (depth - 1)

    decode(nested(MAX_DEPTH))
    with pytest.raises(StrictJsonError, match="nested deeper"):
        decode(nested(MAX_DEPTH + 1))


def test_many_small_objects_side_by_side_are_not_deep() -> None:
    assert decode(b"[" + b",".join([b"{}"] * 100) + b"]") == [{}] * 100


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert decode(rb'{"a": "\\u0000"}') == {"a": "\\u0000"}


def test_a_reason_never_quotes_the_body() -> None:
    with pytest.raises(StrictJsonError) as caught:
        decode(b'{"secret": hunter2}')
    assert "hunter2" not in str(caught.value)
