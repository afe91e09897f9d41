"""A message against what a test expects."""

from __future__ import annotations

import pytest

from memonotify.engine.compare import differences
from memonotify.engine.wording import Piece


def _fields(expected, payload):
    return [difference.field for difference in differences(expected, payload)]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "\u2009", "\n", "\t ", " \u00a0 "])
def test_white_space_of_every_kind_compares_alike(space):
    assert not differences({"subject": "120,50 €"}, {"subject": f"120,50{space}€ "})


def test_what_the_expectation_does_not_name_does_not_count():
    assert not differences({"rule": "r", "channel": "c"}, {"subject": "anything"})


def test_a_text_is_compared_as_a_whole_and_html_is_contained():
    assert _fields({"text": "Hello"}, {"text": "Hello there"}) == ["text"]
    assert not differences({"html": "<b>1</b>"}, {"html": "<p>so <b>1</b> it is</p>"})
    assert _fields({"html": "<b>2</b>"}, {"html": "<p>so <b>1</b> it is</p>"}) == ["html (contains)"]


def test_json_is_a_subset_at_any_depth():
    payload = {"json": {"cents": 12050, "more": {"a": 1, "b": 2}, "list": [{"x": 1, "y": 2}]}}
    assert not differences({"json": {"more": {"a": 1}, "list": [{"y": 2}]}}, payload)
    assert _fields({"json": {"more": {"a": 2}}}, payload) == ["json.more.a"]
    assert _fields({"json": {"list": []}}, payload) == ["json.list"]
    assert _fields({"json": {"gone": None}}, payload) == ["json.gone"]


@pytest.mark.parametrize(
    ("expected", "payload", "told"),
    [
        ({"json": {"zz": None}}, {"json": {"a": 1}}, "json.zz: expected '(none)', got '(missing)'"),
        ({"json": {"zz": 1}}, {"json": {"zz": None}}, "json.zz: expected '1', got '(none)'"),
        ({"json": None}, {"body": "x"}, "json: expected '(none)', got '(missing)'"),
        ({"headers": {"X-A": "b"}}, {}, "headers.X-A: expected '\"b\"', got '(missing)'"),
        ({"html": "x"}, {}, "html: expected '\"x\"', got '(missing)'"),
        ({"cc": "a@x.fr"}, {}, "cc: expected 'a@x.fr', got '(none)'"),
    ],
)
def test_what_is_missing_is_told_apart_from_what_is_none(expected, payload, told):
    assert [str(each) for each in differences(expected, payload)] == [told]


@pytest.mark.parametrize(("expected", "got"), [("12050", 12050), (12050, "12050"), (True, 1), (0, False), (None, 0)])
def test_values_of_different_types_differ(expected, got):
    assert _fields({"json": {"v": expected}}, {"json": {"v": got}}) == ["json.v"]


def test_the_order_of_recipients_does_not_count():
    assert not differences({"to": ["a@x.fr", "b@x.fr"]}, {"to": ["b@x.fr", "a@x.fr"]})
    assert not differences({"to": "a@x.fr"}, {"to": ["a@x.fr"]})
    assert _fields({"to": "a@x.fr"}, {"to": ["a@x.fr", "b@x.fr"]}) == ["to"]


def test_headers_are_a_subset_whatever_their_case():
    assert not differences({"headers": {"x-kind": "debit"}}, {"headers": {"X-Kind": "debit", "X-Other": "1"}})
    assert _fields({"headers": {"X-Kind": "debit"}}, {}) == ["headers.X-Kind"]


def test_a_difference_is_told_word_by_word():
    (found,) = differences({"subject": "Debit returned today"}, {"subject": "Debit failed today"})
    assert found.pieces == (
        Piece("same", "Debit "),
        Piece("missing", "returned "),
        Piece("extra", "failed "),
        Piece("same", "today"),
    )
    assert str(found) == "subject: expected 'Debit returned today', got 'Debit failed today'"


SPACES = [" ", "\u00a0", "\u202f", "\u2009", "\u2002", "\u3000", "\u2028", "\r\n", "\n\n\t"]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    "fields",
    [
        lambda text: {"subject": text},
        lambda text: {"text": text},
        lambda text: {"body": text},
        lambda text: {"json": text},
        lambda text: {"json": {"amount": {"value": text}, "list": [text, {"a": text}]}},
        lambda text: {"blocks": [{"text": {"text": text}}]},
        lambda text: {"headers": {"X-Amount": text}},
        lambda text: {"to": [f"{text} <a@x.fr>"]},
        lambda text: {"html": f"<b>{text}</b>"},
    ],
    ids=["subject", "text", "body", "json", "json-deep", "blocks", "headers", "to", "html"],
)
def test_white_space_compares_alike_in_every_field(fields, space):
    assert not differences(fields("120,50 €"), fields(f"120,50{space}€"))
    assert not differences(fields(f"120,50{space}€"), fields("120,50 €"))
    assert differences(fields("120,50 €"), fields(f"120,51{space}€"))
    assert differences(fields("120,50 €"), fields("120,50€"))


def test_white_space_that_html_writes_as_an_entity_compares_alike():
    assert not differences({"html": "<b>120,50 €"}, {"html": "<p>\n <b>120,50&nbsp;€</b>"})


def test_a_difference_of_json_names_its_path():
    found = differences(
        {"json": {"amount": {"value": "1 €"}, "items": [{"id": "a"}, {"id": "b"}]}},
        {"json": {"amount": {"value": "2 €"}, "items": [{"id": "a"}, {"id": "c"}]}},
    )
    assert [field.field for field in found] == ["json.amount.value", "json.items[1].id"]


def test_of_html_only_the_nearest_place_is_shown():
    rows = "".join(f"<tr><td>row {number}</td></tr>" for number in range(2000))
    html = f"<p>before</p><table>{rows}<tr><td>Amount</td><td>12 €</td></tr></table><p>behind 13 €</p>"
    (found,) = differences({"html": "<td>Amount</td><td>13 €</td>"}, {"html": html})
    assert "".join(piece.text for piece in found.pieces) == "<td>Amount</td><td>13 12 €</td>"


def test_recipients_differ_one_by_one():
    (found,) = differences({"to": ["b@x.fr", "a@x.fr"]}, {"to": ["c@x.fr", "a@x.fr"]})
    assert [(piece.kind, piece.text) for piece in found.pieces] == [
        ("same", "a@x.fr, "),
        ("missing", "b@x.fr"),
        ("extra", "c@x.fr"),
    ]


def test_where_html_has_nothing_in_common_with_what_it_should_hold_both_are_shown():
    (found,) = differences({"html": "<b>a"}, {"html": "<p>x</p>"})
    assert found.pieces == (Piece("missing", "<b>a"), Piece("extra", "<p>x"))
