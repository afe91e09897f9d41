"""Which fields of the bank's answer have changed."""

from __future__ import annotations

import pytest

from memonotify.admin.discreet import discreet
from memonotify.admin.drift import drift
from memonotify.admin.gist import MAX_GIST, gist, recipients


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"status": "pending"}, {"status": "done"}, [("status", '"pending"', '"done"')]),
        ({"a": 1}, {"b": None}, [("a", "1", "absent"), ("b", "absent", "none")]),
        ({"m": {"a": 1, "b": 1}}, {"m": {"a": 1, "b": 2}}, [("m.b", "1", "2")]),
        ([{"a": 1}], [{"a": 2}], [("[0].a", "1", "2")]),
        ({"l": [1]}, {"l": [1, 2]}, [("l", "[1]", "[1, 2]")]),
        ({"a": 1}, {"a": True}, [("a", "1", "true")]),
        ({"a": {"b": 1}}, {"a": None}, [("a", '{"b": 1}', "none")]),
        ([1], {"a": 1}, [("the answer", "[1]", '{"a": 1}')]),
        (
            {"url": "https://h.example/f?X-Signature=abc"},
            {"url": "https://h.example/f?X-Signature=xyz"},
            [("url", '"https://h.example/f?…"', '"https://h.example/f?…"')],
        ),
    ],
)
def test_each_field_that_differs_is_told_with_both_values(old, new, changes):
    assert list(drift(old, new)) == changes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing of the kind", "nothing of the kind"),
        ("see https://h.example/f?sig=s3cret now", "see https://h.example/f?… now"),
        ("https://h.example/f#token=s3cret", "https://h.example/f?…"),
        ("https://me:s3cret@h.example/f", "https://h.example/f"),
        ('{"a": "https://h.example/?s=1", "b": 2}', '{"a": "https://h.example/?…", "b": 2}'),
    ],
)
def test_an_address_that_is_shown_ends_before_its_query(text, shown):
    assert discreet(text) == shown


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"subject": "Paid", "text": "long"}, "Paid"),
        ({"text": "\nfirst\nsecond"}, "first"),
        ({"json": {"cents": 1}}, '{"cents": 1}'),
        ({"body": "x" * 500}, "x" * (MAX_GIST - 1) + "…"),
        ({}, ""),
    ],
)
def test_a_message_is_told_in_a_short_line(payload, said):
    assert gist(payload) == said


def test_the_recipients_are_those_that_the_message_names():
    assert recipients({"to": ["a@x"], "cc": ["b@x"]}) == ["a@x", "b@x"]
    assert recipients({"text": "t"}) == []
