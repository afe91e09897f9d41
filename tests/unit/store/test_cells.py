from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.store.cells import MAX_DETAIL, decode, detail, encode, micros, moment, optional_micros, storable

_ANY_TEXT = st.text(st.characters(exclude_categories=()))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_moment_comes_back_exactly(at: datetime) -> None:
    assert moment(micros(at)) == at


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    paris = datetime(2026, 3, 2, 10, 0, 0, 1, tzinfo=timezone(timedelta(hours=1)))
    assert micros(paris) == micros(datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC))


def test_a_moment_before_1970_counts_backwards() -> None:
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(TypeError):
        micros(datetime(2026, 3, 2))


def test_no_moment_is_none() -> None:
    assert optional_micros(None) is None


@given(_JSON)
def test_json_comes_back_as_it_was_in_text_that_every_database_takes(value: object) -> None:
    text = encode(value)
    assert decode(text) == value
    assert text.isascii()
    assert "\0" not in text


def test_keys_keep_their_order() -> None:
    assert list(decode(encode({"b": 1, "a": 2}))) == ["b", "a"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        encode(value)


@given(_ANY_TEXT)
def test_storable_text_encodes_and_has_no_nul(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored.encode().decode()
    assert len(stored) == len(text)


def test_text_that_can_be_stored_stays_as_it_is() -> None:
    assert storable("à 10 € \U0001f4b6\n") == "à 10 € \U0001f4b6\n"


def test_a_detail_is_cut_where_it_is_too_long() -> None:
    assert detail("x" * MAX_DETAIL) == "x" * MAX_DETAIL
    assert detail("x" * (MAX_DETAIL + 1)) == "x" * (MAX_DETAIL - 1) + "…"
