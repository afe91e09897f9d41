"""A condition says which of its parts is false, and what stood on both sides."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.templating import Templates
from memonotify.templating.conditions import MAX_SHOWN, conjuncts, operands, shown

TEMPLATES = Templates(folder=Path("/nonexistent"), locale="fr_FR", timezone="Europe/Paris")
CONTEXT = {
    "event": {"event_type": "transaction_confirmed"},
    "resource": {"direction": "debit", "amount": 12050, "currency": "EUR", "tags": ["a"], "note": None, "n": 0},
}


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("a", ["a"]),
        ("a and b", ["a ", " b"]),
        ("a and (b and c) and f(d and e)", ["a ", " (b and c) ", " f(d and e)"]),
        ("a and b or c", ["a and b or c"]),
        ("a if b and c else d", ["a if b and c else d"]),
        ('a == "x and y" and b', ['a == "x and y" ', " b"]),
        ("a\n  and b", ["a\n  ", " b"]),
        ("android and brand", ["android ", " brand"]),
    ],
)
def test_a_condition_falls_into_the_parts_that_are_anded_at_its_top(source: str, parts: list[str]) -> None:
    assert conjuncts(source) == parts


@pytest.mark.parametrize(
    ("source", "sides"),
    [
        ("a == 1", ["a ", " 1"]),
        ("(a | amount) >= 10000", ["(a | amount) ", " 10000"]),
        ("a in (1, 2)", ["a ", " (1, 2)"]),
        ("a not in b", ["a", " b"]),
        ("a is defined", ["a "]),
        ("a is not none", ["a "]),
        ("not a", ["a"]),
        ("not (a == b)", ["(a == b)"]),
        ("a", ["a"]),
        ("a or b == c", ["a or b == c"]),
        ("a.index == b", ["a.index ", " b"]),
    ],
)
def test_a_comparison_has_two_sides(source: str, sides: list[str]) -> None:
    assert operands(source) == sides


@pytest.mark.parametrize(
    ("source", "condition", "values"),
    [
        (
            'resource.direction == "credit" and (resource | amount) >= 10000',
            'resource.direction == "credit"',
            (("resource.direction", '"debit"'),),
        ),
        (
            'resource.direction == "debit" and (resource | amount) >= 10000',
            "(resource | amount) >= 10000",
            (("(resource | amount)", "120.50"),),
        ),
        (
            "resource.amount < resource.n",
            "resource.amount < resource.n",
            (("resource.amount", "12050"), ("resource.n", "0")),
        ),
        ("resource.note is not none", "resource.note is not none", (("resource.note", "none"),)),
        ('"b" in resource.tags', '"b" in resource.tags', (("resource.tags", '["a"]'),)),
        ("resource.n", "resource.n", (("resource.n", "0"),)),
        ("resource.n or resource.note", "resource.n or resource.note", (("resource.n or resource.note", "none"),)),
        ("not resource.amount", "not resource.amount", (("resource.amount", "12050"),)),
    ],
)
def test_the_first_false_part_is_told_with_its_values(
    source: str, condition: str, values: tuple[tuple[str, str], ...]
) -> None:
    made = TEMPLATES.condition(source)
    assert not made.holds(CONTEXT)
    falsehood = made.first_false(CONTEXT)
    assert (falsehood.condition, falsehood.values) == (condition, values)


def test_a_side_that_cannot_be_told_says_why() -> None:
    made = TEMPLATES.condition("resource.gone is defined and resource.n")
    falsehood = made.first_false(CONTEXT)
    assert falsehood.condition == "resource.gone is defined"
    assert [name for name, _ in falsehood.values] == ["resource.gone"]
    assert "gone" in falsehood.values[0][1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), ("é", '"é"'), (Decimal("1.50"), "1.50"), ({"a": 1}, '{"a": 1}'), (3, "3")],
)
def test_a_value_is_shown_as_one_would_write_it(value: object, text: str) -> None:
    assert shown(value) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_is_shown_is_short(value: object) -> None:
    assert len(shown(value)) <= MAX_SHOWN


@given(
    st.lists(
        st.sampled_from(["resource.n", "resource.amount > 1", "resource.n == 0", "resource.note"]),
        min_size=1,
        max_size=5,
    )
)
def test_where_the_whole_is_false_one_part_is_told_and_it_is_false(parts: list[str]) -> None:
    made = TEMPLATES.condition(" and ".join(parts))
    if not made.holds(CONTEXT):
        told = made.first_false(CONTEXT).condition
        assert told in parts
        assert not TEMPLATES.expression(told).holds(CONTEXT)
