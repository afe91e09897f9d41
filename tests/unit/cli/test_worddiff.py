"""A difference as lines for a person."""

from __future__ import annotations

import re

import pytest

from memonotify.cli.worddiff import diff_lines, legend
from memonotify.engine.wording import pieces


def lines(expected: str, got: str, *, width: int = 70, colour: bool = False) -> list[str]:
    return list(diff_lines(pieces(expected, got), width=width, colour=colour))


@pytest.mark.parametrize(
    ("expected", "got", "shown"),
    [
        ("Debit returned today", "Debit failed today", "Debit [-returned-] {+failed+} today"),
        ("one two", "one", "one [-two-]"),
        ("one", "one two", "one {+two+}"),
        ("one", "two", "[-one-] {+two+}"),
        ("", "two words", "{+two words+}"),
    ],
)
def test_without_colour_marks_tell_the_words_apart(expected: str, got: str, shown: str) -> None:
    assert lines(expected, got) == [shown]


def test_with_colour_the_words_stand_without_marks() -> None:
    (line,) = lines("Debit returned today", "Debit failed today", colour=True)
    assert re.sub("\x1b\\[[0-9]+m", "", line) == "Debit returned failed today"
    assert re.search("\x1b\\[31m\\S*returned", line)
    assert re.search("\x1b\\[32m\\S*failed", line)
    assert line.endswith(" today")


def test_no_line_is_wider_than_asked_for() -> None:
    got = "x" * 200 + " " + "word " * 60
    shown = lines("something else entirely", got, width=40)
    assert len(shown) > 3
    assert max(map(len, shown)) <= 40


def test_what_is_the_same_far_from_a_change_is_cut() -> None:
    before, behind = "before " * 100, " behind" * 100
    (*_, text) = [" ".join(lines(f"{before}old{behind}", f"{before}new{behind}"))]
    assert re.fullmatch(r"… (before )+\[-old-\] \{\+new\+\} (behind )+…", text)
    assert len(text) < 150


def test_two_changes_far_apart_are_both_shown() -> None:
    middle = "middle " * 100
    text = " ".join(lines(f"old {middle}old", f"new {middle}new"))
    assert text.startswith("[-old-] {+new+} middle")
    assert text.endswith("middle [-old-] {+new+}")
    assert "… middle" in text
    assert len(text) < 200


def test_long_words_are_cut_to_where_they_differ() -> None:
    start, end = "https://client.memo.bank/" + "a" * 300, "b" * 300
    text = "".join(lines(f"{start}1{end}", f"{start}2{end}"))
    assert "a1b" in text
    assert "a2b" in text
    assert len(text) < 120


def test_a_long_text_that_is_too_much_is_cut_in_its_middle() -> None:
    text = " ".join(lines("short", "first " + "word " * 500 + "last"))
    assert "{+first" in text
    assert "last+}" in text
    assert len(text) < 400


def test_what_steers_a_terminal_is_written_out() -> None:
    assert lines("a", "\x1b[2Jb\u202e") == ["[-a-] {+\\u001b[2Jb\\u202e+}"]


def test_the_legend_is_written_as_the_words_are() -> None:
    assert legend(colour=False).startswith("[-expected")
    assert "\x1b[31m" in legend(colour=True)
