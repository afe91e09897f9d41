"""What differs between two messages, and the line that stands for one."""

from __future__ import annotations

import pytest

from memonotify.engine.contrast import MOST_SHOWN, changes, headline

LONG = "word " * 400


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param({"text": "a"}, {"text": "a"}, [], id="same"),
        pytest.param({"text": "a"}, {"text": "b"}, [("text", "a", "b")], id="text"),
        pytest.param({"text": "a"}, {"subject": "s", "text": "a"}, [("subject", None, "s")], id="a field more"),
        pytest.param({"text": "a", "to": ["x"]}, {"text": "a"}, [("to", '["x"]', None)], id="a field less"),
        pytest.param({"json": {"a": {"b": 1}}}, {"json": {"a": {"b": 2}}}, [("json.a.b", "1", "2")], id="deep"),
        pytest.param({"json": 1}, {"json": True}, [("json", "1", "true")], id="one is not true"),
        pytest.param({"json": {"b": 1, "a": 2}}, {"json": {"a": 2, "b": 1}}, [], id="order of keys"),
        pytest.param(
            {"attach": [{"name": "p.pdf", "size": 5}]}, {"attach": [{"name": "p.pdf", "size": None}]}, [], id="size"
        ),
        pytest.param({"text": "a\nb"}, {"text": "a\nc"}, [("text", "a⏎b", "a⏎c")], id="lines"),
    ],
)
def test_each_field_that_differs_is_told(before, after, told):
    assert [(change.field, change.before, change.after) for change in changes(before, after)] == told


def test_of_a_long_text_the_part_around_the_first_difference_is_told():
    (change,) = changes({"html": f"{LONG}old{LONG}"}, {"html": f"{LONG}new{LONG}"})
    assert change.before is not None
    assert change.after is not None
    assert "old" in change.before
    assert "new" in change.after
    assert len(change.before) <= MOST_SHOWN
    assert change.before.startswith("…")


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ({"subject": "S", "text": "T"}, "S"),
        ({"text": "\n  first\nsecond"}, "first"),
        ({"json": {"b": 1, "a": "é"}}, '{"a": "é", "b": 1}'),
        ({"body": "raw"}, "raw"),
        ({}, ""),
        ({"text": "x" * 500}, "x" * (MOST_SHOWN - 1) + "…"),
    ],
)
def test_a_message_is_told_by_its_subject_or_first_line(payload, line):
    assert headline(payload) == line
